"""Fuzzes every decoder of the packages: recorded values, damaged in many ways, must give typed errors only.

Each decoder is a row of a table (`table.py`): a name, the decoder, values that released versions wrote, and
the errors that are promised. `make test` gives each row a few damaged values; `make fuzz` does so for as long
as one likes:

    make fuzz SECONDS=3600 ONLY=carry
"""
