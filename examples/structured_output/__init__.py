"""An object as the answer, and not text."""
