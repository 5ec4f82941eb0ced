# SPDX-License-Identifier: Apache-2.0
"""One table: what each address needs, and what each role may. The checks and their tests come from it.

An address that is not in the table is refused to everybody: a new page is first written here.
"""

from __future__ import annotations

from enum import StrEnum


class May(StrEnum):
    """What somebody may do."""

    PUBLIC = "public"
    """Needs nobody: signing in, and what the page for it is made of."""
    READ = "read"
    ACKNOWLEDGE = "acknowledge"
    SIGN = "sign"
    """To put one's name under what becomes of blood; with the password, each time."""
    DUTY = "duty"
    """To swap duty and to try whether messages arrive."""
    ADMIN = "admin"
    """The registry, channels, schedules, backups."""
    SELF = "self"
    """One's own password, language and tokens."""
    ACCOUNTS = "accounts"
    AUDIT = "audit"


ROLES: dict[str, frozenset[May]] = {
    "technician": frozenset({May.READ, May.ACKNOWLEDGE, May.SIGN, May.SELF}),
    "on-call": frozenset({May.READ, May.ACKNOWLEDGE, May.SIGN, May.SELF, May.DUTY}),
    "contractor": frozenset({May.READ, May.SELF}),
    "supervisor": frozenset({May.READ, May.ACKNOWLEDGE, May.SIGN, May.SELF, May.AUDIT, May.DUTY}),
    "manager": frozenset({May.READ, May.SELF, May.AUDIT}),
    "admin": frozenset(May) - {May.PUBLIC},
    "auditor": frozenset({May.READ, May.SELF, May.AUDIT}),
}

LOCAL: frozenset[May] = frozenset({May.READ, May.ACKNOWLEDGE, May.SIGN})
"""Somebody at the machine itself who has not signed in: the wall's screen. They type the name they act by;
to sign, name and password of an account."""

ENDPOINTS: dict[tuple[str, str], May] = {
    ("GET", "/signin"): May.PUBLIC,
    ("POST", "/signin"): May.PUBLIC,
    ("GET", "/static/{digest}/{name:path}"): May.PUBLIC,
    ("GET", "/calendar/{secret}.ics"): May.PUBLIC,  # the address itself is a secret
    ("GET", "/answer/{secret}"): May.PUBLIC,
    ("POST", "/answer/{secret}"): May.PUBLIC,
    ("GET", "/api/v1/delivery/{provider}/{secret}"): May.PUBLIC,
    ("POST", "/api/v1/delivery/{provider}/{secret}"): May.PUBLIC,
    ("POST", "/signout"): May.SELF,
    ("GET", "/account"): May.SELF,
    ("POST", "/account/password"): May.SELF,
    ("POST", "/account/language"): May.SELF,
    ("POST", "/account/token"): May.SELF,
    ("GET", "/accounts"): May.ACCOUNTS,
    ("POST", "/accounts/add"): May.ACCOUNTS,
    ("POST", "/accounts/reset"): May.ACCOUNTS,
    ("POST", "/accounts/close"): May.ACCOUNTS,
    ("POST", "/accounts/revoke"): May.ACCOUNTS,
    ("GET", "/"): May.READ,
    ("GET", "/wall"): May.READ,
    ("GET", "/events"): May.READ,
    ("GET", "/appliance/{appliance_id}"): May.READ,
    ("GET", "/site/{site_id}"): May.READ,
    ("GET", "/alarms"): May.READ,
    ("POST", "/acknowledge"): May.ACKNOWLEDGE,
    ("GET", "/alarm/{number}"): May.READ,
    ("POST", "/alarm/{number}/{verb}"): May.ACKNOWLEDGE,
    ("GET", "/signatures"): May.SIGN,
    ("GET", "/signature/{paper}"): May.SIGN,
    ("POST", "/signature/{paper}"): May.SIGN,
    ("GET", "/api/v1/signatures"): May.SIGN,
    ("GET", "/api/v1/signatures/{paper}"): May.SIGN,
    ("POST", "/api/v1/signatures/{paper}"): May.SIGN,
    ("GET", "/more"): May.READ,
    ("GET", "/oncall"): May.READ,
    ("POST", "/oncall/calendar"): May.DUTY,
    ("POST", "/oncall/override"): May.DUTY,
    ("POST", "/oncall/undo"): May.DUTY,
    ("POST", "/oncall/test"): May.DUTY,
    ("GET", "/waiting"): May.READ,
    ("GET", "/health"): May.READ,
    ("GET", "/spark/{appliance_id}.svg"): May.READ,
    ("GET", "/api/v1/openapi.json"): May.READ,
    ("GET", "/api/v1/appliances"): May.READ,
    ("GET", "/api/v1/alarms"): May.READ,
    ("GET", "/api/v1/alarms/{number}"): May.READ,
    ("POST", "/api/v1/alarms/{number}/{verb}"): May.ACKNOWLEDGE,
    ("GET", "/api/v1/health"): May.READ,
    ("GET", "/api/v1/appliances/{appliance_id}/series"): May.READ,
    ("GET", "/api/v1/appliances/{appliance_id}/readings.csv"): May.READ,
}


def needed(method: str, template: str) -> May | None:
    """What an address needs; None: nobody may."""
    return ENDPOINTS.get(("GET" if method == "HEAD" else method, template))
