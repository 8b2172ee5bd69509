"""The subjects: each module has `Conversation`, its workflow, and `plugins` for its worker."""
