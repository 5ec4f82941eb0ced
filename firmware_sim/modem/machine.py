# SPDX-License-Identifier: Apache-2.0
"""The modem itself: octets in, octets out, as ITU-T V.250, 3GPP TS 27.005 and TS 27.007 have it.

It owns no port and no thread: `feed` takes what arrives, `out` takes what it says, `later` runs
something after so many seconds, in the same thread.
"""

import re
from collections.abc import Callable

from firmware_sim.modem.control import TAKEN, Control, Outcome
from firmware_sim.modem.network import Network
from firmware_sim.modem.sim_card import Refused, SimCard
from firmware_sim.modem.tpdu import BadPdu, Submitted, read_submit, write_status_report

CTRL_Z, ESCAPE, CR = 0x1A, 0x1B, 0x0D
LINE_MAX = 1024

# A command line is a row of these behind AT (V.250, 5.4): D takes the rest, + ends at a semicolon.
_COMMAND = re.compile(r'(D.*)|([+^*][A-Z0-9]+)((?:"[^"]*"|[^";])*);?|([&\\]?[A-Z])([0-9]*)', re.IGNORECASE)


_RANGES = {
    "CMGD": ["+CMGD: (1-30),(0-4)"],
    "CMGF": ["+CMGF: (0,1)"],
    "CMGL": ["+CMGL: (0-4)"],
    "CNMI": ["+CNMI: (0-2),(0-3),(0),(0-2),(0,1)"],
    "CPMS": ['+CPMS: ("SM"),("SM"),("SM")'],
    "CSCS": ['+CSCS: ("GSM","UCS2")'],
    "CSMS": ["+CSMS: (0,1)"],
}
"""What ``AT+NAME=?`` answers, besides OK."""

Later = Callable[[float, Callable[[], None]], None]


class Machine:
    """`unplug` pulls its own cable."""

    def __init__(
        self,
        control: Control,
        network: Network,
        card: SimCard,
        *,
        out: Callable[[bytes], None],
        later: Later,
        now_ms: Callable[[], int],
        unplug: Callable[[], None],
    ) -> None:
        self.control, self.network, self.card = control, network, card
        self._out, self._later, self._now_ms, self._unplug = out, later, now_ms, unplug
        self.commands: list[str] = []
        self.power_on()

    def power_on(self) -> None:
        """As the maker delivers it: echo on, text mode, nothing handed up."""
        self.echo, self.text_mode, self.errors = True, True, 0
        self.cnmi = [0, 0, 0, 0, 0]
        self.creg = self.csms = self.clip = 0
        self._line = bytearray()
        self._announced: str | None = None
        self._outcome = TAKEN
        self._busy = False
        self._waiting = bytearray()
        self._calling = ""

    # -- octets ------------------------------------------------------------------------------

    def feed(self, octets: bytes) -> None:
        if self.control.hung:
            return
        for octet in octets:
            if self._busy:
                self._waiting.append(octet)
            elif self._announced is not None:
                self._pdu_octet(octet)
            else:
                self._command_octet(octet)

    def say(self, *lines: str) -> None:
        """Whole lines, unless it hangs."""
        if not self.control.hung:
            self._out("".join(f"\r\n{line}\r\n" for line in lines).encode("utf-8"))

    def raw(self, octets: bytes) -> None:
        """Anything at all, as noise on the line would be."""
        self._out(octets)

    def _command_octet(self, octet: int) -> None:
        if self.echo:
            self._out(bytes([octet]))
        if octet == CR:
            line = self._line.decode("latin-1").strip()
            self._line.clear()
            # What stands before AT is noise (an ESC that came too late, for one).
            start = line.upper().find("AT")
            if start >= 0:
                self._execute(line[start + 2 :].strip())
        elif octet >= 0x20 and len(self._line) < LINE_MAX:
            self._line.append(octet)

    def _pdu_octet(self, octet: int) -> None:
        if self.echo:
            self._out(bytes([octet]))
        if octet == ESCAPE:
            self._announced = None
            self._line.clear()
            self.say("OK")
        elif octet == CTRL_Z:
            written, announced = self._line.decode("latin-1"), self._announced or ""
            self._line.clear()
            self._announced = None
            self._submit(written, announced)
        elif len(self._line) < LINE_MAX:
            self._line.append(octet)

    # -- commands ----------------------------------------------------------------------------

    def _execute(self, line: str) -> None:
        if len(self.commands) < 10_000:
            self.commands.append(line)
        lines: list[str] = []
        try:
            prompted = self._obey(line, lines)
        except Refused as no:
            self.say(*lines, self._error(no))
        except (ValueError, TypeError, IndexError):  # arguments that are none
            self.say(*lines, "ERROR")
        else:
            if not prompted:
                self.say(*lines, "OK")

    def _obey(self, line: str, lines: list[str]) -> bool:
        """Run a row of commands; their answers go to `lines`. True when a PDU is awaited instead."""
        at = 0
        while at < len(line):
            if not (found := _COMMAND.match(line, at)):
                raise Refused
            at = found.end()
            if found[1]:
                lines += self._dial(found[1][1:])
            elif not found[2]:
                lines += self._basic(found[4].upper(), int(found[5] or 0))
            elif found[2].upper() == "+CMGS":
                self._ask_for_pdu(found[3].removeprefix("=").strip())
                return True
            else:
                lines += self._extended(found[2].upper()[1:], found[3].strip())
        return False

    def _error(self, no: Refused) -> str:
        if not no.kind or (no.kind == "CME" and not self.errors):
            return "ERROR"
        return f"+{no.kind} ERROR: {no.code}"

    def _basic(self, letter: str, value: int) -> list[str]:
        if letter == "E":
            self.echo = value != 0
        elif letter in ("Z", "&F"):
            self.echo = True
        elif letter == "I":
            return ["Coldchain simulated modem"]
        elif letter == "H":
            self._calling = ""
        return []

    def _extended(self, name: str, argument: str) -> list[str]:
        handler = getattr(self, f"_on_{name.lower()}", None)
        if handler is None:
            raise Refused
        if argument == "=?":
            return _RANGES.get(name, [])
        return list(handler(*argument.removeprefix("=").split(",")))

    def _dial(self, number: str) -> list[str]:
        self.card.require_open(self.control)
        self._calling = number.rstrip(";")
        self.network.phone(self._calling).calls += 1
        return []

    def _on_cgmi(self, *_: str) -> list[str]:
        return ["Coldchain"]

    def _on_cgmm(self, *_: str) -> list[str]:
        return ["SIM-7"]

    def _on_cgmr(self, *_: str) -> list[str]:
        return ["1.0"]

    def _on_cgsn(self, *_: str) -> list[str]:
        return ["490154203237518"]  # the example IMEI of TS 23.003, annex B

    def _on_cimi(self, *_: str) -> list[str]:
        self.card.require_open(self.control)
        return ["457010000000001"]

    def _on_cmee(self, value: str = "0") -> list[str]:
        if value == "?":
            return [f"+CMEE: {self.errors}"]
        if value:
            self.errors = int(value)
        return []

    def _on_cmgf(self, value: str) -> list[str]:
        if value == "?":
            return [f"+CMGF: {int(self.text_mode)}"]
        if value in ("0", "1"):
            self.text_mode = value == "1"
            return []
        raise Refused("CMS", 302)

    def _on_cpin(self, value: str) -> list[str]:
        if value == "?":
            return [f"+CPIN: {self.card.state(self.control)}"]
        self.card.unlock(self.control, value.strip('"'))
        return []

    def _on_creg(self, value: str) -> list[str]:
        if value == "?":
            return [f"+CREG: {self.creg},{self.control.registration}"]
        if value.isdecimal():
            self.creg = int(value)
        return []

    def _on_csq(self, *_: str) -> list[str]:
        return [f"+CSQ: {self.control.signal},99"]

    def _on_cfun(self, value: str, *_: str) -> list[str]:
        return ["+CFUN: 1"] if value == "?" else []

    def _on_cops(self, *_: str) -> list[str]:
        return ['+COPS: 0,0,"Simulated"']

    def _on_csms(self, value: str) -> list[str]:
        if value == "?":
            return [f"+CSMS: {self.csms},1,1,1"]
        if value.isdecimal():
            self.csms = int(value)
        return ["+CSMS: 1,1,1"]

    def _on_cnma(self, *_: str) -> list[str]:
        return []

    def _on_cusd(self, *values: str) -> list[str]:
        """The operator answers a code with what is left, a moment later."""
        left = "unlimited" if self.control.credit is None else f"{self.control.credit} LAK"
        self._later(0.05, lambda: self.say(f'+CUSD: 0,"Balance: {left}",15'))
        return []

    def _on_cscs(self, value: str) -> list[str]:
        if value == "?":
            return ['+CSCS: "GSM"']
        return []

    def _on_clip(self, value: str) -> list[str]:
        if value.isdecimal():
            self.clip = int(value)
        return [f"+CLIP: {self.clip},1"] if value == "?" else []

    def _on_csca(self, value: str, *_: str) -> list[str]:
        self.card.require_open(self.control)
        if value == "?":
            return [f'+CSCA: "{self.card.centre}",145']
        self.card.centre = value.strip('"')
        return []

    def _on_cnmi(self, *values: str) -> list[str]:
        if values[0] == "?":
            return ["+CNMI: " + ",".join(map(str, self.cnmi))]
        for place, value in enumerate(values[:5]):
            if value.strip():
                self.cnmi[place] = int(value)
        return []

    def _on_cpms(self, *values: str) -> list[str]:
        used = f"{len(self.card.messages)},{self.card.room}"
        if values[0] == "?":
            return ["+CPMS: " + ",".join(f'"SM",{used}' for _ in range(3))]
        return [f"+CPMS: {used},{used},{used}"]

    def _on_cmgl(self, value: str = "0") -> list[str]:
        return self.card.listed(self.control, value)

    def _on_cmgr(self, value: str) -> list[str]:
        return self.card.read(self.control, int(value))

    def _on_cmgd(self, value: str, flag: str = "0") -> list[str]:
        self.card.delete(self.control, int(value), everything=flag == "4")
        return []

    # -- sending -----------------------------------------------------------------------------

    def _ask_for_pdu(self, length: str) -> None:
        """`length` is the PDU's; in text mode (TS 27.005, 3.5.1) it is the number instead."""
        try:
            self._outcome = self._admit(length)
        except Refused as no:
            # A locked or missing card is told in the words of the message service (TS 27.005, 3.2.5).
            code = {10: 310, 11: 311, 12: 316, 14: 314}.get(no.code, no.code)
            raise Refused("CMS", code) from no
        if self._outcome.prompt:
            self._announced = length
            self._out(b"\r\n> ")
        elif self._outcome.unplug:
            self._unplug()

    def _admit(self, length: str) -> Outcome:
        self.card.require_open(self.control)
        if not (self.text_mode or length.isdecimal()):
            raise Refused("CMS", 304)
        outcome = self.control.outcomes.popleft() if self.control.outcomes else TAKEN
        if outcome.early:
            raise Refused("CMS", outcome.refuse or 500)
        return outcome

    def _submit(self, written: str, announced: str) -> None:
        outcome, control = self._outcome, self.control
        if control.chatter:
            self.say(*control.chatter)
        refusal = outcome.refuse or self._refusal()
        try:
            if self.text_mode:
                part = Submitted(announced.strip('"'), written, None, report=False, validity_min=None)
            else:
                part = read_submit(bytes.fromhex(written.strip()), int(announced))
        except (BadPdu, ValueError):
            self.say("+CMS ERROR: 304")
            return
        reference = self.card.next_reference()
        if refusal is None and outcome.sent:
            if control.credit is not None:
                control.credit -= 1
            self.network.carry(part)
            if part.report and control.reports and self.cnmi[3]:
                self._later(control.report_after_s, lambda: self._report(part.number, reference))
        control.hung = control.hung or outcome.hang
        if outcome.unplug:
            self._unplug()
            return
        self._busy = True
        self._later(outcome.after_s, lambda: self._answer(outcome, refusal, reference))

    def _refusal(self) -> int | None:
        """Why the network does not take it now, as a ``+CMS ERROR``."""
        if self.control.registration not in (1, 5, 6, 7) or self.control.signal == 99:
            return 331
        if not self.card.centre:
            return 330
        return 21 if self.control.credit == 0 else None

    def _answer(self, outcome: Outcome, refusal: int | None, reference: int) -> None:
        self._busy = False
        if refusal is not None:
            self.say(f"+CMS ERROR: {refusal}")
        elif outcome.answer:
            self.say(*([f"+CMGS: {reference}"] if outcome.reference else []), "OK")
        waiting, self._waiting = bytes(self._waiting), bytearray()
        self.feed(waiting)

    # -- what arrives ------------------------------------------------------------------------

    def _report(self, number: str, reference: int) -> None:
        pdu = write_status_report(
            number,
            centre=self.card.centre,
            reference=reference,
            at_ms=self._now_ms(),
            status=self.control.report_status,
        )
        if self.cnmi[3] == 1:
            self.say(f"+CDS: {len(pdu) - 1 - pdu[0]}\r\n{pdu.hex().upper()}")
        else:
            self.say(f'+CDSI: "SM",{self.card.store(pdu)}')

    def arrive(self, *pdus: bytes) -> None:
        """Messages for the modem; handed up, announced or only stored, as ``+CNMI`` says."""
        for pdu in pdus:
            if self.cnmi[1] == 2:
                self.say(f"+CMT: ,{len(pdu) - 1 - pdu[0]}\r\n{pdu.hex().upper()}")
                continue
            index = self.card.store(pdu)
            if self.cnmi[1] == 1:
                self.say(f'+CMTI: "SM",{index}')

    def ring(self, number: str) -> None:
        """Somebody calls."""
        self.say("RING", *([f'+CLIP: "{number}",145'] if self.clip else []))
