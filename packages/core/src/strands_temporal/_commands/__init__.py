"""The command `strands-temporal`. Only its script imports this room, and it needs the extra `cli`.

`_app` holds what every command shares. Each command has a file of its own.
"""
