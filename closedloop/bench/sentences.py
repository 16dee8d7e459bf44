"""Measure what of a conversation should be embedded, where people labelled what it is about.

The turns of multidogo carry intents, most of them chatter: greetings, account numbers, thanks. A
way to choose is good if conversations whose chosen texts are near each other are about the same:
by the vote of the ten nearest (leave one out), and by themes found at fixed settings. Half of the
domains choose the best way; the other half must confirm it, or nothing is said to be better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from closedloop.bench.sentence_sets import CHOICES, Conversation, draw, read_domains
from closedloop.bench.theme_scores import score_labels
from ml.text.embed import Encoder, load_encoder
from ml.themes import discover_themes

SEED = 20260401
PER_DOMAIN = {False: 300, True: 100}
N_NEIGHBOURS = 10
# Domains have two to ten intents; the same for every way to choose.
RESOLUTION = 1.0
OURS = "ours"
CLEARLY = 2.0
"""Standard errors by which another way must be better by neighbours, and by themes at all."""

Report = dict[str, Any]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Measured:
    """One way to choose in one domain."""

    right: NDArray[np.bool_]  # (n,) whether the neighbours of each conversation know its intent
    ami: float
    words: float


def run(
    *,
    data: Path,
    small: bool = False,
    encoder: Encoder | None = None,
    tell: Callable[[str], None] = print,
) -> Report:
    """Measure every way to choose in every domain.

    Parameters
    ----------
    data : Path
        Directory with the folder multidogo.
    small : bool
        100 conversations a domain instead of 300.
    encoder : Encoder, optional
        The default one if left out.
    tell : function of str
        Hears what is being measured.

    Returns
    -------
    dict
        ``domains`` (name to conversations, intents, the half it belongs to and ``rows`` by way to
        choose), ``halves`` (means by half), ``verdict`` (what won where, and whether it was
        confirmed).

    Raises
    ------
    FileNotFoundError
        If the folder holds no multidogo.
    """
    encoder = encoder or load_encoder()
    measured: dict[str, dict[str, _Measured]] = {}
    report: Report = {"seed": SEED, "encoder": encoder.name, "domains": {}}
    for place, (name, whole) in enumerate(read_domains(data).items()):
        sample = draw(whole, PER_DOMAIN[small], seed=SEED)
        tell(f"{name}: {len(sample):,} conversations")
        measured[name] = _measure_domain(sample, encoder)
        report["domains"][name] = {
            "conversations": len(sample),
            "intents": len({intent for one in sample for intent in one.intents}),
            "half": "confirms" if place % 2 else "chooses",
            "rows": [{"choice": way, **_row(one)} for way, one in measured[name].items()],
        }
    report["halves"] = {half: _means(report["domains"], half) for half in ("chooses", "confirms")}
    report["verdict"] = _verdict(report, measured)
    return report


def _measure_domain(sample: Sequence[Conversation], encoder: Encoder) -> dict[str, _Measured]:
    chosen = {way: [choose(one.turns) for one in sample] for way, choose in CHOICES.items()}
    # in one go, so that a text that several ways choose is encoded once
    vectors = encoder.encode([text for texts in chosen.values() for text in texts])
    n = len(sample)
    return {
        way: _measure(sample, texts, vectors[place * n : (place + 1) * n])
        for place, (way, texts) in enumerate(chosen.items())
    }


def _measure(sample: Sequence[Conversation], texts: list[str], vectors: Floats) -> _Measured:
    found = discover_themes(texts, embeddings=vectors, seed=0, resolution=RESOLUTION)
    scores = score_labels([one.intents[0] for one in sample], found.labels)
    return _Measured(
        neighbours_agree(vectors, [one.intents for one in sample]),
        scores["ami"],
        float(np.mean([len(text.split()) for text in texts])),
    )


def neighbours_agree(
    vectors: Floats, intents: Sequence[Sequence[str]], k: int = N_NEIGHBOURS
) -> NDArray[np.bool_]:
    """Return whether the intent that most of the k nearest others have is one's own.

    Parameters
    ----------
    vectors : float32 (n, dimensions)
        Rows of length 1.
    intents : sequence of sequences of str, length n
        An item may have several; it is right if the favourite is one of them. Of equals the
        one whose holders are nearer counts.
    k : int

    Returns
    -------
    bool (n,)
    """
    names = sorted({name for own in intents for name in own})
    holds = np.array([[name in own for name in names] for own in intents], np.float64)
    near = (vectors @ vectors.T).astype(np.float64)
    np.fill_diagonal(near, -np.inf)
    nearest = np.argsort(-near, axis=1, kind="stable")[:, :k]
    nearer = 1 + 1e-3 * np.take_along_axis(near, nearest, axis=1)
    votes = np.einsum("nk,nkm->nm", nearer, holds[nearest])
    return np.asarray(holds[np.arange(len(holds)), votes.argmax(axis=1)] > 0)


def _row(one: _Measured) -> Report:
    return {"neighbours": float(one.right.mean()), "ami": one.ami, "words": one.words}


def _means(domains: Report, half: str) -> list[Report]:
    """Return the mean over the domains of a half by way to choose, the best first."""
    tables = [found["rows"] for found in domains.values() if found["half"] == half]
    rows = []
    for same in zip(*tables, strict=True):
        row = {
            key: float(np.mean([one[key] for one in same]))
            for key in ("neighbours", "ami", "words")
        }
        both = (row["neighbours"] + row["ami"]) / 2
        rows.append({"choice": same[0]["choice"], **row, "both": both})
    return sorted(rows, key=lambda row: -row["both"])


def _verdict(report: Report, measured: dict[str, dict[str, _Measured]]) -> Report:
    """Say which way is best where it is chosen, and whether both measures say so, there and not."""
    choosing = report["halves"]["chooses"]
    best = choosing[0]["choice"] if choosing else OURS
    found: Report = {"best": best, "is_clear": False, "is_confirmed": False}
    for half, rows in report["halves"].items():
        names = [name for name, one in report["domains"].items() if one["half"] == half]
        amis = {row["choice"]: row["ami"] for row in rows}
        found[half] = {
            "ami": amis[best] - amis[OURS] if rows else 0.0,
            **_gain_of_neighbours([measured[name] for name in names], best),
        }
    if best != OURS:
        here, there = found["chooses"], found["confirms"]
        is_more = here["neighbours"] > CLEARLY * here["standard_error"]
        found["is_clear"] = is_more and here["ami"] > 0
        found["is_confirmed"] = found["is_clear"] and there["neighbours"] > 0 and there["ami"] > 0
    return found


def _gain_of_neighbours(domains: Sequence[dict[str, _Measured]], way: str) -> Report:
    """Return how many more are right than with ours, as a share, with its standard error."""
    if not domains:
        return {"neighbours": 0.0, "standard_error": 0.0}
    pairs = [one[way].right.astype(float) - one[OURS].right for one in domains]
    gain = np.concatenate(pairs)
    return {
        "neighbours": float(gain.mean()),
        "standard_error": float(gain.std(ddof=1) / math.sqrt(len(gain))),
    }


def as_table(report: Report) -> str:
    """Return the report as lines of text for people."""
    lines: list[str] = []
    for half, said in (("chooses", "that choose"), ("confirms", "that confirm")):
        names = [name for name, one in report["domains"].items() if one["half"] == half]
        lines.append(f"Mean of the domains {said} ({', '.join(names)})")
        lines += [*_lines(report["halves"][half]), ""]
    for name, found in report["domains"].items():
        lines.append(
            f"{name}: {found['conversations']:,} conversations, {found['intents']} intents, "
            f"{found['half']}"
        )
        lines += [*_lines(found["rows"]), ""]
    return "\n".join([*lines, _in_words(report["verdict"])])


def _lines(rows: Sequence[Report]) -> list[str]:
    head = f"  {'':<30}{'neighbours':>12}{'AMI':>8}{'words':>8}"
    return [
        head,
        *(
            f"  {row['choice']:<30}{row['neighbours']:>12.3f}{row['ami']:>8.3f}{row['words']:>8.1f}"
            for row in rows
        ),
    ]


def _in_words(verdict: Report) -> str:
    if verdict["best"] == OURS:
        return "Ours is best on the domains that choose."
    here, there = verdict["chooses"], verdict["confirms"]
    said = "confirmed by the others" if verdict["is_confirmed"] else "not confirmed by the others"
    clear = f"clearly better than ours, {said}" if verdict["is_clear"] else "not clearly better"
    return (
        f"{verdict['best']}, beside ours: neighbours {here['neighbours']:+.3f} (standard error "
        f"{here['standard_error']:.3f}) and AMI {here['ami']:+.3f} on the domains that choose, "
        f"{there['neighbours']:+.3f} and {there['ami']:+.3f} on the others: {clear}."
    )
