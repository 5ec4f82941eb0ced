# SPDX-License-Identifier: Apache-2.0
"""A small story, cut at every effect and failed at every call of the disk; see `main`."""

from __future__ import annotations


def main() -> int:
    return 0
