# SPDX-License-Identifier: Apache-2.0
"""The command line. Data goes to standard output, talk to standard error; exit codes follow sysexits."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `coldchain`."""
    try:
        _run()
    except KeyboardInterrupt:  # while the libraries load; later the commands see to it
        sys.exit(130)


def _run() -> None:
    from coldchain.cli.app import app
    from coldchain.kernel.errors import ColdChainError

    try:
        app(prog_name="coldchain")
    except ColdChainError as bad:
        sys.stderr.write(f"coldchain: {bad}\n")
        sys.exit(bad.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`). Nothing to say, and nobody to say it to.
        sys.stderr.close()
        sys.exit(0)
    except OSError as bad:
        sys.stderr.write(f"coldchain: {f'{bad.filename}: ' if bad.filename else ''}{bad.strerror or bad}\n")
        sys.exit(74)
