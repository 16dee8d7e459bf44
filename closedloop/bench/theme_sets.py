"""Texts whose intents are known, to find themes in: public sets, uneven samples, a made-up set."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LANGUAGES = ("en", "id", "lt", "zh")
MOST_INTENTS = 40
TEXTS_SAMPLED = 1_000
SHARE_SAMPLED = 0.8
SPREAD = 0.8
FEWEST_OF_AN_INTENT = 5


@dataclass(frozen=True)
class LabelledSet:
    """Texts with the intent a person gave each."""

    name: str
    texts: list[str]
    intents: list[str]

    def take(self, rows: list[int], name: str) -> LabelledSet:
        """Keep some of the texts, under another name."""
        return LabelledSet(name, [self.texts[i] for i in rows], [self.intents[i] for i in rows])


def read_clinc(data: Path) -> LabelledSet:
    """Return 22,500 requests to assistants with 150 intents, without those of none."""
    parts = json.loads((data / "clinc150/data_full.json").read_text(encoding="utf-8"))
    names = [name for name in parts if not name.startswith("oos")]
    rows = [row for name in names for row in parts[name]]
    return LabelledSet("clinc150", [text for text, _ in rows], [intent for _, intent in rows])


def read_banking(data: Path) -> LabelledSet:
    """Return 10,003 questions to a bank with 77 intents."""
    with (data / "banking77_train/train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return LabelledSet(
        "banking77_train", [row["text"] for row in rows], [row["category"] for row in rows]
    )


def read_insurance(data: Path) -> LabelledSet:
    """Return 1,205 turns of calls to an insurer with 22 intents."""
    path = data / "dstc11_development/task1_turns_with_reference_and_baseline.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return LabelledSet(
        "dstc11_development",
        [row["utterance"] for row in rows],
        [row["reference_label"] for row in rows],
    )


def read_assistant(data: Path, languages: tuple[str, ...] = LANGUAGES) -> LabelledSet:
    """Return 300 requests in each language with 15 intents, the same in all of them."""
    texts: list[str] = []
    intents: list[str] = []
    for language in languages:
        path = data / f"xsid_valid/{language}.valid.conll"
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("# text = "):
                texts.append(line.removeprefix("# text = "))
            elif line.startswith("# intent = "):
                intents.append(line.removeprefix("# intent = "))
    name = "xsid_valid en" if languages == ("en",) else "xsid_valid all"
    return LabelledSet(name, texts, intents)


def _read_english(data: Path) -> LabelledSet:
    return read_assistant(data, ("en",))


READERS: tuple[tuple[str, Callable[[Path], LabelledSet]], ...] = (
    ("dstc11_development", read_insurance),
    ("banking77_train", read_banking),
    ("clinc150", read_clinc),
    ("xsid_valid", _read_english),
    ("xsid_valid", read_assistant),
)
"""The folder each set lives in, and what reads it."""


def read_sets(data: Path) -> tuple[list[LabelledSet], list[str]]:
    """Read the public sets that are there.

    Returns
    -------
    sets : list of LabelledSet
    missing : list of str
        A sentence for each set that is not there.
    """
    found: list[LabelledSet] = []
    missing: list[str] = []
    for folder, read in READERS:
        if (data / folder).is_dir():
            found.append(read(data))
        elif (said := f"{folder} was not measured: it is not in the folder given.") not in missing:
            missing.append(said)
    return found, missing


def uneven_sample(whole: LabelledSet, n: int = TEXTS_SAMPLED, *, seed: int) -> LabelledSet:
    """Draw texts so that some intents are much larger than others, as in life.

    Parameters
    ----------
    whole : LabelledSet
    n : int
        Texts wanted, of at most 40 intents; at most 80 % of a smaller set.
    seed : int

    Returns
    -------
    LabelledSet
        Sizes follow log-normal weights (sigma 0.8), at least 5 texts of each intent, as far as
        there are so many; in random order.
    """
    generator = np.random.default_rng(seed)
    n = min(n, int(SHARE_SAMPLED * len(whole.texts)))
    there = Counter(whole.intents)
    names = sorted(name for name in there if there[name] >= FEWEST_OF_AN_INTENT)
    chosen = generator.permutation(names)[:MOST_INTENTS].tolist()
    weights = generator.lognormal(0.0, SPREAD, len(chosen))
    sizes = np.maximum(FEWEST_OF_AN_INTENT, np.round(n * weights / weights.sum())).astype(int)
    rows: list[int] = []
    for name, size in zip(chosen, sizes.tolist(), strict=True):
        members = np.flatnonzero(np.array(whole.intents) == name)
        rows += generator.permutation(members)[:size].tolist()
    kept = generator.permutation(rows)[:n].tolist()
    return whole.take(kept, f"{whole.name}, {len(kept):,} uneven")


_INTENTS: dict[str, tuple[str, ...]] = {
    "refund_missing": ("refund has not arrived", "still waiting for my money back", "no refund"),
    "parcel_lost": ("parcel never came", "my package is lost", "delivery did not turn up"),
    "card_broken": ("bank card is broken", "card is snapped", "my debit card is damaged"),
    "password_reset": ("forgot my password", "reset the password", "new password for login"),
    "invoice_wrong": ("invoice is wrong", "a mistake in the invoice", "the bill is too high"),
    "cancel_contract": ("cancel my contract", "end the contract", "stop the subscription"),
    "change_address": ("moved to a new address", "change my address", "update the address"),
    "roaming_abroad": ("roaming charges abroad", "phone use in another country", "roaming cost"),
    "internet_down": ("internet is down", "the broadband does not work", "router has no signal"),
    "book_appointment": ("book an appointment", "need an engineer visit", "when does he visit"),
    "exchange_size": ("shoes are too small", "exchange for another size", "wrong size of shirt"),
    "voucher_rejected": ("voucher code was rejected", "discount code fails", "voucher expired"),
    "app_crash": ("the app crashes", "app closes when it opens", "app freezes on my phone"),
    "flight_delay": ("flight was delayed", "compensation for a late flight", "missed my flight"),
    "seat_upgrade": ("upgrade my seat", "a seat with more legroom", "window seat please"),
    "insurance_claim": ("report an accident claim", "file a claim for my car", "car was hit"),
    "loan_rate": ("interest rate of the loan", "loan is too expensive", "repay the loan early"),
    "stock_question": ("when is it back in stock", "item sold out", "are there any in stock"),
    "menu_allergy": ("allergic to nuts", "is there gluten in the pizza", "allergy and the menu"),
    "meter_reading": ("send the meter reading", "electricity meter shows", "read the gas meter"),
}
_OPENERS = ("", "hello,", "hi there,", "can you help,", "good morning,")
_CLOSERS = ("", "please", "what now?", "thanks", "any news?", "since last week", "today")


def made_up_set(n: int, *, seed: int) -> LabelledSet:
    """Return n short contacts with 20 intents, uneven in size.

    It shows that the measuring works, not how good the themes are.
    """
    generator = np.random.default_rng(seed)
    names = list(_INTENTS)
    weights = generator.lognormal(0.0, 0.5, len(names))
    texts: list[str] = []
    intents: list[str] = []
    for place in generator.choice(len(names), n, p=weights / weights.sum()).tolist():
        said = str(generator.choice(_INTENTS[names[place]]))
        order = f"for order {generator.integers(100, 999)}" if generator.random() < 0.4 else ""
        parts = (str(generator.choice(_OPENERS)), said, order, str(generator.choice(_CLOSERS)))
        texts.append(" ".join(part for part in parts if part))
        intents.append(names[place])
    return LabelledSet("made-up contacts", texts, intents)
