"""Set a customer's sentence in a conversation, and load the sentences.

The sentence stands alone in a turn of its own, word for word as published. All other turns come
from `phrases`. The same facts always give the same turns.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from closedloop.demo import phrases
from closedloop.demo.intents import INTENTS

TEXTS = Path(__file__).parent / "data" / "banking77.jsonl.gz"
PRIVATE_KINDS = tuple(phrases.PRIVATE_CHECKS)

Turn = dict[str, str]
T = TypeVar("T")


@cache
def load_sentences() -> tuple[tuple[str, ...], ...]:
    """Return the vendored sentences of each intent, in the order of `INTENTS`."""
    by_intent: dict[str, list[str]] = {intent.key: [] for intent in INTENTS}
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            by_intent[row["intent"]].append(row["text"])
    return tuple(tuple(texts) for texts in by_intent.values())


class Picker:
    """A small stream of choices from one seed; alike on every machine and version."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, n: int) -> int:
        """Return an integer from 0 to `n` - 1."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % n

    def one_of(self, options: tuple[T, ...]) -> T:
        """Return one of the options."""
        return options[self.below(len(options))]

    def chance(self, percent: int) -> bool:
        """Return true in about `percent` of 100 cases."""
        return self.below(100) < percent

    def digits(self, n: int) -> str:
        """Return `n` digits."""
        return "".join(str(self.below(10)) for _ in range(n))


@dataclass(frozen=True)
class Facts:
    """What the turns of one contact depend on.

    Attributes
    ----------
    ordinal : int
        0 for the first contact about a problem, then 1, 2, ...
    days_since, channel_before : int, str
        Of the contact before about the same problem; 0 and "" if there is none.
    private : str
        Kind of personal data the customer gives, one of `PRIVATE_KINDS`, or "".
    hour : int
        Local hour, 0..23.
    """

    seed: int
    channel: str
    family: str
    sentence: str
    agent: str
    hour: int
    is_known: bool
    ordinal: int
    days_since: int
    channel_before: str
    private: str


def render_turns(facts: Facts) -> list[Turn]:
    """Return the turns of one contact in order, each with `speaker` and `text`."""
    pick = Picker(facts.seed)
    script = _letter if facts.channel == "message" else _conversation
    names = {"agent": facts.agent, "daypart": _daypart(facts.hour)}
    return [
        {"speaker": speaker, "text": text if text is facts.sentence else _fill(text, names)}
        for speaker, text in script(facts, pick)
    ]


def _fill(text: str, names: dict[str, str]) -> str:
    return text.format_map(names) if "{" in text else text


def _daypart(hour: int) -> str:
    return "morning" if hour < 12 else "afternoon" if hour < 17 else "evening"


def _conversation(facts: Facts, pick: Picker) -> list[tuple[str, str]]:
    """Return (speaker, text) of a call or a chat."""
    on_phone = facts.channel == "phone"
    script = []
    if not on_phone and pick.chance(35):
        script.append(("customer", pick.one_of(phrases.CUSTOMER_HELLOS["chat"])))
    greetings = phrases.PHONE_GREETINGS if on_phone else phrases.CHAT_GREETINGS
    script.append(("agent", pick.one_of(greetings)))
    if on_phone and pick.chance(30):
        script.append(("customer", pick.one_of(phrases.CUSTOMER_HELLOS["phone"])))
    script += _lead(facts, pick)
    script.append(("customer", facts.sentence))
    script += _check(facts, pick)
    script.append(("agent", _answer(facts, pick)))
    script.append(("customer", _reaction(facts, pick)))
    if len(script) < 8 and pick.chance(40):
        script.append(("agent", pick.one_of(phrases.ELSE)))
        script.append(("customer", pick.one_of(phrases.NOTHING_ELSE)))
    if len(script) < 9 and (len(script) < 5 or pick.chance(70)):
        script.append(("agent", pick.one_of(phrases.FAREWELLS)))
    return script


def _letter(facts: Facts, pick: Picker) -> list[tuple[str, str]]:
    """Return (speaker, text) of an exchange of secure messages."""
    script = [("customer", pick.one_of(phrases.CUSTOMER_HELLOS["message"]))]
    script += _lead(facts, pick)
    script.append(("customer", facts.sentence))
    if facts.private:
        script += _check(facts, pick)
    opening = pick.one_of(phrases.LETTER_OPENINGS)
    script.append(("agent", opening.replace("{answer}", _answer(facts, pick))))
    script.append(("agent", pick.one_of(phrases.LETTER_CLOSINGS)))
    if pick.chance(40):
        script.append(("customer", pick.one_of(phrases.LETTER_THANKS)))
    return script


def _lead(facts: Facts, pick: Picker) -> list[tuple[str, str]]:
    """Return the turn in which a customer says that they have asked before, if they say it."""
    if facts.ordinal == 0 or not pick.chance(60):
        return []
    if facts.ordinal >= 2 and pick.chance(50):
        text = pick.one_of(phrases.AGAIN_OFTEN).format(
            times=phrases.TIMES[facts.ordinal + 1],
            times_before=phrases.TIMES_BEFORE[facts.ordinal],
            number=facts.ordinal + 1,
        )
    else:
        text = pick.one_of(phrases.AGAIN).format(
            verb=phrases.VERBS[facts.channel_before], when=_when(facts.days_since)
        )
    return [("customer", text)]


def _when(days: int) -> str:
    if days <= 1:
        return "yesterday"
    if days <= 5:
        return "a few days ago"
    return "last week" if days <= 9 else "about two weeks ago" if days <= 16 else "weeks ago"


def _check(facts: Facts, pick: Picker) -> list[tuple[str, str]]:
    """Return the identity check: question and answer; none for somebody we cannot place."""
    if facts.private:
        question = pick.one_of(phrases.PRIVATE_CHECKS[facts.private])
        answer = pick.one_of(phrases.PRIVATE_ANSWERS[facts.private])
        value = private_value(facts.private, pick)
        return [("agent", question), ("customer", answer.replace("{value}", value))]
    if not facts.is_known:
        return []
    question, answers = pick.one_of(phrases.CHECKS)
    return [("agent", question), ("customer", pick.one_of(answers))]


def _answer(facts: Facts, pick: Picker) -> str:
    frames = phrases.APOLOGIES_AGAIN if facts.ordinal and pick.chance(60) else phrases.APOLOGIES
    return pick.one_of(frames).replace("{answer}", pick.one_of(phrases.ANSWERS[facts.family]))


def _reaction(facts: Facts, pick: Picker) -> str:
    grumbles = facts.ordinal > 0 and pick.chance(50)
    return pick.one_of(phrases.GRUMBLES if grumbles else phrases.ACKNOWLEDGEMENTS)


def private_value(kind: str, pick: Picker) -> str:
    """Return an invented e-mail address, phone, card, IBAN or account number.

    Addresses end in a domain reserved for examples, phone numbers lie in the ranges kept free
    for drama, cards begin with 4000 00 as test cards do, and IBANs and accounts have a made-up
    bank code and sort codes that begin with 00-00. Check digits are right, as in real ones.
    """
    makers = {
        "e-mail": _mail,
        "phone": _phone,
        "card": _card,
        "iban": _iban,
        "account": _account,
    }
    return makers[kind](pick)


def _mail(pick: Picker) -> str:
    first, last = pick.one_of(phrases.FIRST_NAMES), pick.one_of(phrases.LAST_NAMES)
    return f"{first}.{last}{pick.below(90) + 10}@{pick.one_of(phrases.MAIL_HOSTS)}"


def _phone(pick: Picker) -> str:
    tail = pick.digits(3)
    return pick.one_of(
        (f"07700 900{tail}", f"07700900{tail}", f"+44 7700 900{tail}", f"020 7946 0{tail}")
    )


def _card(pick: Picker) -> str:
    body = "400000" + pick.digits(9)
    number = body + _luhn_digit(body)
    spaced = " ".join(number[i : i + 4] for i in range(0, 16, 4))
    return pick.one_of((spaced, spaced.replace(" ", "-"), number))


def _luhn_digit(body: str) -> str:
    """Return the digit that makes the number pass the Luhn check."""
    doubled = [int(d) * 2 if i % 2 == 0 else int(d) for i, d in enumerate(reversed(body))]
    return str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def _iban(pick: Picker) -> str:
    bban = "NBNK0000" + pick.digits(10)
    number = int("".join(str(int(c, 36)) for c in f"{bban}GB00"))
    iban = f"GB{98 - number % 97:02d}{bban}"
    spaced = " ".join(iban[i : i + 4] for i in range(0, len(iban), 4))
    return pick.one_of((spaced, iban))


def _account(pick: Picker) -> str:
    return f"00-00-{pick.digits(2)}, account {pick.digits(8)}"
