"""Errors that the inbox shows as a page."""


class PageError(Exception):
    """A request that the inbox does not fulfil.

    Args:
        title: What is wrong, in a few words.
        text: What happened and what to do.
        status: The HTTP status.
    """

    def __init__(self, title: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.title = title
        self.text = text
        self.status = status
