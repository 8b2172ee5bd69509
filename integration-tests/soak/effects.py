"""Side effects in SQLite, each written once under its idempotency key."""

import sqlite3
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS effects (key TEXT PRIMARY KEY, word TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (key TEXT NOT NULL, word TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS words ON attempts (word);
"""


def create(file: Path) -> None:
    """Create the tables."""
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(_TABLES)
    database.close()


def write(file: Path, key: str, word: str) -> None:
    """Write an effect, unless its key is there already."""
    database = sqlite3.connect(file, timeout=30)
    try:
        database.execute("PRAGMA synchronous=OFF")  # processes die here, not the machine
        with database:
            database.execute("INSERT INTO attempts VALUES (?, ?)", (key, word))
            database.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", (key, word))
    finally:
        database.close()


def keys_of_run(file: Path, run: str) -> dict[str, set[str]]:
    """Return the keys under which each word of a run was tried."""
    found: dict[str, set[str]] = {}
    database = sqlite3.connect(file, timeout=30)
    try:
        # Words begin with the run's name and a dash.
        rows = database.execute(
            "SELECT key, word FROM attempts WHERE word >= ? AND word < ?", (f"{run}-", f"{run}.")
        )
        for key, word in rows:
            found.setdefault(word, set()).add(key)
    finally:
        database.close()
    return found


def counts(file: Path) -> tuple[int, int]:
    """Return how many effects there are, and how many attempts were made."""
    database = sqlite3.connect(file, timeout=30)
    try:
        (effects,) = database.execute("SELECT count(*) FROM effects").fetchone()
        (attempts,) = database.execute("SELECT count(*) FROM attempts").fetchone()
    finally:
        database.close()
    return effects, attempts
