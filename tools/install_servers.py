# SPDX-License-Identifier: Apache-2.0
"""Installs the real servers that the tests use, from the distribution's packages, where that is allowed.

Allowed means: apt-get is here, we are root or may `sudo` without a password, and COLDCHAIN_NO_APT is not set.
Where it is not, the tests that need a server skip, and say which. No server is started or left enabled:
the tests start their own, on 127.0.0.1.

    python3 tools/install_servers.py            install what is missing
    python3 tools/install_servers.py --list     show what is there

Standard library only: it runs before anything is installed.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGES = {
    "mosquitto": "mosquitto",
    "influxd": "influxdb",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "gammu": "gammu",
    "gcc": "gcc libc6-dev",
    "chromium": "chromium",
    "socat": "socat",
    "strace": "strace",
    "systemd-analyze": "systemd",
}
"""Program: the Debian packages that bring it."""

SERVICES = {"mosquitto": "mosquitto", "influxd": "influxdb", "nginx": "nginx"}
"""Program: the service its package would start. Those of influxdb and nginx listen on every address."""

POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Installed for a moment by Coldchain's test set-up: start no service.\nexit 101\n"
INSTALL_S = 900


def find_program(name: str) -> str | None:
    """`name` on PATH, or where Debian keeps daemons (which PATH may lack)."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def missing() -> list[str]:
    """Programs of PACKAGES that are not here."""
    return [program for program in PACKAGES if find_program(program) is None]


def why_not_install(env: Mapping[str, str] = os.environ) -> str | None:
    """The reason why we may not install packages, or None."""
    if env.get("COLDCHAIN_NO_APT", "") not in ("", "0"):
        return "COLDCHAIN_NO_APT is set"
    if shutil.which("apt-get") is None:
        return "this system has no apt-get"
    if (
        os.geteuid() != 0
        and subprocess.run(as_root("true"), capture_output=True, check=False).returncode != 0
    ):
        return "not root, and sudo is missing or asks for a password"
    return None


def as_root(*words: str) -> list[str]:
    """The command, through sudo unless we are root."""
    if os.geteuid() == 0:
        return list(words)
    return [shutil.which("sudo") or "false", "-n", *words]


@contextlib.contextmanager
def services_forbidden() -> Iterator[None]:
    """While inside, packages that are installed start no service. A policy that is already there stays."""
    if POLICY.exists():
        yield
        return
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as policy:
        policy.write(POLICY_TEXT)
        policy.flush()
        subprocess.run(as_root("install", "-m", "755", policy.name, str(POLICY)), check=True)
    try:
        yield
    finally:
        subprocess.run(as_root("rm", "-f", str(POLICY)), check=True)


def apt_get(*words: str) -> bool:
    """Run apt-get; False when it fails, its words shown."""
    command = as_root(
        "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *words
    )
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if done.returncode != 0:
        print(f"servers: apt-get {words[0]} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
    return done.returncode == 0


def disable(service: str) -> None:
    """Keep a service that we have brought from starting at the next boot."""
    for command in (["systemctl", "disable", service], ["update-rc.d", service, "disable"]):
        if find_program(command[0]):
            subprocess.run(as_root(*command), capture_output=True, check=False)


def install(programs: list[str]) -> bool:
    """Install the packages of these programs and leave their services off."""
    packages = [package for program in programs for package in PACKAGES[program].split()]
    print(f"servers: installing {' '.join(packages)} (set COLDCHAIN_NO_APT=1 to forbid it)", flush=True)
    options = ["--no-install-recommends", "-y"]
    with services_forbidden():
        if not apt_get("install", *options, *packages):
            # The package lists may be old or absent.
            apt_get("update")
            if not apt_get("install", *options, *packages):
                return False
    for program in programs:
        if program in SERVICES:
            disable(SERVICES[program])
    return True


def main() -> int:
    """0, also when nothing could be installed: the tests then say what they lack."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="show each program and where it is")
    if parser.parse_args().list:
        for program, packages in PACKAGES.items():
            print(f"{program:10} {find_program(program) or f'missing (Debian: {packages})'}")
        return 0
    wanted = missing()
    if not wanted:
        return 0
    reason = why_not_install()
    if reason is None and install(wanted) and not missing():
        return 0
    still = ", ".join(missing())
    print(
        f"servers: {still} missing ({reason or 'installation failed'}); tests that need them skip",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
