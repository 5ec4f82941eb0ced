# SPDX-License-Identifier: Apache-2.0
"""What the console does, programs do: each address for people has one for programs, or a reason why not."""

import pytest

from dashboards.console.accounts.roles import ENDPOINTS

ALARM, TRIP, ORDER = "/api/v1/alarms/{number}", "/api/v1/trips/{trip}", "/api/v1/work-orders/{number}"
LINK = "what a person has been sent; the address is the secret"
SAME: dict[str, str] = {
    "GET /": "GET /api/v1/appliances",
    "GET /wall": "GET /api/v1/sites",
    "GET /site/{site_id}": "GET /api/v1/sites/{site_id}",
    "GET /site/{site_id}/day.pdf": "GET /api/v1/sites/{site_id}/day.pdf",
    "GET /appliance/{appliance_id}": "GET /api/v1/appliances/{appliance_id}",
    "POST /appliance/{appliance_id}/probe": "POST /api/v1/appliances/{appliance_id}/probe",
    "POST /appliance/{appliance_id}/carries": "POST /api/v1/appliances/{appliance_id}/profile",
    "GET /spark/{appliance_id}.svg": "GET /api/v1/appliances/{appliance_id}/series",
    "GET /alarms": "GET /api/v1/alarms",
    "POST /acknowledge": f"POST {ALARM}/{{verb}}",
    "POST /acknowledge-together": f"POST {ALARM}/{{verb}}",
    "GET /alarm/{number}": f"GET {ALARM}",
    "POST /alarm/{number}/{verb}": f"POST {ALARM}/{{verb}}",
    "POST /alarm/{number}/finding": f"POST {ALARM}/finding",
    "GET /alarm/{number}/bags": f"GET {ALARM}/bags",
    "POST /alarm/{number}/bags": f"POST {ALARM}/bags",
    "GET /alarm/{number}/bags.pdf": f"GET {ALARM}/bags.pdf",
    "GET /alarm/{number}/report.pdf": f"GET {ALARM}/report.pdf",
    "GET /signatures": "GET /api/v1/signatures",
    "GET /signature/{paper}": "GET /api/v1/signatures/{paper}",
    "POST /signature/{paper}": "POST /api/v1/signatures/{paper}",
    "POST /by-hand": "POST /api/v1/appliances/{appliance_id}/by-hand",
    "POST /by-hand/{number}": "POST /api/v1/appliances/{appliance_id}/by-hand/{number}/withdraw",
    "GET /trips": "GET /api/v1/trips",
    "POST /trips": "POST /api/v1/trips",
    "GET /trip/{trip}": f"GET {TRIP}",
    "POST /trip/{trip}/steps": f"POST {TRIP}/steps",
    "GET /trip/{trip}/bags": f"GET {TRIP}/bags",
    "POST /trip/{trip}/bags": f"POST {TRIP}/bags",
    "GET /trip/{trip}/sheet.pdf": f"GET {TRIP}/sheet.pdf",
    "GET /nation": "GET /api/v1/nation",
    "GET /nation/review.pdf": "GET /api/v1/nation/review.pdf",
    "GET /health": "GET /api/v1/health",
    "GET /waiting": "GET /api/v1/discovery",
    "GET /devices": "GET /api/v1/devices",
    "GET /device/{serial:path}": "GET /api/v1/devices/{serial:path}",
    "GET /maintenance": "GET /api/v1/maintenance",
    "POST /maintenance/plan": "POST /api/v1/model-plans",
    "GET /paper/{sha256}": "GET /api/v1/papers/{sha256}",
    "GET /packet/{serial:path}": "GET /api/v1/packets/{serial:path}",
    "POST /device-note/{kind}": "POST /api/v1/devices",
    "POST /device-entry/{kind}": "POST /api/v1/devices",
    "POST /device-paper": "POST /api/v1/papers",
    "POST /device-link": "POST /api/v1/device-links",
    "POST /device-link/{id_}/revoke": "POST /api/v1/device-links/{id_}/revoke",
    "GET /work-order/{number}": f"GET {ORDER}",
    "POST /work-order": "POST /api/v1/work-orders",
    "POST /work-order/{number}/{verb}": f"POST {ORDER}/{{verb}}",
    "GET /oncall": "GET /api/v1/oncall",
    "POST /oncall/calendar": "POST /api/v1/oncall/calendars",
    "POST /oncall/override": "POST /api/v1/oncall/overrides",
    "POST /oncall/undo": "POST /api/v1/oncall/overrides/undo",
    "POST /oncall/test": "POST /api/v1/test-messages",
    "GET /carry": "GET /api/v1/carry",
    "POST /carry": "POST /api/v1/carry",
    "GET /carry/{name}.receipt.json": "GET /api/v1/carry/{name}",
    "GET /changes": "GET /api/v1/changes",
    "POST /changes": "POST /api/v1/changes",
    "POST /changes/{number}/{verb}": "POST /api/v1/changes/{number}/{verb}",
    "GET /export": "GET /api/v1/tables/{table}.{form}",
    "GET /export/go": "GET /api/v1/tables/{table}.{form}",
    "GET /export/{table}.{form}": "GET /api/v1/tables/{table}.{form}",
    "GET /export/audit.{form}": "GET /api/v1/tables/audit.{form}",
    "GET /export/people.{form}": "GET /api/v1/tables/people.{form}",
    "GET /export/gateways.{form}": "GET /api/v1/tables/gateways.{form}",
    "GET /export/accounts.{form}": "GET /api/v1/tables/accounts.{form}",
    "GET /audit": "GET /api/v1/audit/{chain}",
    "GET /audit/access": "GET /api/v1/audit/access",
    "GET /audit/check": "POST /api/v1/audit/check",
    "POST /audit/check": "POST /api/v1/audit/check",
    "GET /audit/{chain}.csv": "GET /api/v1/tables/audit.{form}",
    "GET /audit/{chain}.jsonl": "GET /api/v1/audit/{chain}.jsonl",
    "GET /training": "GET /api/v1/training",
    "POST /training/reply": "POST /api/v1/training/replies",
    "GET /account": "GET /api/v1/account",
    "POST /account/password": "POST /api/v1/account/password",
    "POST /account/language": "POST /api/v1/account/language",
    "POST /account/token/revoke": "POST /api/v1/account/tokens/{number}/revoke",
    "POST /account/session/end": "POST /api/v1/account/sessions/{session}/end",
    "GET /accounts": "GET /api/v1/accounts",
    "POST /accounts/add": "POST /api/v1/accounts",
    "POST /accounts/reset": "POST /api/v1/accounts/{name}/reset",
    "POST /accounts/close": "POST /api/v1/accounts/{name}/close",
    "POST /accounts/revoke": "POST /api/v1/tokens/{number}/revoke",
    "GET /admin/registry": "GET /api/v1/registry/{table}.csv",
    "GET /admin/registry/{table}.csv": "GET /api/v1/registry/{table}.csv",
    "POST /admin/registry/preview": "POST /api/v1/registry/{table}",
    "POST /admin/registry/apply": "POST /api/v1/registry/{table}",
    "GET /admin/discovery": "GET /api/v1/discovery",
    "POST /admin/discovery": "POST /api/v1/discovery",
    "GET /admin/profiles": "GET /api/v1/profiles",
    "POST /admin/profiles": "POST /api/v1/appliances/{appliance_id}/profile",
    "GET /admin/people": "GET /api/v1/people",
    "POST /admin/people": "POST /api/v1/people",
    "POST /admin/people/pin": "POST /api/v1/people/{name}/pin",
    "GET /admin/gateways": "GET /api/v1/gateways",
    "POST /admin/gateways": "POST /api/v1/gateways",
    "GET /admin/channels": "GET /api/v1/channels",
    "GET /admin/backup": "GET /api/v1/backups",
    "POST /admin/backup": "POST /api/v1/backups",
    "POST /admin/backup/try": "POST /api/v1/backups/{name}/rehearsal",
    "GET /admin/backup/{name}.tar": "GET /api/v1/backups/{name}.tar",
    "GET /admin/schedules": "GET /api/v1/schedules",
    "POST /admin/schedules": "POST /api/v1/schedules",
    "POST /admin/schedules/end": "POST /api/v1/schedules/{number}/end",
}
"""Address for people -> the one for programs that tells or does the same."""
ONLY_PEOPLE: dict[str, str] = {
    "GET /signin": "a program has a token and signs in nowhere",
    "POST /signin": "a program has a token and signs in nowhere",
    "POST /signout": "a program has no session; its token is revoked",
    "POST /account/token": "a token that makes a token would outlive the one it was made by",
    "GET /whoami": "asked by the worker that keeps pages for a browser",
    "GET /more": "a list of pages",
    "GET /problems/{name}": "says to people what a refusal's type means",
    "GET /labels": "a sheet of stickers to print: each is an address of a page",
    "GET /events": "a page that changes while it is looked at; programs ask again with If-None-Match",
    "GET /static/{digest}/{name:path}": "what pages are made of",
    "GET /worker.js": "what pages are made of",
    "GET /calendar/{secret}.ics": LINK,
    "GET /answer/{secret}": LINK,
    "POST /answer/{secret}": LINK,
    "GET /pass/{secret}": LINK,
    "POST /pass/{secret}/{verb}": LINK,
    "GET /pass/{secret}/packet.pdf": LINK,
    "GET /pass/{secret}/paper/{sha256}": LINK,
}
"""Address -> why it is for people alone."""
WIDER = {
    "POST /device-entry/{kind}": "POST /api/v1/devices asks for the kind's own right inside",
    "POST /admin/profiles": "the page of one appliance gives its profile to whoever may change it",
    "GET /admin/discovery": "GET /waiting tells readers the same",
}
"""Where the address for programs opens to more people than the page: what keeps them apart instead."""


def named(row: tuple[str, str]) -> str:
    return " ".join(row)


PAGES = sorted(named(row) for row in ENDPOINTS if not row[1].startswith("/api/"))
PROGRAMS = {named(row): right for row, right in ENDPOINTS.items() if row[1].startswith("/api/")}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_does_a_program_does(page: str) -> None:
    """A new page is written here: with its address for programs, or with the reason why it has none."""
    assert (page in SAME) != (page in ONLY_PEOPLE), "it has one of the two"
    if page in SAME:
        assert SAME[page] in PROGRAMS, "and that is served"


def test_whom_a_page_is_for_its_address_for_programs_is_for() -> None:
    rights = {named(row): right for row, right in ENDPOINTS.items()}
    differ = {page for page, api in SAME.items() if page in rights and rights[page] != PROGRAMS.get(api)}
    assert differ == WIDER.keys()


def test_the_lists_name_nothing_that_is_gone() -> None:
    assert SAME.keys() | ONLY_PEOPLE.keys() == set(PAGES)
