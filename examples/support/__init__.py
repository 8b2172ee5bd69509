"""Shared by the examples: choice of a model, the local model's server, child processes that end with us."""
