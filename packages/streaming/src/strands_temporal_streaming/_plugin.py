"""`StreamingPlugin`: live output of durable Strands agents, on a Client or Worker."""

from strands_temporal import ComposablePlugin


class StreamingPlugin(ComposablePlugin):
    """The place of this package on a Client or Worker, beside `strands_temporal.StrandsPlugin`.

    In this release it reserves the name and composes with the other plugins; it adds no behaviour yet.
    """

    def __init__(self) -> None:
        super().__init__(
            "strands_temporal_streaming.StreamingPlugin", passthrough_modules=("strands_temporal_streaming",)
        )
