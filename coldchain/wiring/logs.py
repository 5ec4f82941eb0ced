# SPDX-License-Identifier: Apache-2.0
"""Logs go to standard error: JSON lines for programs, plain lines for a terminal. Never a secret."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

import structlog


class _StandardError:
    """Standard error as it is when a line is written: it may be another than when logs were set up."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def set_up_logs(process: str) -> None:
    """Once, at the start of a process. COLDCHAIN_LOG=debug|info|warning sets the level (default info)."""
    level = getattr(logging, os.environ.get("COLDCHAIN_LOG", "info").upper(), logging.INFO)
    tty = sys.stderr.isatty()
    last: Any = (
        structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in os.environ)
        if tty
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def warnings_to_stderr() -> None:
    """For a command that does a process's work: its data alone goes to standard output."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,
    )


@contextmanager
def logs_to(path: Path) -> Iterator[None]:
    """Meanwhile the lines of this process go to the end of that file, as JSON; then to where they went."""
    configured, before = structlog.is_configured(), structlog.get_config()
    shown = [one for one in before["processors"] if not isinstance(one, _RENDERERS)]
    with path.open("a", encoding="utf-8") as file:
        structlog.configure(
            processors=[*shown, structlog.processors.JSONRenderer()],
            logger_factory=structlog.PrintLoggerFactory(file),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)
            if not configured:
                structlog.reset_defaults()


_RENDERERS = (structlog.dev.ConsoleRenderer, structlog.processors.JSONRenderer)
