"""Traces and metrics of durable Strands agents on Temporal.

On the client and its workers, together with `strands_temporal.StrandsPlugin`:

    client = await Client.connect(address, plugins=[OTelPlugin(), StrandsPlugin()])
"""

from ._plugin import OTelPlugin

__all__ = ["OTelPlugin"]
