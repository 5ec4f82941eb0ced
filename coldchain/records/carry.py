# SPDX-License-Identifier: Apache-2.0
"""A bundle: what a gateway without a link has, carried to the hub by hand; and the receipt that goes back.

    bundle v1  | "CCY1" | head length u32 | head, JSON | frames | sha256 | signature |
    frame      | length u32 | batch v1 |
    receipt v1 one JSON object with a signature over everything else in it

The digest covers all before it, the signature (Ed25519) a word of the format and the digest. A bundle is read
through and found whole before anybody takes anything of it (docs/wire-format.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from coldchain.kernel.errors import BadData, BatchError, ColdChainError
from coldchain.kernel.link import (
    MAX_PAYLOAD,
    Batch,
    Pairs,
    Receipt,
    decode_batch,
    name_of,
    number_of,
    pairs_of,
)
from coldchain.kernel.ranges import RangeSet

MAGIC = b"CCY1"
MAGIC_STEM = b"CCY"
VERSION = 1
HEAD = struct.Struct("<4sI")
LENGTH = struct.Struct("<I")
HEAD_MAX = 4 * 1024 * 1024
DIGEST_BYTES, SIGNATURE_BYTES = 32, 64
BUNDLE_WORD, RECEIPT_WORD = b"coldchain carry bundle 1\0", b"coldchain carry receipt 1\0"
GAPS_MAX = 1_000
"""Gap records that one bundle takes; the rest go with the next."""
PIECE = 1 << 20


class BundleRefused(ColdChainError):
    """Not a bundle of ours as it was packed: nothing of it is taken."""

    exit_code = 65


class CarryTooNew(BundleRefused):
    """A bundle or receipt of a newer version."""

    exit_code = 78


@dataclass(frozen=True, slots=True)
class BundleHead:
    """What a bundle says of itself.

    ranges   link sequences of its readings, sorted; `readings` of them in `frames` batches
    made_ms  the gateway's clock when it was packed [ms UTC]; first_ms, last_ms: its readings' instants
    gaps     the gateway's gap records, as in its status
    key      the gateway's public key, 64 hexadecimal digits
    """

    gateway: str
    epoch: str
    made_ms: int
    readings: int
    frames: int
    ranges: Pairs
    first_ms: int
    last_ms: int
    gaps: list[dict[str, Any]]
    key: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read through and found whole. digest: 64 hexadecimal digits; bytes: its size."""

    head: BundleHead
    digest: str
    bytes: int


# --- keys


def own_key(path: Path) -> bytes:
    """The secret key in this file (hexadecimal digits), made when there is no file. BadData if it is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  heavy

    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, path)  # never over a key that another process made meanwhile
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (UnicodeDecodeError, ValueError) as bad:
        raise BadData(f"{path} holds no key: remove it, and tell the other side the new one") from bad
    if len(secret) != 32:
        raise BadData(f"{path} holds no key: remove it, and tell the other side the new one")
    return secret


def public_of(secret: bytes) -> str:
    """The public key, 64 hexadecimal digits."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw().hex()


def key_of(text: str) -> str:
    """A public key as people type it, or BadData."""
    key = "".join(text.split()).lower()
    if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
        raise BadData(f"not a key of 64 hexadecimal digits: {text[:80]!r}; `coldchain carry key` prints it")
    return key


def _sign(secret: bytes, word: bytes, said: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    return Ed25519PrivateKey.from_private_bytes(secret).sign(word + said)


def _signed(key: str, signature: bytes, word: bytes, said: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, word + said)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- bundles


def write_bundle(out: Path, head: BundleHead, frames: Iterable[bytes], secret: bytes) -> Bundle:
    """Write it whole or not at all: a draft beside it is renamed at the end."""
    assert head.key == public_of(secret), "signed by the key that it names"
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    hashed = hashlib.sha256()
    text = json.dumps(asdict(head), separators=(",", ":")).encode()
    try:
        with draft.open("wb") as file:

            def put(piece: bytes) -> None:
                hashed.update(piece)
                file.write(piece)

            put(HEAD.pack(MAGIC, len(text)) + text)
            count = 0
            for frame in frames:
                put(LENGTH.pack(len(frame)) + frame)
                count += 1
            assert count == head.frames, "the head counts them"
            file.write(hashed.digest() + _sign(secret, BUNDLE_WORD, hashed.digest()))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return Bundle(head, hashed.hexdigest(), size)


def read_bundle(path: Path) -> Bundle:
    """Read it through: whole, unchanged, signed by the key that it names, and holding what its head says.

    BundleRefused with what is wrong; CarryTooNew for one of a newer version. Whether that key may speak for
    that gateway is the caller's question.
    """
    digest, size = _whole(path)
    with path.open("rb") as file:
        head = _head(file, path)
        file.seek(size - SIGNATURE_BYTES)
        if not _signed(head.key, file.read(), BUNDLE_WORD, bytes.fromhex(digest)):
            raise BundleRefused(f"{path}: the signature is not {head.gateway}'s; ask for a new bundle")
    found = RangeSet()
    readings = 0
    for batch in batches(path):
        for low, high in batch.ranges:
            found.add(low, high)
        readings += len(batch.rows)
    if readings != head.readings or len(found) != readings or found != RangeSet(head.ranges):
        raise BundleRefused(f"{path}: it holds {readings} readings and not the {head.readings} of its head")
    return Bundle(head, digest, size)


def batches(path: Path) -> Iterator[Batch]:
    """The batches of a bundle, one by one; BundleRefused for one that is not of its head's gateway, epoch."""
    with path.open("rb") as file:
        head = _head(file, path)
        for number in range(1, head.frames + 1):
            raw = file.read(LENGTH.size)
            length = LENGTH.unpack(raw)[0] if len(raw) == LENGTH.size else 0
            if not 0 < length <= MAX_PAYLOAD:
                raise BundleRefused(f"{path}: frame {number} of {head.frames} is no batch")
            try:
                batch = decode_batch(file.read(length))
            except BatchError as bad:
                raise BundleRefused(f"{path}: frame {number} of {head.frames}: {bad}") from bad
            if (batch.gateway, batch.epoch) != (head.gateway, head.epoch):
                raise BundleRefused(f"{path}: frame {number} is of {batch.gateway}, not of {head.gateway}")
            yield batch


def _whole(path: Path) -> tuple[str, int]:
    """(digest as it is, size), when the digest that it carries is the same."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(HEAD.size)
            if start[:4] != MAGIC:
                if start[:3] == MAGIC_STEM and start[3:4] > MAGIC[3:]:
                    raise CarryTooNew(
                        f"{path}: a bundle of a newer version; bring this machine up to date first"
                    )
                raise BundleRefused(
                    f"{path} is not a bundle: `coldchain carry pack` at the gateway makes one"
                )
            left = size - DIGEST_BYTES - SIGNATURE_BYTES
            hashed = hashlib.sha256()
            file.seek(0)
            while left > 0 and (piece := file.read(min(PIECE, left))):
                hashed.update(piece)
                left -= len(piece)
            said = file.read(DIGEST_BYTES)
    except OSError as bad:
        raise BadData(f"{path}: {bad.strerror or bad}") from bad
    if left != 0 or said != hashed.digest():
        raise BundleRefused(
            f"{path}: cut off or changed on the way (its checksum does not match); nothing was taken. "
            "Copy it again from the gateway"
        )
    return hashed.hexdigest(), size


def _head(file: IO[bytes], path: Path) -> BundleHead:
    try:
        _, length = HEAD.unpack(file.read(HEAD.size))
        return _head_of(json.loads(file.read(min(length, HEAD_MAX))))
    except (ValueError, KeyError, TypeError, struct.error, RecursionError, BadData) as bad:
        raise BundleRefused(f"{path}: its head cannot be read ({str(bad)[:120]})") from bad


def _head_of(said: dict[str, Any]) -> BundleHead:
    """ValueError, KeyError, TypeError or BadData for what is no head."""
    gaps = said["gaps"]
    if not isinstance(gaps, list) or not all(isinstance(gap, dict) for gap in gaps):
        raise TypeError("gaps are not a list of records")
    return BundleHead(
        gateway=name_of(said["gateway"]),
        epoch=name_of(said["epoch"]),
        made_ms=number_of(said["made_ms"]),
        readings=number_of(said["readings"]),
        frames=number_of(said["frames"]),
        ranges=pairs_of(said["ranges"]),
        first_ms=int(said["first_ms"]),
        last_ms=int(said["last_ms"]),
        gaps=gaps,
        key=key_of(said["key"]),
    )


# --- receipts


@dataclass(frozen=True, slots=True)
class CarryReceipt:
    """What became of a bundle, for its gateway: `receipt` as on the link; counts of this merge.

    bundle  the digest of what was merged; key: the hub's public key
    """

    bundle: str
    receipt: Receipt
    taken: int
    held_before: int
    dead: int
    key: str


def encode_carry_receipt(done: CarryReceipt, secret: bytes) -> bytes:
    """Signed with the key that it names: a false one would make a gateway forget what nobody has."""
    said = {
        "coldchain": "carry-receipt",
        "v": VERSION,
        "bundle": done.bundle,
        "key": done.key,
        "taken": done.taken,
        "held_before": done.held_before,
        "dead_lettered": done.dead,
        "gateway": done.receipt.gateway,
        "epoch": done.receipt.epoch,
        "recorded": done.receipt.recorded,
        "dead": done.receipt.dead,
        "gaps": done.receipt.gaps,
        "hub_ms": done.receipt.hub_ms,
    }
    return json.dumps(
        {**said, "signature": _sign(secret, RECEIPT_WORD, _plain(said)).hex()}, indent=1
    ).encode()


def _plain(said: dict[str, Any]) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def decode_carry_receipt(text: bytes, trusted: str | None = None) -> CarryReceipt:
    """The receipt, or BundleRefused: unread, of a newer version, changed, or not of the hub that we trust."""
    try:
        said: dict[str, Any] = json.loads(text)
        signature = bytes.fromhex(said.pop("signature"))
        done = _receipt_of(said)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadData) as bad:
        raise BundleRefused(f"not a receipt of `coldchain carry merge`: {str(bad)[:120]}") from bad
    if not _signed(done.key, signature, RECEIPT_WORD, _plain(said)):
        raise BundleRefused(
            "the receipt was changed on the way: its signature does not match; nothing was forgotten"
        )
    if trusted is not None and done.key != trusted:
        raise BundleRefused(
            f"the receipt is signed by another hub ({done.key[:16]}...); nothing was forgotten"
        )
    return done


def _receipt_of(said: dict[str, Any]) -> CarryReceipt:
    if said["coldchain"] != "carry-receipt":
        raise ValueError("something else")
    if number_of(said["v"]) > VERSION:
        raise CarryTooNew("a receipt of a newer version; bring this machine up to date first")
    receipt = Receipt(
        name_of(said["gateway"]),
        name_of(said["epoch"]),
        pairs_of(said["recorded"]),
        pairs_of(said["dead"]),
        [number_of(gap) for gap in said["gaps"]],
        number_of(said["hub_ms"]),
    )
    return CarryReceipt(
        str(said["bundle"]),
        receipt,
        taken=number_of(said["taken"]),
        held_before=number_of(said["held_before"]),
        dead=number_of(said["dead_lettered"]),
        key=key_of(said["key"]),
    )


@contextmanager
def whole_or_not(path: Path) -> Iterator[Path]:
    """Write to what this gives; it takes the place of `path` at the end, or leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
