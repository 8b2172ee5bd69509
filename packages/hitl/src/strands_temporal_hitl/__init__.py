"""Human approval for durable Strands agents on Temporal.

In this release: the plugin's name and place, no behaviour yet.
"""

from ._plugin import HITLPlugin

__all__ = ["HITLPlugin"]
