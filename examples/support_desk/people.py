"""The people of the desk, where they decide, and the keys with which its programs prove who decides.

Prints a token with which one of them signs in to the inbox: `python -m examples.support_desk.people ana`.
"""

import contextlib
import os
import secrets
import sys
from datetime import timedelta
from pathlib import Path

from strands_temporal_hitl.identity import Person, sign_person

PEOPLE = {
    person.name: person
    for person in (
        Person("ana", ["finance"]),
        Person("bo", ["finance"]),
        Person("cy", ["support"]),
        Person("dee", ["support"]),
    )
}

PORT, SMTP_PORT = int(os.environ.get("PORT", "8800")), int(os.environ.get("SMTP_PORT", "8825"))
INBOX = f"http://127.0.0.1:{PORT}"
"""Where the people decide."""

_FOLDER = Path(os.environ.get("SUPPORT_DESK_KEYS") or "~/.cache/strands-temporal/support-desk").expanduser()


def key(name: str) -> str:
    """Return a secret key, which is made when it is first needed. Yours come from a store of secrets."""
    _FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _FOLDER / name
    if not path.exists():
        made = path.with_suffix(f".{os.getpid()}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):  # another program may make it at the same moment
            os.link(made, path)
        made.unlink()
    return path.read_text()


def address(person: Person) -> str:
    """Return a person's mail address."""
    return f"{person.name}@desk.example"


def owner(address: str) -> Person:
    """Return whose mail address this is, with the groups of now.

    Raises:
        KeyError: Nobody has it.
    """
    return PEOPLE[address.partition("@")[0]]


def main() -> None:
    """Print a token for a working day."""
    if len(sys.argv) != 2 or sys.argv[1] not in PEOPLE:
        sys.exit(f"Say who signs in: {', '.join(PEOPLE)}")
    print(sign_person(PEOPLE[sys.argv[1]], key("inbox"), expires_in=timedelta(hours=8)).value)


if __name__ == "__main__":
    main()
