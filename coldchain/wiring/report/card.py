# SPDX-License-Identifier: Apache-2.0
"""The on-call card: what to answer to a message, on one page, to be hung beside the telephone.

The example is made by the words that make the messages themselves.
"""

from __future__ import annotations

from alerts.words.texts import Facts, raised
from dashboards.reports.document import Document, Heading, Note, Table
from dashboards.reports.words import Words

MADE_MS = 1_767_225_600_000
"""2026-01-01: a card speaks of no day, and the same words give the same bytes."""
CODE = "483126"
EXAMPLE = Facts(
    7, "appliance", "vte-br-03", "", "", "Asia/Vientiane", "high", MADE_MS, MADE_MS + 720_000,
    value=7200, limit=6000, left_ms=2_400_000,
)  # fmt: skip

ANSWERS = (
    (f"OK {CODE}", "I have seen it and take care of it."),
    (f"OK {CODE} DOOR", "The door was open and is shut now."),
    (f"OK {CODE} POWER", "The power is being brought back."),
    (f"OK {CODE} COMING", "I am on my way."),
    (f"OK {CODE} WORK", "Somebody works on it now."),
    (f"MOVED {CODE} 2", "The blood is in appliance 2 now. Its time outside counts on there."),
    (f"PASS {CODE}", "I cannot. Call the next person."),
    (f"INFO {CODE}", "Tell me more."),
    (f"LIST {CODE}", "After a power cut: the other appliances, and where their blood can go."),
    (f"ALL {CODE}", "All alarms that you sent to me are mine."),
    (f"OK {CODE} KS", "On a shared telephone: with your initials, or your PIN."),
    ("vte-br-03?", "How is this appliance now?"),
    ("vte-br-03 4.2", "Its own thermometer shows this. Send it while the probe is dead."),
)
"""What is written, and what it means. Every code in a message is another one: write that of your message."""

FIRST = (
    "1. Is the door shut? Is there power? Is the plug in?",
    "2. Do not open it to look: each opening costs minutes.",
    (
        "3. If it goes on warming, move the blood to where the message says, "
        "or to another appliance for the same component."
    ),
    (
        "4. Nothing is thrown away on the telephone. "
        "Set blood that was outside apart, and let two people decide."
    ),
)
AFTER = (
    "Nobody answers: the next person is called, and again all of them, until somebody has answered.",
    (
        "You have answered and the temperature does not turn: you are called again. "
        "At the latest after 30 minutes."
    ),
    (
        "Ring the number and hang up: it means “seen”. "
        "The next person is called ten minutes later, once. It is free, and it is no answer."
    ),
    "No network: go by the alarm of the appliance itself and its thermometer, and write down what you read.",
)


def on_call_card(language: str) -> Document:
    """One page in one language. Not read by a native speaker yet, except English: the card says so."""
    words = Words(language, EXAMPLE.zone)
    footer = words.say("Coldchain · on-call card")
    if language != "en":
        footer += " · " + words.say("not yet read by a native speaker")
    return Document(
        language,
        words.say("On-call card"),
        words.say("What to do when the telephone rings"),
        (
            Heading(words.say("The message")),
            Note(raised(EXAMPLE, language, CODE), strong=True),
            Note(
                words.say("Which appliance, how warm, how long, how long still, and the code of this alarm.")
            ),
            Heading(words.say("First")),
            *(Note(words.say(line)) for line in FIRST),
            Heading(words.say("Then answer")),
            Table(
                (words.say("You write"), words.say("It means")),
                tuple((text, words.say(meaning)) for text, meaning in ANSWERS),
            ),
            Heading(words.say("After that")),
            *(Note(words.say(line)) for line in AFTER),
        ),
        footer,
        MADE_MS,
    )
