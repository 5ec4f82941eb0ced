# SPDX-License-Identifier: Apache-2.0
"""The first account: made when a console starts at a desk that has none."""

from __future__ import annotations

import sys

from coldchain.ports.clock import wall_ms
from coldchain.records.accounts import Accounts
from coldchain.settings import Settings


def make_admin(settings: Settings) -> str | None:
    """The password of `admin`, made now; None when there are accounts."""
    accounts = Accounts(settings.desk_db, wall_ms)
    try:
        return accounts.first()
    finally:
        accounts.close()


def first_admin(settings: Settings) -> str | None:
    """As `make_admin`, told on standard error, only now."""
    password = make_admin(settings)
    if password is not None:
        sys.stderr.write(
            f"first start: sign in as admin with the password {password} (told only this once)\n"
        )
    return password
