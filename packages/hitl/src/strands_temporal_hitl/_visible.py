"""Shows text of models, tools and people as it is: what a reader would not see becomes visible."""

_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc")
"""Characters that Unicode calls printable, although nothing is drawn for them."""

_VARIANTS = (("\u180b", "\u180f"), ("\ufe00", "\ufe0d"), ("\U000e0100", "\U000e01ef"))
"""Ranges of characters that change the one before them. Emoji need U+FE0E and U+FE0F, which are left."""


def is_visible(character: str) -> bool:
    """Tell whether a reader sees a character as what it is. Control and bidi characters are not visible."""
    if not character.isprintable() or character in _BLANKS:
        return False
    return not any(first <= character <= last for first, last in _VARIANTS)


def escaped(character: str) -> str:
    r"""Return a character that is not visible as its escape, for example `\u202e`."""
    return character.encode("unicode_escape").decode()


def visible(text: str, *, lines: bool = True) -> str:
    r"""Return a text with escapes for what a reader would not see: control, bidi and blank characters.

    It is no markup, and needs the escapes of the place where it is shown.

    Args:
        text: The text.
        lines: Whether line breaks stay. Otherwise they are escaped as `\n`.
    """
    return "".join(c if is_visible(c) or (lines and c == "\n") else escaped(c) for c in text)
