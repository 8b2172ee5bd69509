"""What is measured: each module has `Conversation`, its workflow, and `plugins`, what its worker needs."""
