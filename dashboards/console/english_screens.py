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
    "problem.too-close": "One of the two gave the other a password within the last month: "
    "another person has to be the second.",
    "problem.no-such-session": "No session or token of that name is yours.",
    "token.used": "last used {at}",
    "token.unused": "never used",
    "token.until": "until {day}",
    "session.title": "Where you are signed in",
    "session.help": "A session ends after twelve hours without use, and after thirty days at the latest.",
    "session.this": "this browser",
    "session.row": "since {made}, last used {seen}, ends {until} if unused",
    "session.unknown": "a browser that does not say what it is",
    "session.end": "Sign it out",
    "session.end_all": "Sign out everywhere",
    "session.end_all_help": "Every browser has to sign in anew; tokens of programs stay. Change your "
    "password as well if somebody else may know it.",
    "signin.meanwhile": "An alarm does not wait for this: answer it by replying to its message, by the link "
    "in it, or at the screen of the machine itself.",
    "account.tokens": "Your tokens",
    "accounts.given_made": "made by {by}, {at}",
    "accounts.given_reset": "password given by {by}, {at}",
    "accounts.given_bars": "until {day} these two do not sign for one another",
    "accounts.given": "Password from",
    "probe.load": "load",
    "probe.air": "air",
}
