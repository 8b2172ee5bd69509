"""AG-UI over SSE: an ASGI app for conversations with durable agents. Its public names are in `..web`."""
