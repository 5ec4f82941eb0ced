# SPDX-License-Identifier: Apache-2.0
"""Every error of ours, named for the condition. The message says who, how much, and what to do next."""

from __future__ import annotations


class ColdChainError(Exception):
    """Catch this and you catch ours, nothing else. `exit_code` follows sysexits."""

    exit_code: int = 1


class FrameError(ColdChainError):
    """The bytes break the wire format. Count it, drop it, read on."""


class BatchError(ColdChainError):
    """A link batch cannot be read at all: not one reading of it is known."""

    exit_code = 65


class LinkDown(ColdChainError):
    """The far end is gone. The supervisor reconnects; nobody else retries."""

    exit_code = 69

    def __init__(self, *, link: str, why: str) -> None:
        super().__init__(f"{link}: {why}; check power and cable, then `coldchain doctor`")
        self.link, self.why = link, why


class StoreUnavailable(ColdChainError):
    """A store of ours cannot be read or written."""

    exit_code = 74


class SchemaTooNew(ColdChainError):
    """A file of ours was written by a newer version."""

    exit_code = 78

    def __init__(self, *, path: str, found: int, supported: int) -> None:
        super().__init__(
            f"{path} has format {found}, this version reads up to {supported}: "
            "install the version that wrote it, or restore a backup made before the upgrade"
        )
        self.found, self.supported = found, supported


class ConfigError(ColdChainError):
    """The configuration is not sound; the message names file, line and key."""

    exit_code = 78


class BadData(ColdChainError):
    """A file that a person gave us cannot be read as what it claims to be."""

    exit_code = 65
