# SPDX-License-Identifier: Apache-2.0
"""Documents and photos: files beside the desk, each under the SHA-256 of its contents, never changed.

What a file is its first bytes say, not its name: photos and PDF, nothing that a browser would run.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from coldchain.kernel.errors import BadData

FOLDER = "papers"
SIZE_MAX = 8_000_000
"""Bytes: a photo of a telephone, a scanned certificate."""
HASH = re.compile(r"[0-9a-f]{64}")
MEDIA = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "application/pdf": ".pdf"}


def media_of(body: bytes) -> str | None:
    """What it is, by its first bytes; None: nothing that is kept.

    >>> media_of(b"%PDF-1.7"), media_of(b"<script>")
    ('application/pdf', None)
    """
    if body[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if body[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return "application/pdf" if body[:5] == b"%PDF-" else None


class Papers:
    """The folder beside `desk.db`."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def put(self, body: bytes) -> tuple[str, str]:
        """(hash, media type) of what is now on the disk, with fsync. BadData for what is not kept."""
        if not 0 < len(body) <= SIZE_MAX:
            raise BadData(f"a file has at most {SIZE_MAX // 1_000_000} MB, and is not empty")
        media = media_of(body)
        if media is None:
            raise BadData("a photo (JPEG, PNG, WebP) or a PDF is kept, nothing else")
        digest = hashlib.sha256(body).hexdigest()
        target = self.path(digest)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{digest}.{os.getpid()}")
            with draft.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return digest, media

    def get(self, digest: str) -> bytes | None:
        """Its contents, if they are still those of that hash."""
        if not HASH.fullmatch(digest) or not self.path(digest).exists():
            return None
        body = self.path(digest).read_bytes()
        return body if hashlib.sha256(body).hexdigest() == digest else None

    def path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def all(self) -> list[Path]:
        """Every file, by hash."""
        return sorted(p for p in self._folder.glob("??/*") if HASH.fullmatch(p.name))
