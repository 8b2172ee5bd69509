"""What runs in a workflow and replays."""
