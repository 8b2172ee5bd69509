"""The transport over NATS JetStream. The public module is `strands_temporal_streaming.nats`."""
