# SPDX-License-Identifier: Apache-2.0
"""The words of signatures, administration, duty, auditing and training: part of `english`."""

from __future__ import annotations

ADMIN_WORDS: dict[str, str] = {
    "page.signatures": "Signatures",
    "sign.yours": "Your signature",
    "sign.account": "Name of the account",
    "sign.password": "Password of {name}, typed again to sign",
    "sign.second": "Second person",
    "sign.second_help": "Signs here with name and password, or later in their own session. Until "
    "then nothing is recorded as decided.",
    "sign.line": "{name}: {meaning}",
    "sign.about": "Signed by one person; a second person reads it and signs, or does not.",
    "sign.none": "Nothing waits for a signature.",
    "sign.go": "Read and sign",
    "sign.sign": "Sign",
    "sign.waits": "Waits for the second signature",
    "sign.whole": "Two people have signed.",
    "sign.unsigned": "Recorded without signatures.",
    "sign.digest": "Check word of what is signed:",
    "sign.disposition": "What becomes of the blood, alarm {n}",
    "meaning.decided": "I have judged this and decide it",
    "meaning.agreed": "I have checked this and agree",
    "problem.not-signed": "To sign, type the password.",
    "problem.wrong-password": "Name or password is wrong: nothing was signed. Go back and type it again.",
    "problem.wait-first": "Too many wrong passwords: wait before you try again.",
    "problem.may-not-sign": "That account may not sign this.",
    "problem.unknown-paper": "There is nothing of that name to sign.",
    "problem.signed-otherwise": "It cannot be signed so: the second person is somebody else, and "
    "each place is signed once.",
    "problem.no-longer-wanted": "That is no longer to be decided: look at its page.",
    "nav.more": "More",
    "more.daily": "Every day",
    "more.system": "The system",
    "more.wall": "The wall",
}
