# SPDX-License-Identifier: Apache-2.0
"""Words of what is kept for when there is no connection, and of the wall."""

from __future__ import annotations

SCREEN_WORDS: dict[str, str] = {
    "offline.kept": "No connection. This is what was known at {at}:",
    "offline.waiting": "Not yet sent: your answer to alarm {n}, given at {at}. "
    "It goes out when there is a connection.",
    "offline.refused": "Not taken: your answer to alarm {n}, given at {at}.",
    "offline.already-closed": "Somebody answered it, or it was closed, meanwhile.",
    "offline.answer-too-old": "It came too late: answer again if you are on it.",
    "offline.sign-in": "Sign in and answer again.",
    "offline.other": "Look at the alarm and answer again.",
    "offline.seen": "I have seen it",
    "problem.already-closed": "Somebody answered it, or it was closed, before your answer came.",
    "problem.answer-too-old": "That answer was given too long ago. Look at the alarm and answer again.",
    "age.left": "limit in about {span}",
    "age.left_now": "limit about now",
    "wall.map": "Map of the sites",
    "wall.sites": "Sites, worst first",
    "wall.blind": "Not heard; at worst:",
    "problem.key-busy": "That change is still being made. Ask again in a moment with the same key.",
    "problem.key-done": "That was done; its answer was too long to keep. Look at how it stands now.",
    "problem.too-long": "What was sent is too long.",
    "mailed.answered": "Your answer has been passed on.",
    "mailed.used": "This message has been answered already.",
    "donation.shape": "{number}: not a donation number. It has five characters, the year and six digits.",
    "donation.scanned": "{number}: a scanned number ends in two flag characters. Scan it again.",
    "donation.unchecked": "{number}: type the check character too, the one in the box behind the number.",
    "donation.behind": "{number}: behind the number come two flag characters, then the check character.",
    "donation.mistyped": "{number}: its check character is not {typed}. Read the number again.",
    "donation.flags": "{number}: its flags {typed} do not fit it. Scan it again.",
}
