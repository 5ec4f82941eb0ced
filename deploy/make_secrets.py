#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the secrets of a Compose installation: certificates, accounts, permissions, tokens.

    python3 deploy/make_secrets.py --host hub.example.org --gateway gw-1 --gateway gw-2
    python3 deploy/make_secrets.py --gateway gw-3                     another gateway, later
    python3 deploy/make_secrets.py --nodes-via gw-1 --node fridge-7   a node that publishes to this broker

What exists is kept: run it again to add accounts. The folder is for its owner only; the files in it can be
read by the containers, which run as other users. Needs Python 3.9 and openssl, nothing else.
"""

import argparse
import base64
import hashlib
import ipaddress
import json
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "secrets"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
"""Letters that mean nothing to either broker: `*`, `+`, `#` or `.` in a name would widen what it may read."""

RESERVED = {"ingest"}
CA_DAYS, CERT_DAYS = 3650, 825
PBKDF2_ROUNDS = 101  # Mosquitto's own default; our passwords are 256 random bits


class Account(NamedTuple):
    """A user of the broker and the MQTT topics it may use."""

    name: str
    publish: "list[str]"
    subscribe: "list[str]"


def ingest_account() -> Account:
    """Ingest hears every gateway and answers every gateway."""
    gateways = "coldchain/v1/gw/+"
    return Account(
        "ingest", [f"{gateways}/receipt", f"{gateways}/cmd"], [f"{gateways}/batch", f"{gateways}/status"]
    )


def gateway_account(name: str, *, serves_nodes: bool) -> Account:
    """A gateway speaks for itself only; one of them may also serve the nodes of this broker."""
    mine = f"coldchain/v1/gw/{name}"
    publish, subscribe = [f"{mine}/batch", f"{mine}/status"], [f"{mine}/receipt", f"{mine}/cmd"]
    if serves_nodes:
        publish.append("coldchain/v1/node/+/ack")
        subscribe.append("coldchain/v1/node/+/report")
    return Account(name, publish, subscribe)


def node_account(name: str) -> Account:
    """A node reports, and hears what was kept of it."""
    mine = f"coldchain/v1/node/{name}"
    return Account(name, [f"{mine}/report"], [f"{mine}/ack"])


def subject(topic: str) -> str:
    """An MQTT topic filter as nats-server's permissions write it."""
    return topic.replace("/", ".").replace("+", "*")


def nats_users(accounts: "list[Account]", passwords: "dict[str, str]") -> str:
    """The list that deploy/nats/nats.conf includes. nats-server reads JSON as its own language."""
    users = [
        {
            "user": account.name,
            "password": passwords[account.name],
            "allowed_connection_types": ["MQTT"],
            "permissions": {
                "publish": {"allow": [subject(topic) for topic in account.publish]},
                "subscribe": {"allow": [subject(topic) for topic in account.subscribe]},
            },
        }
        for account in accounts
    ]
    return f"users: {json.dumps(users, indent=2)}\n"


def mosquitto_acl(accounts: "list[Account]") -> str:
    """Permissions by user; what is not named is denied."""
    lines = []
    for account in accounts:
        lines.append(f"user {account.name}")
        lines += [f"topic write {topic}" for topic in account.publish]
        lines += [f"topic read {topic}" for topic in account.subscribe]
    return "\n".join(lines) + "\n"


def mosquitto_passwd(passwords: "dict[str, str]") -> str:
    """Password file of Mosquitto 2: PBKDF2 with SHA-512."""
    lines = []
    for name, password in passwords.items():
        salt = secrets.token_bytes(12)
        digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, PBKDF2_ROUNDS)
        words = [base64.b64encode(part).decode() for part in (salt, digest)]
        lines.append(f"{name}:$7${PBKDF2_ROUNDS}${words[0]}${words[1]}")
    return "\n".join(lines) + "\n"


def openssl(*words: "str | Path") -> None:
    """Run openssl; its own words when it fails."""
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"make_secrets: openssl {words[0]} failed\n{done.stderr}")


def make_certificates(folder: Path, hosts: "list[str]") -> None:
    """An authority of our own, and the broker's certificate for these hosts, signed by it."""
    ca_key, ca = folder / "ca.key", folder / "ca.pem"
    key, certificate = folder / "broker.key", folder / "broker.pem"
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    if not ca.exists():
        openssl("genpkey", *curve, "-out", ca_key)
        words = ["-subj", "/CN=Coldchain authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        openssl("req", "-x509", "-new", "-key", ca_key, "-days", str(CA_DAYS), *words, "-out", ca)
    if certificate.exists() and key.exists():
        return
    openssl("genpkey", *curve, "-out", key)
    names = ",".join(f"IP:{host}" if is_address(host) else f"DNS:{host}" for host in hosts)
    with tempfile.TemporaryDirectory() as scratch:
        request, extensions = Path(scratch) / "broker.csr", Path(scratch) / "broker.ext"
        extensions.write_text(
            f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n"
        )
        openssl("req", "-new", "-key", key, "-subj", f"/CN={hosts[0]}", "-out", request)
        signer: list[str | Path] = [
            "-CA",
            ca,
            "-CAkey",
            ca_key,
            "-CAcreateserial",
            "-CAserial",
            Path(scratch) / "serial",
        ]
        openssl(
            "x509",
            "-req",
            "-in",
            request,
            *signer,
            "-days",
            str(CERT_DAYS),
            "-extfile",
            extensions,
            "-out",
            certificate,
        )


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def keep(path: Path, value: str) -> str:
    """The secret in this file; `value` becomes it if there is none yet."""
    if not path.exists():
        path.write_text(value)
    return path.read_text()


def make_accounts(folder: Path, gateways: "list[str]", nodes: "list[str]", nodes_via: "str | None") -> None:
    """Write the passwords, one file each, and the lists of both brokers. Known accounts stay."""
    known_file = folder / "accounts.json"
    known: dict[str, Any] = {"gateways": [], "nodes": [], "via": None}
    if known_file.exists():
        known = json.loads(known_file.read_text())
    first = "gw-1" if not (gateways or known["gateways"]) else None
    known["via"] = via = nodes_via or known["via"] or first
    known["gateways"] = sorted({*known["gateways"], *gateways, *([via] if via else [])})
    known["nodes"] = sorted({*known["nodes"], *nodes})
    both = set(known["gateways"]) & set(known["nodes"])
    if both:
        sys.exit(f"make_secrets: {', '.join(sorted(both))}: a gateway and a node may not share a name")
    accounts = [ingest_account()]
    accounts += [gateway_account(name, serves_nodes=name == known["via"]) for name in known["gateways"]]
    accounts += [node_account(name) for name in known["nodes"]]
    passwords = {a.name: keep(folder / f"mqtt-{a.name}.password", secrets.token_hex(32)) for a in accounts}
    (folder / "nats-users.conf").write_text(nats_users(accounts, passwords))
    (folder / "mosquitto.passwd").write_text(mosquitto_passwd(passwords))
    (folder / "mosquitto.acl").write_text(mosquitto_acl(accounts))
    known_file.write_text(json.dumps(known, indent=2) + "\n")


def name_argument(text: str) -> str:
    if not NAME.fullmatch(text) or text in RESERVED:
        raise argparse.ArgumentTypeError(f"{text!r}: a name has a-z, 0-9 and - only, and is not {RESERVED}")
    return text


def main(arguments: "list[str] | None" = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--host", action="append", default=[], help="name or address by which gateways reach the broker"
    )
    parser.add_argument(
        "--gateway", action="append", default=[], type=name_argument, help="account for a gateway"
    )
    parser.add_argument("--node", action="append", default=[], type=name_argument, help="account for a node")
    parser.add_argument(
        "--nodes-via", type=name_argument, help="the gateway that serves the nodes of this broker"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: secrets beside this script")
    wanted = parser.parse_args(arguments)
    folder: Path = wanted.folder
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(
        0o700
    )  # the files below are mounted one by one; nobody else on this machine gets through here
    make_certificates(folder, [*wanted.host, "nats", "mosquitto", "localhost", "127.0.0.1"])
    make_accounts(folder, wanted.gateway, wanted.node, wanted.nodes_via)
    for name in ("influx-admin.password", "influx-admin.token", "grafana-admin.password"):
        keep(folder / name, secrets.token_hex(32))
    for path in folder.iterdir():
        path.chmod(0o600 if path.name in ("ca.key", "accounts.json") else 0o644)
    print(f"secrets are in {folder}; keep ca.key off this machine once all is made", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
