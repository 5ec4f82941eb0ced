# SPDX-License-Identifier: Apache-2.0
"""Scripts and styles: read once, compressed once, named by their content so that browsers keep them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; `address` changes with its content."""

    address: str
    media_type: str
    plain: bytes
    packed: bytes


def load_assets(folder: Path = STATIC) -> dict[str, Asset]:
    """name (relative path) -> asset, for the types that pages use."""
    found = {}
    for path in sorted(folder.rglob("*")):
        media_type = TYPES.get(path.suffix)
        if media_type is None:
            continue
        plain, name = path.read_bytes(), path.relative_to(folder).as_posix()
        digest = hashlib.sha256(plain).hexdigest()[:12]
        found[name] = Asset(f"/static/{digest}/{name}", media_type, plain, gzip.compress(plain, 9, mtime=0))
    return found
