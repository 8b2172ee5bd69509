"""The demo: a durable conversation, a worker killed in the middle of an answer, the proof in the history."""
