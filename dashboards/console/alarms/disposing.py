# SPDX-License-Identifier: Apache-2.0
"""What becomes of blood, signed by two people: a paper first, a command to alerts once both have signed."""

from __future__ import annotations

from collections.abc import Mapping

from coldchain.records.registry import Registry
from coldchain.records.signatures import Outcome, Paper
from dashboards.console.accounts.signing import Kind, Rows, Signing
from dashboards.console.alarms.told import Told
from dashboards.console.alarms.wish import wish
from dashboards.console.console import Console
from dashboards.console.problems import Problem
from dashboards.console.words import Text, said

KIND = "disposition"


def dispose(
    console: Console, signing: Signing, told: Told, fields: Mapping[str, str], address: str, id_: str
) -> Paper:
    """Lay down what somebody decides, signed by them, and by the second person if they sign here, too."""
    site = told.alarm.site
    first = signing.first(fields, address, site)
    made = wish("dispose", first.person, fields, told, console.records.registry(), "console")
    second = signing.second(fields, address, site)
    body = {
        "alarm": str(told.alarm.number),
        "what": made.body["what"],
        "person": first.person,
        "reason": made.body["reason"],
    }
    paper = Paper(id_, KIND, told.alarm.id, site, body, made.body.get("second", ""))
    return signing.lay(paper, first, second)


def kind(console: Console) -> Kind:
    """Of dispositions."""

    def wanted(paper: Paper) -> None:
        told = console.records.told(paper.subject)
        if told is None or "dispose" not in told.offers:
            raise Problem(409, "no-longer-wanted")

    return Kind(("decided", "agreed"), _outcome, wanted, _address, _told)


def _outcome(paper: Paper, first: str, second: str) -> Outcome:
    body = {"what": paper.body["what"], "reason": paper.body["reason"], "second": second, "by": "signed"}
    return Outcome(first, "dispose", paper.subject, body)


def _address(paper: Paper) -> str:
    return f"/alarm/{paper.body['alarm']}"


def _told(paper: Paper, registry: Registry) -> tuple[Text, Rows]:
    site, person = registry.site_by_id.get(paper.site), registry.person_by_id.get(paper.body["person"])
    return said("sign.disposition", n=paper.body["alarm"]), (
        (said("accounts.sites"), site.name if site else paper.site),
        (said("answer.fate"), said(f"fate.{paper.body['what']}")),
        (said("answer.reason"), paper.body["reason"]),
        (said("accounts.person"), person.name if person else paper.body["person"]),
    )
