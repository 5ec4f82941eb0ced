# SPDX-License-Identifier: Apache-2.0
"""The commented file that `coldchain init` writes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person said when asked. Empty strings leave a part out."""

    gateway: str = "gw-1"
    zone: str = "Asia/Vientiane"
    broker_host: str = ""  # empty: a broker of our own on this machine
    broker_port: int = 1883
    device: str = "/dev/serial/by-id/*"
    modem: str = ""
    influx_url: str = ""
    console_port: int = 8080


def render(answers: Answers) -> str:
    """The TOML text. It loads without a finding."""
    return "\n".join([_head(answers), _mqtt(answers), _gateway(answers), _hub(answers), _people(answers)])


def _head(answers: Answers) -> str:
    return f"""# Coldchain. Check this file with: coldchain config check coldchain.toml
# Spans are seconds or ISO 8601 ("PT5M"). Secrets are files, never values. Paths are relative to this file.

data_dir = "data"                # the record: back it up
zone = "{answers.zone}"          # the time zone people read; everything is stored in UTC
"""


def _mqtt(answers: Answers) -> str:
    own = not answers.broker_host
    return f"""[mqtt]
embedded = {str(own).lower()}                  # true: `coldchain run` starts a broker of its own, on loopback
host = "{answers.broker_host or "127.0.0.1"}"
port = {answers.broker_port}
protocol = "3.1.1"               # every broker speaks it; "5" where yours does
# username = "gw-1"
# password_file = "secrets/mqtt-password"
# tls = true
# ca_file = "secrets/ca.pem"
"""


def _gateway(answers: Answers) -> str:
    page_port = 8082 if answers.console_port == 8081 else 8081
    return f"""[gateway]
id = "{answers.gateway}"                      # a-z 0-9 -, unique in the installation
mqtt_nodes = true                # also take nodes that publish by MQTT
spool_max_bytes = 1_000_000_000  # what is kept while the link is down: 243 sensors, 30 days
page_port = {page_port}                 # the gateway's own page, for when the link is down; 0 = none
# page_host = "0.0.0.0"          # let the phones of the site see it (no password, changes nothing)

# A modem of the gateway's own: it alarms by itself while the hub is out of reach (docs/deploy.md).
# [gateway.guard]
# hub_number = "+8562099000001"
# [gateway.guard.modem]
# device = "/dev/serial/by-id/usb-modem"

# Serial boards that speak our frames. A pattern takes every match, also those plugged in later.
[[gateway.lines]]
device = "{answers.device}"
driver = "serial"
codec = "binary"                 # or "ascii"
baud = 115200

# A canary: a reading made up once a day proves the way from here to the telephone and back (docs/deploy.md).
# [[gateway.lines]]
# driver = "canary"
# device = "06:30+07:00"         # a time with its offset, the same as canary_at of the hub

# Devices that speak Modbus: a line, its devices, and what their registers mean.
# [[gateway.lines]]
# device = "/dev/serial/by-id/usb-rs485"
# driver = "modbus-rtu"          # or "modbus-tcp" with device = "192.0.2.10:502"
# baud = 9600
# poll_every = "PT1M"
# devices = [{{ node = "freezer-7", unit = 1, map = "controller" }}]
# [gateway.register_maps]
# controller = [
#   {{ address = 0, quantity = "temperature", channel = 0, scale = 0.1, failed = [32767] }},
#   {{ address = 1, quantity = "door", channel = 1, table = "discrete", type = "bit" }},
# ]
"""


def _hub(answers: Answers) -> str:
    influx = (
        f'[influx]\nurl = "{answers.influx_url}"\norg = "coldchain"\nbucket = "coldchain"\n'
        '# token_file = "secrets/influx-token"\n'
        if answers.influx_url
        else '# Dashboards in Grafana read InfluxDB. Without it everything else works.\n# [influx]\n# url = "http://127.0.0.1:8086"\n'
        '# bucket = "coldchain"\n# token_file = "secrets/influx-token"\n'
    )
    return f"""[ingest]
http_port = 0                    # POST /api/v1/readings for nodes that speak HTTP; 0 = none
keep_raw = "P730D"               # raw readings two years
keep_hourly = "P5475D"           # hourly minimum, mean, maximum fifteen years

{influx}
[alerts]
lateness = "PT10M"               # readings older than this on arrival ring nobody unless still true
silent_after = "PT5M"            # at least this long without a reading is silence

[console]
host = "127.0.0.1"               # put a proxy with TLS and accounts in front before you open it to a network
port = {answers.console_port}
# address = "https://blood.example.org"   # as people reach it: e-mails then carry a link to answer by
# trusted = ["172.18.0.1/32"]    # who, besides this machine, may acknowledge here: see docs/deploy.md
"""


def _people(answers: Answers) -> str:
    if answers.modem:
        return f"""[notify]
kind = "modem"
{_NOTIFY}
[notify.modem]
device = "{answers.modem}"
{_MODEM}
{_MORE}"""
    return f"""# Without a modem, messages are written to a file: nobody is woken. Put one in.
[notify]
kind = "file"
file = "data/messages.jsonl"
{_NOTIFY}
# kind = "modem"
# [notify.modem]
# device = "/dev/serial/by-id/usb-modem"
{_MODEM}
{_MORE}"""


_NOTIFY = """hourly = 120                     # an hour; beyond it only first critical ones leave; 0: no bound
# calls = false                  # the modem does not ring, too
# morning = "07:00"              # when the list of what to mend goes to supervisors and managers
# all_well = ["noy"]             # who gets a line each morning: well or not, who is on call
# canary_at = "06:30"            # when the canary's reading is due
# ping_url = "https://..."       # fetched each minute while alerts makes progress: a dead-man's switch"""

_MODEM = """# pin_file = "secrets/sim-pin"
# own_number = "+8562099000001"  # of its own SIM: the canary's message goes there
# ussd = "*123#"                 # how the operator tells the credit
# reserve = 5000                 # with less credit only critical messages leave
# reset = ["uhubctl", "-a", "cycle", "-l", "1-1", "-p", "2"]   # power-cycles a modem that hangs"""

_MORE = """# A second modem, best with a SIM of another operator.
# [notify.second]
# device = "/dev/serial/by-id/usb-modem-2"

# A provider over HTTP behind the modem, or alone with kind = "http".
# [notify.http]
# ready = "twilio"               # or "vonage", "africastalking"; or your own url, body, accepted
# account = "AC..."
# sender = "+12025550123"
# secret_file = "secrets/provider"
# callback_file = "secrets/provider-callback"   # made by: coldchain oncall link delivery twilio --base https://...

# [notify.mail]
# host = "smtp.example.org"
# sender = "coldchain@example.org"
# password_file = "secrets/smtp-password"

# Then prove it: coldchain test sms +85620xxxxxxxx
"""
