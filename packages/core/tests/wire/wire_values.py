"""Values that cross the wire, for property-based tests: JSON values that may contain bytes."""

from typing import Any

from hypothesis import strategies as st

# Any Python text: a file name that is not UTF-8 holds half a surrogate pair.
texts = st.text(max_size=20) | st.text(st.characters(categories=["Cs"]), max_size=2)
keys_of_dicts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.one_of(
    st.sampled_from(["$b64", "$$b64", "$$$b64", "$s64", "$$s64", "$", "b64", "$b64 "]), keys_of_dicts
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.binary(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)

tagged_lookalikes: list[Any] = [
    {"$b64": "aGVsbG8="},
    {"$b64": b"hello"},
    {"$$b64": "aGVsbG8="},
    {"$$$b64": {"$b64": {"$$b64": None}}},
    {"$b64": "not base64!"},
    {"$b64": 1, "other": b""},
    {"$s64": "aGVsbG8="},
    {"$$s64": {"$s64": "caf\udce9"}},
]
