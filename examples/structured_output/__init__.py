"""The answer is an object instead of text."""
