# SPDX-License-Identifier: Apache-2.0
"""Grammars of the wire: pure functions of bytes. `CODECS`: those of byte streams, by name."""

from __future__ import annotations

from collections.abc import Callable

from gateway.codecs.ascii import AsciiCodec
from gateway.codecs.binary import BinaryCodec
from gateway.codecs.frames import Codec

CODECS: dict[str, Callable[[], Codec]] = {"binary": BinaryCodec, "ascii": AsciiCodec}
