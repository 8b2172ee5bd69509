"""Live output of an agent, in a terminal."""
