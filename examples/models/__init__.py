"""Two models on one worker, each agent with its own."""
