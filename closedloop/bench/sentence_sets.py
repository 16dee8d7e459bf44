"""Conversations whose intents are known, and ways to choose what of them is embedded."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from ml.text.clean import issue_text, normalise

FOLDER = "multidogo"
PARTS = ("train", "dev", "test")
# What a customer says in any conversation, and labels that are slips of the file.
_CHATTER = (
    "contentonly confirmation openinggreeting rejection thankyou outofdomain closinggreeting "
    "providereceipt"
)
_OF_NO_ISSUE = frozenset(_CHATTER.split())
FEWEST_OF_AN_INTENT = 40
SUBSTANTIVE_WORDS = 4

Turns = Sequence[tuple[str, str]]
Choice = Callable[[Turns], str]


@dataclass(frozen=True)
class Conversation:
    """What a customer said, and which issues people found in it.

    Attributes
    ----------
    turns : tuple of (speaker, text)
        The agent's words are not in the file: an empty agent turn stands where there were some.
    intents : tuple of str
        In the order in which they were first stated; never empty.
    stated : tuple of str
        The turns that people labelled with one of them.
    """

    turns: tuple[tuple[str, str], ...]
    intents: tuple[str, ...]
    stated: tuple[str, ...]


def read_domains(data: Path) -> dict[str, list[Conversation]]:
    """Return the conversations of each domain that state an issue.

    Raises
    ------
    FileNotFoundError
        If the folder holds no multidogo.
    """
    root = data / FOLDER
    domains = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if not domains:
        raise FileNotFoundError(
            f"There is no {FOLDER} in {data}. Put its domains there, each a folder with "
            "train.tsv, dev.tsv and test.tsv."
        )
    return {name: read_domain(root / name) for name in domains}


def read_domain(folder: Path) -> list[Conversation]:
    """Return the conversations of one domain with an intent that at least 40 of them have."""
    rows: list[dict[str, str]] = []
    for part in PARTS:
        path = folder / f"{part}.tsv"
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                # a customer's quotation mark is one, and not the beginning of a longer field
                rows += csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    rows = [row for row in rows if row["intent"] and _number(row["turnNumber"]) is not None]
    rows.sort(key=lambda row: (row["conversationId"], _number(row["turnNumber"])))
    found = [
        _conversation(list(said)) for _, said in groupby(rows, lambda row: row["conversationId"])
    ]
    return _with_frequent_intents(found)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None  # a line break inside a turn


def _conversation(rows: list[dict[str, str]]) -> Conversation:
    turns: list[tuple[str, str]] = []
    intents: dict[str, None] = {}
    stated: list[str] = []
    before = -1.0
    for row in rows:
        at = float(row["turnNumber"])
        if at > before + 1 and turns:
            turns.append(("agent", ""))
        turns.append(("customer", row["utterance"]))
        issues = [name for name in row["intent"].split("<div>") if name not in _OF_NO_ISSUE]
        intents.update(dict.fromkeys(issues))
        stated += [row["utterance"]] * bool(issues)
        before = at
    return Conversation(tuple(turns), tuple(intents), tuple(stated))


def _with_frequent_intents(conversations: list[Conversation]) -> list[Conversation]:
    counts: dict[str, int] = {}
    for one in conversations:
        for intent in one.intents:
            counts[intent] = counts.get(intent, 0) + 1
    kept = []
    for one in conversations:
        intents = tuple(name for name in one.intents if counts[name] >= FEWEST_OF_AN_INTENT)
        if intents:
            kept.append(Conversation(one.turns, intents, one.stated))
    return kept


def draw(conversations: list[Conversation], n: int, *, seed: int) -> list[Conversation]:
    """Return at most n of them, drawn without replacement, in a random order."""
    order = np.random.default_rng(seed).permutation(len(conversations))[:n]
    return [conversations[place] for place in order.tolist()]


def _said(turns: Turns) -> list[str]:
    return [text for text in (normalise(text) for who, text in turns if who == "customer") if text]


def _first_words(texts: Sequence[str], n: int) -> str:
    return " ".join(" ".join(texts).split(" ")[:n])


def _substantive(turns: Turns) -> list[str]:
    """Return each turn that says something of its own, without its courtesies."""
    plain = (issue_text([turn]) for turn in turns if turn[0] == "customer")
    return [text for text in plain if len(text.split()) >= SUBSTANTIVE_WORDS]


def _longest(turns: Turns) -> str:
    return max(_said(turns), key=len, default="")


CHOICES: dict[str, Choice] = {
    "ours": issue_text,
    "all customer turns": lambda turns: " ".join(_said(turns)),
    "first customer turn": lambda turns: " ".join(_said(turns)[:1]),
    "first two customer turns": lambda turns: " ".join(_said(turns)[:2]),
    "first 15 words": lambda turns: _first_words(_said(turns), 15),
    "first 30 words": lambda turns: _first_words(_said(turns), 30),
    "longest turn": _longest,
    "first substantive turn": lambda turns: " ".join(_substantive(turns)[:1]),
    "first two substantive turns": lambda turns: " ".join(_substantive(turns)[:2]),
    "substantive turns, 30 words": lambda turns: _first_words(_substantive(turns), 30),
    "substantive turns, 60 words": lambda turns: _first_words(_substantive(turns), 60),
}
"""Name to what it takes from the turns of a conversation; "ours" is what the product embeds."""
