"""Everything that relies on private parts of Strands or Temporal. Nothing else belongs here.

Each file serves one purpose. Each entry says why no public API will do and where upstream defines the private
part. A test in `tests/upstream` fails when upstream changes that part.
"""
