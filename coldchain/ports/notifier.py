# SPDX-License-Identifier: Apache-2.0
"""The port of every channel that reaches a person: try once, say what came of it.

A notifier is used from a thread of its own and may block for as long as its channel
needs to answer. It neither retries nor chooses the next channel: the pipeline does, and
decides by `Delivery` alone. What comes back later (a delivery report, a reply, a ring)
arrives by other ports; `Sent.references` is the thread that ties it to this try.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = ["STEP_MAX_S", "Delivery", "Heard", "Kind", "Listener", "Moving", "Notifier", "Sent"]

STEP_MAX_S = 90.0
"""So long a channel may wait for one answer, whatever a try has of them [s]."""


class Delivery(StrEnum):
    """What is known of one try. ACCEPTED is not yet *delivered*."""

    ACCEPTED = "accepted"
    """The carrier has taken all of it."""
    FAILED_RETRY = "failed_retry"
    """It did not go out; a later try may succeed."""
    FAILED_FINAL = "failed_final"
    """It did not go out, and the same try again cannot help."""
    UNKNOWN = "unknown"
    """No answer in time: it may have gone out, whole or in part. A retry may be a duplicate."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcome of one try.

    delivery    decides what the pipeline does next
    detail      for people: what happened and, unless accepted, what to do; never a secret
    references  the carrier's own reference for each part it took, in order; a delivery
                report names one of them (for a modem: 0..255, and it wraps)
    carrier_id  what the carrier calls it where deliveries are reported by callback, else empty
    out         of FAILED_RETRY: the channel itself is out of order, whoever it is for; when it works again
                the next try need not wait
    """

    delivery: Delivery
    detail: str
    references: tuple[int, ...] = ()
    carrier_id: str = ""
    out: bool = False


class Notifier(Protocol):
    """One channel to people."""

    def send(self, to: str, text: str) -> Sent:
        """Try exactly once to hand `text` to the carrier for the person at `to`.

        A refusal, a dead line and a missing device are answers, not exceptions. Text
        arrives as written or in an equivalent the channel can carry; no character is
        replaced by a placeholder in silence.
        """
        ...


class Moving(Protocol):
    """A channel whose try may take long, as many steps do, and still be well (a text of ten messages). One
    that does not say so comes to its end within STEP_MAX_S.
    """

    @property
    def moved_s(self) -> float:
        """When it last began a step, on the steady clock [s]; none takes longer than STEP_MAX_S.

        Asked from other threads.
        """
        ...


class Kind(StrEnum):
    """What a channel may hear."""

    SMS = "sms"
    RING = "ring"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Heard:
    """Something that came in.

    id         the same for the same message, however often it is read
    sender     a telephone number as the network gives it; of a report: who was written to
    places     where the channel keeps it until it is forgotten
    delivered  of a report: True, or False when the carrier has given up
    """

    id: str
    kind: Kind
    sender: str
    text: str = ""
    places: tuple[int, ...] = ()
    reference: int = -1
    delivered: bool = False


class Listener(Protocol):
    """A channel that also hears. Nothing heard is lost before `forget`, nor twice different."""

    def hear(self, within_s: float) -> list[Heard]:
        """What has come in, after waiting for at most `within_s`. A dead line hears nothing."""
        ...

    def forget(self, heard: list[Heard]) -> None:
        """These are safe elsewhere: delete them here."""
        ...
