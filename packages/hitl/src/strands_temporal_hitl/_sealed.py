"""Sealed texts: content with an HMAC-SHA256 of it, for tickets, signed people, links and cookies.

Both parts are URL-safe base64, with a dot between them.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

SHORTEST_KEY = 32
"""Bytes of a key. Shorter ones could be guessed."""


def seal(content: bytes, key: bytes, purpose: bytes = b"") -> str:
    """Return sealed content.

    Args:
        content: The content, which everybody can read.
        key: The key.
        purpose: Is part of what is signed, so that one kind of sealed text cannot pass as another.
    """
    return f"{url_text(content)}.{url_text(hmac.digest(key, purpose + content, hashlib.sha256))}"


def unseal(sealed: str, keys: Sequence[bytes], purpose: bytes = b"") -> bytes | None:
    """Return the content of a sealed text; None if none of the keys signed it for this purpose.

    Raises:
        ValueError: If it is no sealed text.
    """
    content, signature = parts_of(sealed)
    wanted = [hmac.digest(key, purpose + content, hashlib.sha256) for key in keys]
    good = [hmac.compare_digest(signature, each) for each in wanted]
    return content if any(good) else None


def parts_of(sealed: str) -> tuple[bytes, bytes]:
    """Return the content and the signature of a sealed text, which nobody has compared.

    Raises:
        ValueError: If it is no sealed text.
    """
    content, dot, signature = sealed.partition(".")
    if not dot or not sealed.isascii():
        raise ValueError("it is no sealed text")
    try:
        return _url_bytes(content), _url_bytes(signature)
    except ValueError:
        raise ValueError("it is no sealed text: a part of it is not base64") from None


def url_text(value: bytes) -> str:
    """Return bytes as URL-safe base64, without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _url_bytes(text: str) -> bytes:
    return base64.b64decode(f"{text}{'=' * (-len(text) % 4)}", altchars=b"-_", validate=True)
