# SPDX-License-Identifier: Apache-2.0
"""A driver that is not ours, Debian's gammu as a program, reads from and sends to the simulated modem."""

import os
import subprocess
from pathlib import Path

import pytest
from modems import NURSE, inbox_of
from rig.programs import need

from firmware_sim.modem import TAKEN, ModemSim, refused

TEXT = "Réfrigérateur {03} 8.2 °C ຕູ້ເຢັນ 🩸 " * 4
REPLY = "ok 7 ສະບາຍດີ 🩸"


def gammu(folder: Path, port: str, *commands: str) -> str:
    """Run `commands` in one session: gammu takes 3 s to make friends with any modem."""
    program = need("gammu")
    settings, batch = folder / "gammurc", folder / "batch"
    settings.write_text(f"[gammu]\ndevice = {port}\nconnection = at115200\n")
    batch.write_text("".join(f"{command}\n" for command in commands))
    done = subprocess.run(
        [program, "-c", settings, "batch", batch],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,  # the last command is refused
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    return done.stdout


@pytest.mark.slow
def test_gammu_reads_sends_and_is_refused(tmp_path: Path) -> None:
    with ModemSim(tmp_path / "inbox.jsonl", link=tmp_path / "modem") as sim:
        sim.phone(NURSE).reply(REPLY)
        sim.control.next(TAKEN, TAKEN, TAKEN, refused(500))
        said = gammu(
            tmp_path,
            sim.path,
            "getallsms",
            f'sendsms TEXT {NURSE} -unicode -len 400 -text "{TEXT}"',
            f'sendsms TEXT {NURSE} -text "refused"',
        )
        assert f'Remote number        : "{NURSE}"' in said
        assert REPLY in said
        assert "Sending SMS 3/3" in said
        assert "error 500, message reference=-1" in said
        (message,) = inbox_of(tmp_path / "inbox.jsonl")
        assert (message["number"], message["text"], message["parts"]) == (NURSE, TEXT, 3)
