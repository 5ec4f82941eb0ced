# SPDX-License-Identifier: Apache-2.0
"""All addresses about devices, and what their templates and others ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from jinja2 import Environment

from coldchain.records.devices import Entry, serial_of
from dashboards.console.console import Console
from dashboards.console.devices import forms, guests, link_programs, pages, plans, programs
from dashboards.console.devices.known import Bench, Tools
from dashboards.console.devices.saying import leave_said, missing_said, work_said


def device_pages(console: Console, tools: Tools) -> list[APIRouter]:
    """For people, for programs, and for who has a link."""
    bench = Bench(console, tools)
    _teach(console.env, bench)
    modules = (pages, forms, guests, programs, link_programs, plans)
    return [*(module.router(console, bench) for module in modules), plans.programs(bench)]


def _teach(env: Environment, bench: Bench) -> None:
    """What the pages of alarms and appliances show of work orders, too."""
    env.globals["live_orders"] = lambda appliance: [
        order for order in bench.work.orders(appliance=appliance, limit=20) if order.live
    ]
    env.globals["gates_of"] = bench.gates
    env.globals["proving_of"] = bench.proving_of
    env.globals["device_path"] = lambda appliance: f"/device/{quote(serial_of(appliance))}"
    env.globals["missing_said"], env.globals["leave_said"] = missing_said, leave_said
    env.filters["work_said"] = lambda order: work_said(order.what, order.alarm)
    env.filters["paper_pairs"] = paper_pairs
    env.filters["id_pairs"] = id_pairs


def paper_pairs(papers: Iterable[Entry]) -> list[tuple[str, str]]:
    """(hash, title), for a choice."""
    return [(entry.said.sha256, entry.said.title) for entry in papers]


def id_pairs(things: Iterable[Any]) -> list[tuple[str, str]]:
    """(id, id), for a choice."""
    return [(thing.id, thing.id) for thing in things]
