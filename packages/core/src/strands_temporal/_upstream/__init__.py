"""Everything that relies on private parts of Strands or Temporal. Nothing else belongs here.

Each file has one reason. Each entry says why no public API will do and where upstream has it, and has a test
in `tests/upstream` that fails when upstream changes.
"""
