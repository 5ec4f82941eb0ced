# SPDX-License-Identifier: Apache-2.0
"""Every message in every language, at its longest, is one segment and keeps its meaning."""

import string
from dataclasses import replace
from io import StringIO
from itertools import product

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from smspdudecoder.fields import SMSSubmit

from alerts.answers.parse import Verb, parse
from alerts.notifiers.gsm7 import fit_gsm7, is_gsm7
from alerts.notifiers.pdu import Coding, segments, submit
from alerts.words import GSM_LANGUAGES, LANGUAGES, LOCALE, catalogue, compose, say
from alerts.words.templates import TEMPLATES
from alerts.words.texts import (
    CardLine,
    Facts,
    answer,
    digest,
    lapsed,
    raised,
    released,
    rescue,
    rest,
    returned,
)

CATALOGUES = sorted(LOCALE.glob("*/LC_MESSAGES/alerts.po"))
LONG = "kaysone-outthoumphone-district-hospital-fridge03"
LONGEST = {
    "appliance": LONG, "place": LONG, "target": LONG, "refuge": LONG, "person": LONG, "kind": "cumulative",
    "state": "ALARM 99999", "value": "-127.99C", "limit": "-127.99C", "peak": "-127.99C", "span": "46 h 59",
    "clock": "23:59", "left": "46 h 59", "count": 99_999, "number": 99_999, "code": "999999",
    "list": f"{LONG}, {LONG}",
    "bound": "-127.99C", "allowed": "46 h 59", "low": "-127.99C", "high": "-127.99C",
    "link": "readings wait at gateway",
}  # fmt: skip
assert len(LONG) == 48


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_there_is_a_catalogue_for_every_language_but_english() -> None:
    assert {path.parts[-3] for path in CATALOGUES} == set(LANGUAGES) - {"en"}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_a_catalogue_is_whole_compiled_and_says_who_has_read_it(path) -> None:
    with path.open("rb") as file:
        messages = read_po(file)
    told = {m.context: m for m in messages if m.id}
    assert told.keys() == TEMPLATES.keys()
    for key, english in TEMPLATES.items():
        translated = str(told[key].string)
        assert told[key].id == english
        assert fields_of(translated) <= fields_of(english), key
        assert {"code", "value", "clock"} & fields_of(english) <= fields_of(translated) | {"clock"}, key
        spoken = catalogue(path.parts[-3]).pgettext(key, english)
        assert spoken == translated, "compile it: pybabel compile -D alerts"
    assert '"X-Read-By-Native-Speaker: no\\n"' in path.read_text("utf-8")
    assert "NOT YET READ BY A NATIVE SPEAKER" in path.read_text("utf-8")


@pytest.mark.parametrize(("language", "key"), list(product(LANGUAGES, TEMPLATES)))
def test_every_sentence_at_its_longest_is_one_segment(language: str, key: str) -> None:
    text = compose(language, (key,), LONGEST | {"list": "+99999"})
    cost = segments(text)
    assert cost.parts == 1, (len(text), text)
    assert (cost.coding is Coding.GSM7) == (language in GSM_LANGUAGES) or cost.coding is Coding.GSM7
    for name in {"code", "value", "number"} & fields_of(
        say(language, key, {n: "{" + n + "}" for n in LONGEST})
    ):
        assert str(LONGEST[name]) in text


KINDS = [
    "high", "low", "sensor_fault", "rate", "forecast", "cumulative", "agitator", "silence", "power", "loss",
    "exposure", "rota_gap", "chain", "something-new",
]  # fmt: skip
FACTS = st.builds(
    Facts,
    number=st.integers(1, 99_999),
    scope=st.sampled_from(["appliance", "gateway"]),
    appliance=st.sampled_from([LONG, "vte-br-03", "a" * 48]),
    name=st.text(max_size=80)
    | st.sampled_from(["Blood fridge 3", "ຕູ້ເຢັນເລືອດ", "Réfrigérateur d’étage", "x" * 90, ""]),
    place=st.text(max_size=80) | st.sampled_from(["Vientiane", "ນະຄອນຫຼວງ", "Hôpital de l’Amitié " * 4, ""]),
    zone=st.just("Asia/Vientiane"),
    kind=st.sampled_from(KINDS),
    severity=st.sampled_from(["critical", "warning"]),
    bound=st.none() | st.integers(-127_999, 127_999),
    target=st.sampled_from([LONG, "vte-br-02", ""]),
    out_ms=st.none() | st.integers(0, 10**9),
    allowed_ms=st.none() | st.integers(0, 10**9),
    since_ms=st.integers(0, 10**12),
    at_ms=st.integers(10**12, 10**12 + 10**9),
    value=st.none() | st.integers(-127_999, 127_999),
    limit=st.none() | st.integers(-127_999, 127_999),
    peak=st.none() | st.integers(-127_999, 127_999),
    appliances=st.integers(0, 100_000),
    left_ms=st.none() | st.integers(0, 10**9),
    site=st.just("vte"),
    link=st.sampled_from([key.removeprefix("link_") for key in TEMPLATES if key.startswith("link_")]),
)


@given(facts=FACTS, language=st.sampled_from(LANGUAGES), code=st.integers(100_000, 999_999).map(str))
def test_every_message_is_one_segment_and_its_reply_is_understood(facts, language, code) -> None:
    for text in (raised(facts, language, code), lapsed(facts, facts.since_ms, language, code)):
        assert segments(fit_gsm7(text)).parts == 1, text
        reply = text[text.rindex("OK ") :]
        assert (parse(reply).verb, parse(reply).code) == (Verb.ACKNOWLEDGE, code)
        assert language not in GSM_LANGUAGES or is_gsm7(text), text
        assert "°" not in text
    for text in (returned(facts, language), released(facts, language)):
        assert segments(fit_gsm7(text)).parts == 1, text
        assert str(facts.number) in text


@given(
    appliances=st.lists(
        st.sampled_from([LONG, "vte-br-01", "vte-br-02", "a" * 48]), min_size=1, max_size=200
    ),
    place=st.sampled_from(["Vientiane", "ນະຄອນຫຼວງ", "Hôpital de l’Amitié " * 4]),
    language=st.sampled_from(LANGUAGES),
    over=st.booleans(),
)
def test_a_digest_is_one_segment_and_counts_what_it_does_not_name(appliances, place, language, over) -> None:
    code = "" if over else "483126"
    text = digest(place, "vte", appliances, len(appliances), language=language, code=code, over=over)
    assert segments(fit_gsm7(text)).parts == 1, text
    assert str(len(appliances)) in text
    assert over or parse(text[text.rindex("ALL ") :]).code == "483126"
    named = len(set(appliances))
    shown = sum(one in text for one in set(appliances))
    assert shown == named or f"+{named - shown}" in text, text


LIST_WORDS = {"lo": "LIST", "en": "LIST", "fr": "LISTE", "vi": "LIST"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_rescue_card_is_one_segment_and_its_list_can_be_asked_for(language: str) -> None:
    site = Facts(7, "site", "vte", "", LONG, "UTC", "power", 0, 10**9, appliances=200, site="vte")
    for refuge in (LONG, ""):
        listed = [CardLine(LONG, 46 * 60 + 59, refuge)] * 200
        text = rescue(site, listed, language, "483126")
        assert segments(fit_gsm7(text)).parts == 1, text
        assert "200" in text
        assert "46 h 59" in text
        assert LIST_WORDS[language] in text
        assert parse(f"{LIST_WORDS[language]} 483126").verb is Verb.LIST
        assert (refuge == "") == (".." not in text.partition("46 h 59")[2].partition("483126")[0])
        more = rest(site, listed, language)
        assert segments(fit_gsm7(more)).parts == 1, more
        assert "+1" in more or "+200" in more, more


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["high", "low", "rate", "forecast"])
@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_the_time_left_is_in_the_message(language: str, kind: str, severity: str) -> None:
    """With names as long as hospitals' are: rather a shortened name than no time."""
    facts = Facts(
        99_999, "appliance", "phonsavan-district-br-03", "Blood fridge", "Phonsavan", "UTC", kind, 0,
        720_000, -25_000, -25_500, left_ms=2_400_000, severity=severity,
    )  # fmt: skip
    text = raised(facts, language, "483126")
    assert "40 min" in text, text
    assert "-25.0C" in text
    assert segments(fit_gsm7(text)).parts == 1, text
    over = returned(replace(facts, peak=-25_000, bound=-20_000 if kind != "low" else -30_000), language)
    assert "40 min" in over, over


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_decoder_that_is_not_ours_reads_the_same(language: str) -> None:
    facts = Facts(
        7, "appliance", "vte-br-03", "", "", "UTC", "high", 0, 720_000, 7200, 6000, left_ms=2_400_000
    )
    text = raised(facts, language, "483126")
    (part,) = submit("+8562055512345", text, reference=1)
    read = SMSSubmit.decode(StringIO(part.line.decode()))
    assert read["user_data"]["data"].rstrip("@") == text


def test_a_person_whose_name_needs_other_letters_is_named_by_id_in_english() -> None:
    text = answer("en", "already", appliance="vte-br-03", person="ສົມສັກ", person_id="somsak", clock="03:12")
    assert text == "vte-br-03 was taken by somsak at 03:12."


def test_the_numbers_are_what_they_are() -> None:
    """A planted fault: a catalogue that forgets the value is found."""
    with pytest.raises(KeyError):
        say("en", "high", {"appliance": "x"})
