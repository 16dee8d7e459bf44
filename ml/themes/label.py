"""Names for themes: the phrases that set each apart, written as a person would."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.themes.graph import Floats, Ints

LONGEST_PHRASE = 3
N_KEYWORDS = 6
N_EXEMPLARS = 5
# More texts than this per theme change no name and take time.
TEXTS_PER_THEME = 600
# Two exemplars this similar say the same thing.
TOO_SIMILAR = 0.9
LENGTH_BONUS = 0.35


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Left out before phrases are formed: "my card has not arrived" reads "card not arrived".
_DROPPED = _words(
    "a an the this that these those my your our his her their its i you we they he she it me "
    "us him them am is are was were be been being do does did doing done has have had having "
    "will would shall should could can may might must ve ll re s t d m im ive id ill youre "
    "thats please thanks thank hello hi hey dear sir madam ok okay yes just really very so "
    "also still already actually currently now then there here some any one ones something "
    "anything someone want wanted wants wanting need needed needs needing like know tell let "
    "get got getting gets help helped asking ask wondering wonder think thought believe seem "
    "seems seemed try tried trying keep keeps kept going go goes gonna wanna able possible "
    "way ways thing things lot bit guys u ur pls plz lol too much many more most even ever "
    "today yesterday what's whats it's i'm i've i'd i'll don"
)
# May stand inside a phrase, not at its ends.
_NEVER_FIRST = _words(
    "and or but if because as of to for from in on at by with about into onto than when where "
    "why how what which who whose while until since after before during through via per up "
    "off out down back over under again away all both each other another same such only own "
    "twice long soon"
)
_NEVER_LAST = _words(
    "and or but if because as of to for from in on at by with about into onto than when where "
    "why how what which who whose while until since after before during through via per not "
    "no cannot never without all both each other another same such only own"
)
_NEGATION = re.compile(
    r"\b(?:do|does|did|is|are|was|were|has|have|had|would|should|could|wo)n['’]?t\b", re.IGNORECASE
)
_CANNOT = re.compile(r"\bcan(?:['’]?t| not)\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[.,;:!?()\[\]\"“”/\n]+|\s[-–—]+\s")
_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*\w)?")


@dataclass(frozen=True)
class Label:
    """Name and keywords of one theme."""

    name: str
    keywords: tuple[str, ...]


def phrases(text: str) -> set[str]:
    """Return the phrases of one to three words in a text that could name a theme."""
    found: set[str] = set()
    plain = _NEGATION.sub("not", _CANNOT.sub("cannot", text.lower()))
    for clause in _CLAUSE.split(plain):
        words = [word for word in map(_plain_word, _WORD.findall(clause)) if word not in _DROPPED]
        for start in range(len(words)):
            if words[start] in _NEVER_FIRST:
                continue
            for stop in range(start + 1, min(start + LONGEST_PHRASE, len(words)) + 1):
                if words[stop - 1] not in _NEVER_LAST and (
                    stop > start + 1 or _is_word(words[start])
                ):
                    found.add(" ".join(words[start:stop]))
    return found


def _plain_word(word: str) -> str:
    return word.removesuffix("'s").removesuffix("’s")


def _is_word(word: str) -> bool:
    return len(word) > 1


def label_themes(texts: Sequence[str], labels: Ints, n_themes: int) -> list[Label]:
    """Name each theme by what its texts say and others do not.

    Parameters
    ----------
    texts : sequence of str, length n
        Distinct texts.
    labels : int (n,)
    n_themes : int
        Names are given in this order, so an earlier theme has the first choice of a name.

    Returns
    -------
    list of Label, length n_themes
        Names differ.
    """
    documents = [
        [phrases(texts[i]) for i in _sample(np.flatnonzero(labels == theme))]
        for theme in range(n_themes)
    ]
    counts = [Counter(phrase for found in theme for phrase in found) for theme in documents]
    spread: defaultdict[str, float] = defaultdict(float)
    for theme, count in zip(documents, counts, strict=True):
        for phrase, n in count.items():
            spread[phrase] += n / len(theme)
    capitals = _capitals(texts)
    taken: set[str] = set()
    named = []
    for theme, count in zip(documents, counts, strict=True):
        ranked = _rank(count, len(theme), spread, n_themes)
        chosen = _choose_different(ranked, theme)
        named.append(Label(_name(chosen, taken, capitals), tuple(chosen)))
    return named


def _sample(members: Ints) -> list[int]:
    step = max(1, math.ceil(len(members) / TEXTS_PER_THEME))
    return [int(i) for i in members[::step]]


def _rank(
    count: Counter[str], n_texts: int, spread: Mapping[str, float], n_themes: int
) -> list[tuple[str, float]]:
    """Score phrases by share of the theme's texts, rarity elsewhere, and length."""
    fewest = max(2, math.ceil(0.02 * n_texts)) if n_texts > 3 else 1
    scored = []
    for phrase, n in count.items():
        if n >= fewest:
            share = n / n_texts
            rarity = math.log(1 + n_themes * share / (spread[phrase] - share + 0.1))
            length = 1 + LENGTH_BONUS * phrase.count(" ")
            scored.append((phrase, share * rarity * length))
    return sorted(scored, key=lambda item: (-item[1], item[0]))[:40]


def _choose_different(ranked: list[tuple[str, float]], documents: list[set[str]]) -> list[str]:
    """Pick keywords that score well and are not said by the same texts (MMR)."""
    said = {
        phrase: {i for i, found in enumerate(documents) if phrase in found} for phrase, _ in ranked
    }
    chosen: list[str] = []
    while len(chosen) < min(N_KEYWORDS, len(ranked)):
        rest = [(phrase, score) for phrase, score in ranked if phrase not in chosen]
        best = max(
            rest,
            key=lambda item: (
                0.6 * item[1] / ranked[0][1] - 0.4 * _redundancy(item[0], chosen, said),
                item[1],
                item[0],
            ),
        )
        chosen.append(best[0])
    return chosen


def _redundancy(phrase: str, chosen: Iterable[str], said: dict[str, set[int]]) -> float:
    most = 0.0
    for other in chosen:
        shared = len(said[phrase] & said[other]) / max(1, len(said[phrase] | said[other]))
        has_common_word = bool(set(phrase.split()) & set(other.split()))
        most = max(most, shared, 0.8 if has_common_word else 0.0)
    return most


def _name(keywords: list[str], taken: set[str], capitals: dict[str, str]) -> str:
    """Write the first keyword as a title; add others until it is long enough and unique."""
    if not keywords:
        name = "Unnamed theme"
    else:
        name = keywords[0]
        for extra in keywords[1:]:
            if " " in name and name not in taken:
                break
            if not set(extra.split()) & set(name.replace(",", "").split()):
                name = f"{name}, {extra}"
    base, number = name, 2
    while name in taken:
        name = f"{base} ({number})"
        number += 1
    taken.add(name)
    written = re.sub(r"[\w'’-]+", lambda match: capitals.get(match[0], match[0]), name)
    return written[:1].upper() + written[1:]


def _capitals(texts: Sequence[str]) -> dict[str, str]:
    """Return how words that are mostly capitals are written: {"pin": "PIN", "atm": "ATM"}."""
    upper: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for text in texts:
        words = _WORD.findall(text)
        is_shouting = sum(word.isupper() for word in words) > max(2, len(words) / 2)
        for word in () if is_shouting else words:
            total[word.lower()] += 1
            upper[word.lower()] += word.isupper() and len(word) > 1
    return {word: word.upper() for word, n in upper.items() if 2 * n > total[word] and n > 1}


def pick_exemplars(vectors: Floats, labels: Ints, n_themes: int) -> list[list[int]]:
    """Return up to five typical, different members of each theme, the most typical first.

    Parameters
    ----------
    vectors : float32 (n, dimensions)
        Rows of length 1 of distinct texts.
    labels : int (n,)
    n_themes : int
    """
    chosen = []
    for theme in range(n_themes):
        members = np.flatnonzero(labels == theme)
        middle = vectors[members].mean(axis=0)
        order = members[np.argsort(-(vectors[members] @ middle), kind="stable")]
        chosen.append(different(vectors, order, N_EXEMPLARS))
    return chosen


def different(vectors: Floats, order: Ints, n_wanted: int) -> list[int]:
    """Return the first rows in this order that are not nearly the same as one before."""
    picked: list[int] = []
    for row in order.tolist():
        if len(picked) == n_wanted:
            break
        if not picked or float((vectors[picked] @ vectors[row]).max()) < TOO_SIMILAR:
            picked.append(row)
    return picked
