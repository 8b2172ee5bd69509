"""Live output of durable Strands agents on Temporal.

In this release: the plugin's name and place, no behaviour yet.
"""

from ._plugin import StreamingPlugin

__all__ = ["StreamingPlugin"]
