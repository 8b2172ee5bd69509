"""The code that runs in a workflow and replays."""
