"""The agents of an app that serves all agents of its workers."""

from collections.abc import Iterator, Mapping
from typing import Any

from typing_extensions import override


class AnyAgent(Mapping[str, Mapping[str, Any]]):
    """Has each name, without arguments. Which agents there are, the workers say."""

    @override
    def __getitem__(self, name: str) -> Mapping[str, Any]:
        if not name:
            raise KeyError(name)
        return {}

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(())

    @override
    def __len__(self) -> int:
        return 0
