# SPDX-License-Identifier: Apache-2.0
"""Scripts and styles: read once, compressed once, named by their content so that browsers keep them."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_URL = re.compile(r"url\(([\w./-]+)\)")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; `address` changes with its content."""

    address: str
    media_type: str
    plain: bytes
    packed: bytes


def load_assets(folder: Path = STATIC) -> dict[str, Asset]:
    """name (relative path) -> asset, for the types that pages use. Styles name fonts by their path."""
    found: dict[str, Asset] = {}
    styles: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        media_type = TYPES.get(path.suffix)
        if media_type is None:
            continue
        plain, name = path.read_bytes(), path.relative_to(folder).as_posix()
        if path.suffix == ".css":
            styles[name] = plain.decode()
        else:
            found[name] = _asset(name, media_type, plain)
    for name, text in styles.items():
        named = _URL.sub(lambda url: f"url({found[url[1]].address})", text)
        found[name] = _asset(name, TYPES[".css"], named.encode())
    return found


def _asset(name: str, media_type: str, plain: bytes) -> Asset:
    digest = hashlib.sha256(plain).hexdigest()[:12]
    return Asset(f"/static/{digest}/{name}", media_type, plain, gzip.compress(plain, 9, mtime=0))
