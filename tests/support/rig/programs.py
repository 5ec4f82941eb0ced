# SPDX-License-Identifier: Apache-2.0
"""Programs of the distribution that tests need."""

import os
from pathlib import Path

import pytest

from tools.install_servers import PACKAGES, find_program, why_not_install


def under_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def need(program: str) -> Path:
    """Where `program` is. Without it the test is skipped, saying why; under CI it fails."""
    found = find_program(program)
    if found is not None:
        return Path(found)
    reason = why_not_install() or "try `make servers`"
    message = f"{program} is not installed (Debian: {PACKAGES[program]}): {reason}"
    if under_ci():
        pytest.fail(f"{message}; under CI nothing is skipped", pytrace=False)
    pytest.skip(message)
