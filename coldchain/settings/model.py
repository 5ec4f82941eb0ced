# SPDX-License-Identifier: Apache-2.0
"""What an installation can set, with sensible defaults. One TOML file; `coldchain config check` examines it.

Spans are written as seconds or as ISO 8601 (`PT5M`). Secrets are files, never values. Paths are relative to
the file. Environment variables `COLDCHAIN__SECTION__KEY` win over the file.
"""

from __future__ import annotations

from datetime import time, timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from coldchain.ports.notifier import STEP_MAX_S

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Span = Annotated[timedelta, Field(ge=timedelta(milliseconds=1), le=timedelta(days=36_525))]
"""A time that passes: with none, or less, a loop would know no pause, and a record would keep nothing."""
Number = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
Patience = Annotated[timedelta, Field(ge=timedelta(milliseconds=1), le=timedelta(seconds=STEP_MAX_S))]
"""For one answer of a channel: with more, one that hangs would not show in time."""
Linger = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(hours=1))]
"""How long something waits for company; it need not wait."""


class Section(BaseModel):
    """A table of the file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MqttSettings(Section):
    """The broker, as this process reaches it."""

    embedded: bool = Field(
        default=False, description="`coldchain run` starts a broker of its own on this host and port"
    )
    host: str = "127.0.0.1"
    port: Port = 1883
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    username: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(seconds=65_535))] = timedelta(
        seconds=30
    )
    reconnect_max: Span = Field(timedelta(seconds=10), description="Longest pause between attempts")


class RegisterSettings(Section):
    """One register of a device: where it is, what it means. value = raw * scale + offset, in its unit."""

    address: int = Field(ge=0, le=65535)
    quantity: str = "temperature"
    channel: int = Field(ge=0, le=65535)
    table: Literal["holding", "input", "coil", "discrete"] = "holding"
    type: Literal["int16", "uint16", "int32", "uint32", "float32", "bit"] = "int16"
    word_order: Literal["big", "little"] = "big"
    scale: float = 1.0
    offset: float = 0.0
    failed: tuple[int, ...] = Field(
        (), description="Raw values by which the device says that the probe failed"
    )


class ModbusDevice(Section):
    """One device on a Modbus line; `map` names a register map."""

    node: Name
    unit: int = Field(ge=0, le=255)
    map: str


class LineSettings(Section):
    """One line of the gateway. `device` may be a pattern (`/dev/serial/by-id/*`): every match is a line.

    Of the driver `canary` it is the time of day with its offset, e.g. `06:30+07:00`.
    """

    device: str
    driver: Literal["serial", "modbus-rtu", "modbus-tcp", "canary"] = "serial"
    codec: Literal["binary", "ascii"] = "binary"
    baud: int = Field(115200, gt=0, le=4_000_000)
    poll_every: Span = Field(timedelta(seconds=60), description="Modbus: how often each device is read")
    timeout: Span = Field(timedelta(seconds=1), description="Modbus: how long a device may take to answer")
    devices: tuple[ModbusDevice, ...] = ()


class ModemSettings(Section):
    """A GSM modem on a serial port."""

    device: str = ""
    baud: int = Field(115200, gt=0, le=4_000_000)
    pin_file: Path | None = None
    smsc: str | None = None
    send_timeout: Patience = timedelta(seconds=60)
    reset: tuple[str, ...] = Field(
        (), description="A command that takes the modem's power away and gives it back, when it hangs"
    )
    ussd: str | None = Field(None, description="How to ask the operator for the credit, e.g. *123#")
    reserve: float = Field(0, ge=0, description="With less credit than this only critical messages leave")
    own_number: Number | None = Field(
        None, description="The number of its own SIM: the canary's message goes there and comes back"
    )


class GuardSettings(Section):
    """The gateway's guard: it alarms by a modem of its own when the hub is out of reach. Off without a modem.

    A machine that runs the hub needs none: what it would watch over is beside it.
    """

    modem: ModemSettings = ModemSettings()
    calls: bool = Field(default=True, description="The modem also rings")
    file: Path | None = Field(None, description="For trials: messages go to this file, to no phone")
    after: Span = Field(
        timedelta(minutes=10),
        description="So long without a receipt, while readings wait, and the guard speaks",
    )
    hub_number: str | None = Field(
        None,
        pattern=r"^\+[1-9][0-9]{6,14}$",
        description="The hub's own telephone: alive lines and the last gasp go there",
    )
    alive_at: time | None = Field(
        time(7, 0), description="When the daily alive line is sent to hub_number, in `zone`"
    )
    battery_pct: float = Field(
        20, ge=0, le=100, description="Without mains, at or below this the last gasp is sent [%]"
    )
    power_node: Name | None = Field(
        None, description="The node whose mains and battery count; without, all that report them"
    )

    @property
    def on(self) -> bool:
        return bool(self.modem.device) or self.file is not None


class GatewaySettings(Section):
    """The gateway: its name, lines, spool and link."""

    id: Name = "gw-1"
    lines: tuple[LineSettings, ...] = ()
    register_maps: dict[str, tuple[RegisterSettings, ...]] = {}
    mqtt_nodes: bool = Field(default=True, description="Also take the reports of nodes that publish by MQTT")
    spool_max_bytes: int = Field(
        1_000_000_000, ge=1_000_000, description="Beyond this, new readings become a counted gap"
    )
    commit_linger: Linger = Field(
        timedelta(milliseconds=20), description="How long frames wait to share an fsync"
    )
    batch_readings: int = Field(500, ge=1, le=5000)
    batch_linger: Linger = Field(
        timedelta(seconds=1), description="How long live readings wait to share a batch"
    )
    in_flight: int = Field(8, ge=1, le=100, description="Batches sent and not yet receipted")
    receipt_timeout: Span = timedelta(seconds=20)
    status_every: Span = timedelta(seconds=30)
    page_port: Port = Field(0, description="The gateway's own read-only page; 0 = none")
    page_host: str = Field(
        "127.0.0.1", description="Where the page listens; 0.0.0.0 for the phones of the site"
    )
    guard: GuardSettings = GuardSettings()


class IngestSettings(Section):
    """Admission, journal, sealing, retention."""

    http_port: Port = Field(0, description="POST /api/v1/readings; 0 = none")
    http_host: str = "127.0.0.1"
    waiting_max_readings: int = Field(1_000_000, ge=0)
    window: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=366))] = Field(
        timedelta(hours=6), description="One sealed chunk per sensor and window"
    )
    seal_after: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=366))] = Field(
        timedelta(minutes=30), description="A window is sealed this long after its end"
    )
    keep_raw: Span = timedelta(days=730)
    keep_hourly: Span = timedelta(days=15 * 365)


class InfluxSettings(Section):
    """The InfluxDB projection. Without a url there is none, and everything else works."""

    url: str | None = None
    org: str = "coldchain"
    bucket: str = "coldchain"
    token_file: Path | None = None
    batch_points: int = Field(5_000, ge=1, le=5_000)
    timeout: Span = timedelta(seconds=20)
    retention: Span | None = Field(
        None, description="The bucket's retention: older points are parked, not sent"
    )


class AlertSettings(Section):
    """Judgement."""

    lateness: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=366))] = Field(
        timedelta(minutes=10), description="Readings older than this on arrival are late"
    )
    silent_after: Span = Field(
        timedelta(minutes=5), description="At least this long without a reading is silence"
    )
    poll: Span = timedelta(milliseconds=250)


class ProviderSettings(Section):
    """SMS by a provider over HTTP: `ready` names one, or url, body and accepted describe it."""

    ready: Literal["twilio", "vonage", "africastalking"] | None = None
    url: str | None = None
    body: str = ""
    form: bool = True
    headers: dict[str, str] = {}
    accepted: str = Field("", description="A regular expression that the answer must contain")
    account: str = ""
    sender: str = ""
    secret_file: Path | None = None
    callback_file: Path | None = Field(
        None,
        description="Holds the address that the provider reports deliveries to, which is a secret: "
        "`coldchain oncall link delivery` makes it. None: no report is waited for",
    )
    named: str = Field("(?!)", description="A regular expression: its group is the id in the answer")
    report_id: str = Field("id", description="The callback's parameter with that id")
    report_status: str = Field("status", description="The callback's parameter that says how it went")
    report_delivered: str = Field("delivered", description="What that says of a message that arrived")


class MailSettings(Section):
    """E-mail by SMTP."""

    host: str
    sender: str
    port: int = Field(587, ge=1, le=65535)
    starttls: bool = True
    username: str | None = None
    password_file: Path | None = None


class NotifySettings(Section):
    """How people are told. `second` and `http` are tried when what comes before them fails."""

    kind: Literal["none", "file", "modem", "http"] = "none"
    modem: ModemSettings = ModemSettings()
    second: ModemSettings | None = Field(None, description="Another modem, best with another operator's SIM")
    http: ProviderSettings | None = None
    mail: MailSettings | None = None
    calls: bool = Field(default=True, description="A modem also rings: a call wakes where an SMS does not")
    hourly: int = Field(
        120, ge=0, description="Beyond so many messages an hour only first critical ones leave; 0: no bound"
    )
    sms_price: float = Field(0, ge=0, description="What one SMS costs, for the manager's page")
    currency: str = Field("LAK", max_length=8, description="Of that price, as it is written behind it")
    file: Path | None = None
    morning: time = Field(
        time(7, 0), ge=time(5), le=time(12), description="When the daily messages leave, in each site's zone"
    )
    digest_to: tuple[Name, ...] = Field(
        (), description="Who gets the morning's list of what to mend; else all supervisors and managers"
    )
    digest_always: bool = Field(default=False, description="Also on mornings with nothing to mend")
    all_well: tuple[Name, ...] = Field(
        (), description="Who gets a line for each of their sites every morning, which proves their telephone"
    )
    canary_at: time = Field(
        time(6, 30), description="When the canary's reading is due, in `zone`; its line says the same"
    )
    ping_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/.*)?$",
        description="Fetched once a minute while alerts makes progress: a dead-man's switch elsewhere",
    )


class ConsoleSettings(Section):
    """The web console."""

    host: str = "127.0.0.1"
    port: Port = 8080
    address: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/.*)?$",
        description="The console's address as people reach it: e-mails then carry a link to answer by",
    )
    trusted: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Networks besides loopback from which the form is taken; under Compose, its bridge"
    )


class Settings(BaseSettings):
    """Everything. `data_dir` holds the record: back it up."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="COLDCHAIN__", env_nested_delimiter="__"
    )

    data_dir: Path = Path("coldchain-data")
    zone: str = Field("Asia/Vientiane", description="The time zone people read")
    mqtt: MqttSettings = MqttSettings()
    gateway: GatewaySettings = GatewaySettings()
    ingest: IngestSettings = IngestSettings()
    influx: InfluxSettings = InfluxSettings()
    alerts: AlertSettings = AlertSettings()
    notify: NotifySettings = NotifySettings()
    console: ConsoleSettings = ConsoleSettings()
    training: str | None = Field(
        None,
        description="The scenario that is trained with; `coldchain train` writes it. Settings with a channel "
        "that reaches somebody are then refused",
    )

    @classmethod
    def settings_customise_sources(  # the environment wins over the file
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 -- pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @model_validator(mode="after")
    def _trains_alone(self) -> Self:
        if self.training is not None and (why := reaches_out(self)):
            raise ValueError(f"training must reach nobody, and {why}")
        return self

    @property
    def readings_db(self) -> Path:
        return self.data_dir / "readings.db"

    @property
    def alarms_db(self) -> Path:
        return self.data_dir / "alarms.db"

    @property
    def desk_db(self) -> Path:
        return self.data_dir / "desk.db"

    @property
    def spool_db(self) -> Path:
        return self.data_dir / "spool.db"


LOOPBACK = ("127.0.0.1", "::1", "localhost")


def reaches_out(settings: Settings) -> str:
    """By what these settings reach somebody outside this machine; empty: by nothing. Of training.

    The only modem is the one that the simulator makes: `modem` in the data folder, a pseudo-terminal.
    """
    notify, guard = settings.notify, settings.gateway.guard
    modem = notify.modem.device
    own = (settings.data_dir / "modem").absolute()
    named = {
        "[notify] kind is http": notify.kind == "http",
        "[notify.http] is set": notify.http is not None,
        "[notify.mail] is set": notify.mail is not None,
        "[notify.second] is set": notify.second is not None,
        "[notify] ping_url is set": notify.ping_url is not None,
        "[notify.modem] is not the simulator's": bool(modem) and Path(modem).absolute() != own,
        "[gateway.guard] is set": guard.on or guard.hub_number is not None,
        "[influx] url is set": settings.influx.url is not None,
        "[mqtt] is not its own broker": not settings.mqtt.embedded or settings.mqtt.host not in LOOPBACK,
        "[console] listens beyond this machine": settings.console.host not in LOOPBACK,
    }
    return "; ".join(why for why, wrong in named.items() if wrong)
