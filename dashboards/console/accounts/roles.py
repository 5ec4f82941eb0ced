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
    CHANGE = "change"
    """To ask for a change of rules, and to decide on another person's."""
    DUTY = "duty"
    """To swap duty and to try whether messages arrive."""
    ADMIN = "admin"
    """The registry, channels, schedules, backups."""
    WORK = "work"
    """To work on a device: start and finish its orders, tell of parts, tasks, documents, photos."""
    DEVICES = "devices"
    """To write what a device is, where it stands, its plans and certificates; links for contractors."""
    SELF = "self"
    """One's own password, language and tokens."""
    ACCOUNTS = "accounts"
    AUDIT = "audit"


ROLES: dict[str, frozenset[May]] = {
    "technician": frozenset({May.READ, May.ACKNOWLEDGE, May.SIGN, May.SELF, May.WORK}),
    "on-call": frozenset({May.READ, May.ACKNOWLEDGE, May.SIGN, May.SELF, May.DUTY, May.WORK}),
    "contractor": frozenset({May.READ, May.SELF, May.WORK}),
    "supervisor": frozenset(May) - {May.PUBLIC, May.ADMIN, May.ACCOUNTS},
    "manager": frozenset({May.READ, May.SELF, May.AUDIT, May.CHANGE}),
    "admin": frozenset(May) - {May.PUBLIC},
    "auditor": frozenset({May.READ, May.SELF, May.AUDIT}),
}

WHOLE: frozenset[May] = frozenset({May.ADMIN, May.ACCOUNTS, May.AUDIT, May.CHANGE})
"""What cannot be cut to some sites: an account that is for some sites only has none of it."""

LOCAL: frozenset[May] = frozenset({May.READ, May.ACKNOWLEDGE, May.SIGN, May.WORK})
"""Somebody at the machine itself who has not signed in: the wall's screen. They type the name they act by;
to sign, name and password of an account."""

ENDPOINTS: dict[tuple[str, str], May] = {
    ("GET", "/signin"): May.PUBLIC,
    ("POST", "/signin"): May.PUBLIC,
    ("GET", "/static/{digest}/{name:path}"): May.PUBLIC,
    ("GET", "/worker.js"): May.PUBLIC,
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
    ("GET", "/carry"): May.READ,
    ("POST", "/carry"): May.ACKNOWLEDGE,
    ("GET", "/carry/{name}.receipt.json"): May.READ,
    ("POST", "/api/v1/carry"): May.ACKNOWLEDGE,
    ("GET", "/api/v1/carry/{name}"): May.READ,
    ("GET", "/changes"): May.AUDIT,
    ("POST", "/changes"): May.CHANGE,
    ("POST", "/changes/{number}/{verb}"): May.CHANGE,
    ("GET", "/api/v1/changes"): May.AUDIT,
    ("POST", "/api/v1/changes"): May.CHANGE,
    ("POST", "/api/v1/changes/{number}/{verb}"): May.CHANGE,
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
    ("GET", "/admin/registry"): May.ADMIN,
    ("GET", "/admin/registry/{table}.csv"): May.ADMIN,
    ("POST", "/admin/registry/preview"): May.ADMIN,
    ("POST", "/admin/registry/apply"): May.ADMIN,
    ("GET", "/admin/discovery"): May.ADMIN,
    ("POST", "/admin/discovery"): May.ADMIN,
    ("GET", "/admin/profiles"): May.ADMIN,
    ("POST", "/admin/profiles"): May.ADMIN,
    ("GET", "/admin/people"): May.ADMIN,
    ("POST", "/admin/people"): May.ADMIN,
    ("POST", "/admin/people/pin"): May.ADMIN,
    ("GET", "/admin/gateways"): May.ADMIN,
    ("POST", "/admin/gateways"): May.ADMIN,
    ("GET", "/admin/channels"): May.ADMIN,
    ("GET", "/admin/backup"): May.ADMIN,
    ("POST", "/admin/backup"): May.ADMIN,
    ("POST", "/admin/backup/try"): May.ADMIN,
    ("GET", "/admin/backup/{name}.tar"): May.ADMIN,
    ("GET", "/admin/schedules"): May.ADMIN,
    ("POST", "/admin/schedules"): May.ADMIN,
    ("POST", "/admin/schedules/end"): May.ADMIN,
    ("GET", "/training"): May.READ,
    ("POST", "/training/reply"): May.ACKNOWLEDGE,
    ("GET", "/api/v1/oncall"): May.READ,
    ("POST", "/api/v1/oncall/overrides"): May.DUTY,
    ("POST", "/api/v1/oncall/overrides/undo"): May.DUTY,
    ("GET", "/api/v1/test-messages"): May.DUTY,
    ("POST", "/api/v1/test-messages"): May.DUTY,
    ("POST", "/api/v1/registry/{table}"): May.ADMIN,
    ("GET", "/api/v1/people"): May.ADMIN,
    ("POST", "/api/v1/people"): May.ADMIN,
    ("POST", "/api/v1/people/{name}/pin"): May.ADMIN,
    ("GET", "/api/v1/profiles"): May.ADMIN,
    ("POST", "/api/v1/appliances/{appliance_id}/profile"): May.ADMIN,
    ("GET", "/api/v1/discovery"): May.ADMIN,
    ("POST", "/api/v1/discovery"): May.ADMIN,
    ("GET", "/api/v1/gateways"): May.ADMIN,
    ("POST", "/api/v1/gateways"): May.ADMIN,
    ("GET", "/api/v1/backups"): May.ADMIN,
    ("POST", "/api/v1/backups"): May.ADMIN,
    ("POST", "/api/v1/backups/{name}/rehearsal"): May.ADMIN,
    ("GET", "/api/v1/schedules"): May.ADMIN,
    ("POST", "/api/v1/schedules"): May.ADMIN,
    ("POST", "/api/v1/schedules/{number}/end"): May.ADMIN,
    ("GET", "/export"): May.READ,
    ("GET", "/export/go"): May.READ,
    ("GET", "/export/{table}.{form}"): May.READ,
    ("GET", "/export/audit.{form}"): May.AUDIT,
    ("GET", "/alarm/{number}/report.pdf"): May.READ,
    ("GET", "/audit"): May.AUDIT,
    ("GET", "/audit/access"): May.AUDIT,
    ("GET", "/audit/check"): May.AUDIT,
    ("POST", "/audit/check"): May.AUDIT,
    ("GET", "/audit/{chain}.csv"): May.AUDIT,
    ("GET", "/audit/{chain}.jsonl"): May.AUDIT,
    ("GET", "/api/v1/audit/access"): May.AUDIT,
    ("GET", "/api/v1/audit/{chain}"): May.AUDIT,
    ("GET", "/devices"): May.READ,
    ("GET", "/device/{serial:path}"): May.READ,
    ("GET", "/maintenance"): May.READ,
    ("GET", "/labels"): May.READ,
    ("GET", "/paper/{sha256}"): May.READ,
    ("GET", "/packet/{serial:path}"): May.READ,
    ("GET", "/work-order/{number}"): May.READ,
    ("POST", "/work-order"): May.ACKNOWLEDGE,
    ("POST", "/work-order/{number}/{verb}"): May.WORK,
    ("POST", "/device-note/{kind}"): May.WORK,
    ("POST", "/device-paper"): May.WORK,
    ("POST", "/device-entry/{kind}"): May.DEVICES,
    ("POST", "/device-link"): May.DEVICES,
    ("POST", "/device-link/{id_}/revoke"): May.DEVICES,
    ("GET", "/pass/{secret}"): May.PUBLIC,  # the address itself is a secret
    ("POST", "/pass/{secret}/{verb}"): May.PUBLIC,
    ("GET", "/pass/{secret}/packet.pdf"): May.PUBLIC,
    ("GET", "/pass/{secret}/paper/{sha256}"): May.PUBLIC,
    ("GET", "/api/v1/devices"): May.READ,
    ("GET", "/api/v1/devices/{serial:path}"): May.READ,
    ("POST", "/api/v1/devices"): May.WORK,
    ("POST", "/api/v1/papers"): May.WORK,
    ("GET", "/api/v1/maintenance"): May.READ,
    ("GET", "/api/v1/work-orders"): May.READ,
    ("GET", "/api/v1/work-orders/{number}"): May.READ,
    ("POST", "/api/v1/work-orders"): May.ACKNOWLEDGE,
    ("POST", "/api/v1/work-orders/{number}/{verb}"): May.WORK,
    ("POST", "/api/v1/device-links"): May.DEVICES,
    ("POST", "/api/v1/device-links/{id_}/revoke"): May.DEVICES,
    ("POST", "/alarm/{number}/finding"): May.ACKNOWLEDGE,
    ("GET", "/alarm/{number}/bags"): May.READ,
    ("POST", "/alarm/{number}/bags"): May.ACKNOWLEDGE,
    ("GET", "/alarm/{number}/bags.pdf"): May.READ,
    ("GET", "/trips"): May.READ,
    ("POST", "/trips"): May.ACKNOWLEDGE,
    ("GET", "/trip/{trip}"): May.READ,
    ("POST", "/trip/{trip}/steps"): May.ACKNOWLEDGE,
    ("GET", "/trip/{trip}/bags"): May.READ,
    ("POST", "/trip/{trip}/bags"): May.ACKNOWLEDGE,
    ("GET", "/trip/{trip}/sheet.pdf"): May.READ,
    ("POST", "/by-hand"): May.ACKNOWLEDGE,
    ("POST", "/by-hand/{number}"): May.ACKNOWLEDGE,
    ("GET", "/site/{site_id}/day.pdf"): May.READ,
    ("GET", "/nation"): May.READ,
    ("GET", "/nation/review.pdf"): May.READ,
    ("GET", "/api/v1/alarms/{number}/findings"): May.READ,
    ("POST", "/api/v1/alarms/{number}/finding"): May.ACKNOWLEDGE,
    ("GET", "/api/v1/alarms/{number}/bags"): May.READ,
    ("POST", "/api/v1/alarms/{number}/bags"): May.ACKNOWLEDGE,
    ("POST", "/api/v1/alarms/{number}/bags/sign"): May.SIGN,
    ("GET", "/api/v1/trips"): May.READ,
    ("POST", "/api/v1/trips"): May.ACKNOWLEDGE,
    ("GET", "/api/v1/trips/{trip}"): May.READ,
    ("POST", "/api/v1/trips/{trip}/steps"): May.ACKNOWLEDGE,
    ("GET", "/api/v1/trips/{trip}/bags"): May.READ,
    ("POST", "/api/v1/trips/{trip}/bags"): May.ACKNOWLEDGE,
    ("POST", "/api/v1/trips/{trip}/bags/sign"): May.SIGN,
    ("GET", "/api/v1/appliances/{appliance_id}/by-hand"): May.READ,
    ("POST", "/api/v1/appliances/{appliance_id}/by-hand"): May.ACKNOWLEDGE,
    ("GET", "/api/v1/quality"): May.READ,
    ("GET", "/api/v1/nation"): May.READ,
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
