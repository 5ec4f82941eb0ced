# SPDX-License-Identifier: Apache-2.0
"""The SIM card: its PIN and its messages. The card remembers what the modem forgets."""

from firmware_sim.modem.control import Control

PIN_TRIES = 3  # 3GPP TS 31.101


class Refused(Exception):
    """A command fails: ``+CME ERROR`` or ``+CMS ERROR`` with a number, or a plain ERROR."""

    def __init__(self, kind: str = "", code: int = 0) -> None:
        super().__init__(f"{kind} {code}")
        self.kind, self.code = kind, code


class SimCard:
    """`pin` None: no PIN asked. `tries_left` 0: blocked until a PUK, which we do not know."""

    def __init__(self, pin: str | None, centre: str, room: int = 30) -> None:
        self.pin, self.centre, self.room = pin, centre, room
        self.tries_left = PIN_TRIES
        self.messages: dict[int, tuple[int, bytes]] = {}
        self._open = pin is None
        self._reference = 0

    def power_on(self) -> None:
        self._open = self.pin is None

    def state(self, control: Control) -> str:
        """What ``AT+CPIN?`` says."""
        if not control.sim_card:
            raise Refused("CME", 10)
        if control.sim_busy > 0:
            control.sim_busy -= 1
            raise Refused("CME", 14)
        if self.tries_left == 0:
            return "SIM PUK"
        return "READY" if self._open else "SIM PIN"

    def unlock(self, control: Control, pin: str) -> None:
        if self.state(control) != "SIM PIN":
            raise Refused("CME", 3)
        if pin == self.pin:
            self._open, self.tries_left = True, PIN_TRIES
            return
        self.tries_left -= 1
        raise Refused("CME", 16 if self.tries_left else 12)

    def require_open(self, control: Control) -> None:
        if (state := self.state(control)) != "READY":
            raise Refused("CME", 11 if state == "SIM PIN" else 12)

    def next_reference(self) -> int:
        """The message reference, 0..255 and around."""
        reference, self._reference = self._reference, (self._reference + 1) % 256
        return reference

    def store(self, pdu: bytes) -> int:
        """Keep an incoming PDU, unread; a full card drops its oldest."""
        if len(self.messages) >= self.room:
            del self.messages[min(self.messages)]
        index = next(n for n in range(1, self.room + 1) if n not in self.messages)
        self.messages[index] = (0, pdu)
        return index

    def read(self, control: Control, index: int) -> list[str]:
        self.require_open(control)
        if index not in self.messages:
            raise Refused("CMS", 321)
        status, pdu = self.messages[index]
        self.messages[index] = (1, pdu)
        return [f"+CMGR: {status},,{len(pdu) - 1 - pdu[0]}\r\n{pdu.hex().upper()}"]

    def listed(self, control: Control, wanted: str) -> list[str]:
        """``AT+CMGL``: 0 unread, 1 read, 4 all."""
        self.require_open(control)
        lines = []
        for index, (status, pdu) in sorted(self.messages.items()):
            if wanted in ("4", str(status)):
                head = f"+CMGL: {index},{status},,{len(pdu) - 1 - pdu[0]}"
                lines.append(f"{head}\r\n{pdu.hex().upper()}")
                self.messages[index] = (1, pdu)
        return lines

    def delete(self, control: Control, index: int, *, everything: bool) -> None:
        self.require_open(control)
        if everything:
            self.messages.clear()
        elif self.messages.pop(index, None) is None:
            raise Refused("CMS", 321)
