# SPDX-License-Identifier: Apache-2.0
"""A modem that is held: its port opened for us alone, woken, ready to send; closed when it falls silent.

One thread at a time. Only `moved_s` and `abandon` are for others.
"""

from collections import deque
from collections.abc import Callable

from alerts.notifiers.at import Unsolicited
from alerts.notifiers.dialogue import HEARD_MAX, Dialogue, Restarted, Silent
from alerts.notifiers.line import Line, LineLost, NoLine, OpenLine
from alerts.notifiers.options import ModemOptions
from alerts.notifiers.waking import NotSent, PinTrial, require_network, wake
from coldchain.kernel.clocks import SteadyClock
from coldchain.ports.notifier import Delivery

__all__ = ["Session"]

RESET_AFTER = 2
RESET_EVERY_S = 300.0
"""Not more often: a modem needs a minute to find its network."""


class Session:
    """dialogue  with a modem that was woken; None: the port is closed
    heard     what was said unasked, whichever dialogue took it in
    moved_s   when its driver last began to wait for the modem [s, by `clock`]: no such wait is long
    """

    def __init__(
        self,
        options: ModemOptions,
        open_line: OpenLine,
        clock: SteadyClock,
        reset: Callable[[], None] | None,
    ) -> None:
        self.options, self._open_line, self._clock = options, open_line, clock
        self._reset, self._mute, self._reset_at_s = reset, 0, clock()
        self._trial = PinTrial(options.pin_guard)
        self._line: Line | None = None
        self.dialogue: Dialogue | None = None
        self.heard: deque[Unsolicited] = deque(maxlen=HEARD_MAX)
        self.moved_s = float("-inf")
        self._abandoned = False

    def ready(self) -> Dialogue:
        """A modem that answers and has a network. Nothing has gone out: one fresh start is free.

        Raises NotSent.
        """
        for _ in range(2):
            fresh = self.dialogue is None
            try:
                dialogue = self.dialogue or self.open()
                dialogue.require_pdu_mode(within_s=self.options.command_s)
                require_network(dialogue, self.options, self._clock)
            except (Silent, Restarted, LineLost) as trouble:
                self.hang_up()
                if fresh:
                    raise NotSent(
                        Delivery.FAILED_RETRY,
                        f"the modem at {self.options.port} fell out ({trouble}): switch it off and on",
                    ) from trouble
            else:
                return dialogue
        raise AssertionError("the second start is fresh")

    def open(self) -> Dialogue:
        """Open the port and wake the modem. Raises NotSent, Silent and LineLost."""
        if self._abandoned:
            raise NotSent(Delivery.FAILED_RETRY, "another has taken this modem over")
        options = self.options
        self._moved()
        try:
            self._line = self._open_line(options.port, options.baud)
        except NoLine as bad:
            raise NotSent(Delivery.FAILED_RETRY, str(bad)) from bad
        dialogue = Dialogue(self._line, self._clock, self.heard, self._moved)
        try:
            wake(dialogue, options, self._trial, self._clock)
        except NotSent:
            self.hang_up()
            self._revive(answers=bool(dialogue.octets_in))
            raise
        self._mute = 0
        self.dialogue = dialogue
        return dialogue

    def hang_up(self) -> None:
        """Let go of the port."""
        if self._line is not None:
            self._line.close()
        self._line = self.dialogue = None

    def abandon(self) -> None:
        """From another thread, of a session that hangs: take the port away for good, so that a new one may
        open it. Whoever hangs in it finds its line lost, if it ever comes back.
        """
        self._abandoned = True
        if (line := self._line) is not None:
            line.close()

    def _moved(self) -> None:
        self.moved_s = self._clock()

    def _revive(self, *, answers: bool) -> None:
        """A modem that hangs comes back when its power was away, and not before."""
        self._mute = 0 if answers else self._mute + 1
        if self._reset is None or self._mute < RESET_AFTER or self._clock() < self._reset_at_s:
            return
        self._mute, self._reset_at_s = 0, self._clock() + RESET_EVERY_S
        self._reset()
