"""What the examples share: a choice of model, the local model's server, processes that end with us."""
