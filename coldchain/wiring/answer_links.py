# SPDX-License-Identifier: Apache-2.0
"""Answering by a link in an e-mail: the code of the message, sealed, so that nobody can make up an address.

The link is as good as the code and ends with it: single use, one person, one alarm. To open it changes
nothing (mail servers open what they deliver); the button on its page answers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import StoreUnavailable
from coldchain.ports.notifier import Notifier, Sent
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.registry import Desk, RegistryReader
from coldchain.records.sql import open_reader
from coldchain.settings import Settings

CODE = re.compile(r"\b(?:OK|ALL) ([0-9]{6})\b")
SEALED = re.compile(r"([0-9]{6})-([A-Za-z0-9_-]{22})")
ACTIONS = ("door", "power", "coming", "work")
KEY_BYTES, SEAL_BYTES = 32, 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link is about: the message as it was sent, and the language of its reader."""

    code: str
    person: str
    alarm: str
    text: str
    language: str
    used: bool


class AnswerLinks:
    """Makes and reads sealed codes. The key is a file beside the record, made when it is first needed."""

    def __init__(self, settings: Settings, wall_ms: WallClock) -> None:
        self._settings, self._wall_ms = settings, wall_ms

    def url(self, code: str) -> str | None:
        """The address of that code; None where the console's own is not set."""
        base = self._settings.console.address
        return f"{base.rstrip('/')}/answer/{code}-{self._seal(code)}" if base else None

    def find(self, secret: str) -> Asked | None:
        """None: no address of ours, or of a code that is forgotten, or of a shared telephone."""
        found = SEALED.fullmatch(secret)
        if found is None or not hmac.compare_digest(self._seal(found[1]), found[2]):
            return None
        reader = RegistryReader(self._settings.desk_db)
        reader.refresh()
        reader.close()
        try:
            db: sqlite3.Connection = open_reader(self._settings.alarms_db, len(ALARMS_MIGRATIONS))
        except StoreUnavailable:
            return None
        try:
            row = db.execute(
                "SELECT c.person, c.alarm, c.used_ms, coalesce((SELECT text FROM notice n"
                " WHERE n.alarm = c.alarm AND n.person = c.person AND n.about = 'raised'"
                " ORDER BY n.id DESC LIMIT 1), '')"
                " FROM code c WHERE c.code = ? ORDER BY c.made_ms DESC LIMIT 1",
                (found[1],),
            ).fetchone()
        finally:
            db.close()
        person = reader.registry.person_by_id.get(row[0]) if row else None
        if row is None or person is None or person.shared:  # whoever answers there must sign
            return None
        return Asked(found[1], row[0], row[1], row[3], person.language, row[2] is not None)

    def answer(self, asked: Asked, action: str) -> None:
        """Ask alerts to take it; twice is once."""
        desk = Desk(self._settings.desk_db, self._wall_ms)
        try:
            desk.command(
                f"link-{asked.code}-{hashlib.sha256(asked.alarm.encode()).hexdigest()[:16]}",
                "acknowledge",
                person=asked.person,
                alarm=asked.alarm,
                body={"action": action, "by": "link"},
            )
        finally:
            desk.close()

    def _seal(self, code: str) -> str:
        sealed = hmac.new(self._key(), code.encode(), hashlib.sha256).digest()[:SEAL_BYTES]
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def _key(self) -> bytes:
        path = self._settings.data_dir / "link-key"
        key = path.read_bytes() if path.exists() else b""
        if len(key) != KEY_BYTES:  # what a power cut left of it: anybody could seal with an empty one
            path.unlink(missing_ok=True)
            _make(path)
            key = path.read_bytes()
        return key


def _make(path: Path) -> None:
    """Whole or not at all, readable by us alone; of two makers the first wins."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


class Linked:
    """A channel whose messages may be long: what asks for an answer carries its link."""

    def __init__(self, channel: Notifier, links: AnswerLinks) -> None:
        self._channel, self._links = channel, links

    @property
    def moved_s(self) -> float:
        moved_s: float = getattr(self._channel, "moved_s", float("-inf"))
        return moved_s

    def send(self, to: str, text: str) -> Sent:
        code = CODE.search(text)
        url = self._links.url(code[1]) if code else None
        return self._channel.send(to, f"{text}\n\n{url}" if url else text)
