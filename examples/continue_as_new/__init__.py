"""An endless chat, over many runs of its workflow."""
