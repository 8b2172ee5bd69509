"""Remembers what was read of a run, to find out whether another run has the same."""

from array import array

from ._log import Item, Page


class Told:
    """Remembers a hash of each item that was read from a run, to compare another run's items with them.

    Args:
        start: Offset of the first item to remember.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self._hashes = array("q")

    def add(self, page: Page) -> None:
        """Remember the items of a page."""
        if page.items and page.start != self.start + len(self._hashes):  # after a gap
            self.start, self._hashes = page.start, array("q")
        self._hashes.extend(_hash(item) for item in page.items)

    @property
    def is_empty(self) -> bool:
        """Whether no item is remembered."""
        return not self._hashes

    def shared(self, page: Page) -> int | None:
        """Return the offset behind the page's last item that is what was read there; None if no item is."""
        found = None
        for item in page.items:
            place = item.offset - self.start
            if 0 <= place < len(self._hashes) and self._hashes[place] == _hash(item):
                found = item.offset + 1
        return found

    def differs(self, page: Page) -> int | None:
        """Return the offset of the page's first item that differs from what was read there, or None."""
        for item in page.items:
            place = item.offset - self.start
            if 0 <= place < len(self._hashes) and self._hashes[place] != _hash(item):
                return item.offset
        return None


def _hash(item: Item) -> int:
    payload = item.payload
    return hash((item.topic, payload.data, frozenset(payload.metadata.items())))
