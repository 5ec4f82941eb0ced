# SPDX-License-Identifier: Apache-2.0
"""The way back to a node."""

from __future__ import annotations

from typing import Protocol

from gateway.codecs.frames import Pairs


class Route(Protocol):
    """The way back to nodes: a line, a topic. Hashable by identity."""

    def acknowledge(self, node: str, boot: int, pairs: Pairs) -> None:
        """These reports are on our disk. May be dropped when the way is blocked: the node sends again."""
        ...

    def ask_again(self, node: str, boot: int, pairs: Pairs) -> None:
        """These reports were missed. Does nothing where the format cannot ask."""
        ...

    def committed(self) -> None:
        """What came by this route has been through a commit: accepted, or refused and counted."""
        ...
