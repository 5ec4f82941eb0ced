# SPDX-License-Identifier: Apache-2.0
r"""The far end of an AT dialogue: bytes in, events out; this file never touches a port.

    echo            AT+CSQ\r               what we wrote, while ATE1 holds
    information     \r\n+CSQ: 19,99\r\n    belongs to the command in flight
    final           \r\nOK\r\n             ends it: OK, ERROR, +CME ERROR: n, +CMS ERROR: n, ...
    prompt          \r\n>␠                asks for the PDU, without an end of line
    unsolicited     \r\n+CMTI: "SM",3\r\n  any time between lines; +CMT and +CDS bring a second line

Result codes: ITU-T V.250, 5.7.1; 3GPP TS 27.007, 9.2; TS 27.005, 3.2.5.
"""

import re
from dataclasses import dataclass

__all__ = ["AtReader", "Event", "Final", "Info", "Prompt", "Unsolicited"]

LINE_MAX = 2048
"""Longer than any line a modem sends: a PDU is at most 352 characters, a USSD text 364."""


@dataclass(frozen=True, slots=True)
class Final:
    """The end of a command. `kind` is OK, ERROR, CMS, CME, or a call's result; `code` if numeric."""

    kind: str
    code: int | None = None
    text: str = ""

    @property
    def ok(self) -> bool:
        return self.kind == "OK"


@dataclass(frozen=True, slots=True)
class Info:
    """A line that answers the command in flight; `text` without its ``+NAME:``."""

    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """The modem waits for a PDU and Ctrl-Z."""


@dataclass(frozen=True, slots=True)
class Unsolicited:
    """Said without being asked, or too late. `body` is the second line of +CMT and +CDS."""

    text: str
    body: str = ""


Event = Final | Info | Prompt | Unsolicited

_PLAIN_FINALS = {
    "OK": "OK", "ERROR": "ERROR", "COMMAND NOT SUPPORT": "ERROR", "NO CARRIER": "NO CARRIER",
    "BUSY": "BUSY", "NO ANSWER": "NO ANSWER", "NO DIALTONE": "NO DIALTONE",
}  # fmt: skip
_CODED_FINAL = re.compile(r"\+(CM[SE]) ERROR: ?(.*)")
_TWO_LINES = ("+CMT:", "+CDS:", "+CBM:")
_UNASKED = re.compile(r"RING$|\+(CRING|CLIP|CCWA|CMTI|CDSI|CMT|CDS|CBM|CUSV|CTZV|CIEV|CGEV)\b|[\^*%$]")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_EDGES = "".join(map(chr, range(0x20))) + " \x7f\xff"


class AtReader:
    """Feed it the stream in any slices. `expect` names the command whose answer is due."""

    def __init__(self) -> None:
        self.bytes_skipped = 0
        self._buffer = bytearray()
        self._command, self._prefix = "", ""
        self._bare = self._prompting = False
        self._head = ""

    def expect(self, command: str, *, bare: bool = False, prompt: bool = False) -> None:
        """The next lines answer `command`.

        bare    its answer lines carry no ``+NAME:`` (AT+CGMI, AT+CMGL's PDUs)
        prompt  it is answered by a prompt first
        """
        named = re.match(r"AT([+^*%$][A-Z0-9]+)", command)
        self._command, self._prefix = command, f"{named[1]}:" if named else ""
        self._bare, self._prompting = bare, prompt

    def sending(self, line: str) -> None:
        """`line` went out behind the prompt: its echo is no answer."""
        self._command = line

    def feed(self, chunk: bytes) -> list[Event]:
        """Everything that is complete now."""
        self._buffer += chunk
        events: list[Event] = []
        while True:
            if self._take_prompt():
                events.append(Prompt())
            end = next((i for i, octet in enumerate(self._buffer) if octet in b"\r\n"), None)
            if end is None:
                break
            line = self._buffer[:end].decode("ascii", "backslashreplace").strip(_EDGES)
            del self._buffer[: end + 1]
            events += self._classified(line)
        if len(self._buffer) > LINE_MAX:
            self.bytes_skipped += len(self._buffer)
            self._buffer.clear()
        return events

    def _take_prompt(self) -> bool:
        """A ``>`` at the start of a line, with or without its blank; only while one is due."""
        if not self._prompting or not self._buffer.lstrip(b"\r\n\x00 ").startswith(b">"):
            return False
        del self._buffer[: self._buffer.index(b">") + 1]
        self._prompting = False
        return True

    def _classified(self, line: str) -> list[Event]:
        if self._head:
            head, self._head = self._head, ""
            if not line:  # CR, then LF: the end of the head itself
                self._head = head
                return []
            if _HEX.fullmatch(line):
                return [Unsolicited(head, line)]
            return [Unsolicited(head), *self._classified(line)]
        line = line.lstrip("> ")
        if not line or line == self._command:
            return []
        if line.startswith(_TWO_LINES) and not line.startswith(self._prefix or "\0"):
            self._head = line
            return []
        return [self._single(line)]

    def _single(self, line: str) -> Event:
        if kind := _PLAIN_FINALS.get(line):
            return Final(kind)
        if coded := _CODED_FINAL.match(line):
            text = coded[2].strip()
            return Final(coded[1], int(text) if text.isdecimal() else None, text)
        if self._prefix and line.startswith(self._prefix):
            return Info(line[len(self._prefix) :].strip())
        if self._bare and not _UNASKED.match(line):
            return Info(line)
        return Unsolicited(line)
