"""Names for themes: the phrases that set each apart, written as a person would."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np

from ml.text.answers import without_numbering
from ml.text.clean import NEUTRAL
from ml.text.spoken import languages_of, main_languages
from ml.text.unspaced import Joints, length_unspaced, pairs_apart, without_unspaced
from ml.themes.forms import are_forms, is_code, stem_of
from ml.themes.graph import Floats, Ints
from ml.themes.tongues import phrases_in
from ml.themes.vectors import DenseSpace, Rows
from ml.themes.wholes import BREAK, Line, Wholes

LONGEST_PHRASE = 3
N_KEYWORDS = 6
N_EXEMPLARS = 5
# Languages whose phrases `phrases` finds: English, and what is too short to tell.
ENGLISH = ("", "en")
# How a word is written is known from so many texts.
TEXTS_FOR_CAPITALS = 8_000
# More texts than this per theme change no name and take time.
TEXTS_PER_THEME = 250
# Two exemplars this similar say the same thing.
TOO_SIMILAR = 0.9
# A phrase says what is the matter; a bare word only says where.
LENGTH_WEIGHTS = (1.0, 2.0, 2.4)
# The same where words are not apart, by characters: two make about one word.
UNSPACED_WEIGHTS = (1.0, 1.0, 1.0, 1.5, 2.0, 2.2, 2.4)
# Longer ones are pasted keys and logs, which no name should hold.
LONGEST_WORD = 40


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
    "today yesterday tomorrow ago day days week weeks month months hour hours minute minutes "
    "year years time times none morning few couple several two three what's whats it's i'm i've "
    "i'd i'll don"
)
# Say nothing alone, or among themselves: "not working" says something, "looks working again" not.
_GENERIC = _words(
    "work works worked working wait waits waited waiting use uses used using say says said saying "
    "happen happens happened happening look looks looked looking come comes came coming make "
    "makes made making"
)
_NEGATIONS = _words("not no cannot never without")
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
_FILLERS = _GENERIC | _NEVER_FIRST | _NEVER_LAST | NEUTRAL
_NEGATION = re.compile(
    r"\b(?:do|does|did|is|are|was|were|has|have|had|would|should|could|wo)n['’]?t\b", re.IGNORECASE
)
_CANNOT = re.compile(r"\bcan(?:['’]?t| not)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[.,;:!?()\[\]\"“”/\n]+|\s[-–—]+\s|\b(?:but|because|if|while|since|until|whereas|although)\b"
)
_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*\w)?")
_ENDINGS = frozenset(".!?:")


# A phrase is a keyword only where it is said so many times as often as in other themes, unless
# none of the theme's phrases is: a name of common words is better than none.
CLEARLY_COMMONER = 2.0

WORDS_QUOTED = 6
"""Words of a text that stands for a name."""
CHARACTERS_QUOTED = 80
"""Characters of it, at most."""


@dataclass(frozen=True)
class Label:
    """Name and keywords of one theme."""

    name: str
    keywords: tuple[str, ...]


def phrases(text: str) -> dict[str, str]:
    """Return the phrases of one to three words that could name a theme.

    Returns
    -------
    dict
        Stemmed phrase to the phrase as it was written: "activating cards" counts with
        "activate card". What is written without spaces ends a phrase; see `Joints.phrases`.
    """
    found: dict[str, str] = {}
    for words in _clauses(text):
        _add_phrases(found, words, [stem_of(word) for word in words])
    return found


def _clauses(text: str) -> Iterator[list[str]]:
    """Yield the words of each clause that could stand in a name."""
    plain = _NEGATION.sub("not", _CANNOT.sub("cannot", text.lower().replace("-", " ")))
    plain = without_numbering(without_unspaced(plain, "."))
    for clause in _CLAUSE.split(plain):
        words = _WORD.findall(clause)
        if "'" in clause or "’" in clause:
            words = list(map(_plain_word, words))
        yield [word for word in words if word not in _DROPPED and not is_code(word)]


def _line(text: str) -> Line:
    """Return the words of a text and their stems, clauses apart."""
    words = [word for clause in _clauses(text) for word in (*clause, BREAK)]
    return words, [stem_of(word) for word in words]


def _add_phrases(found: dict[str, str], words: list[str], stems: list[str]) -> None:
    ends = [word not in _NEVER_LAST for word in words]
    n_words = len(words)
    for start, word in enumerate(words):
        if word in _NEVER_FIRST or not 2 <= len(word) <= LONGEST_WORD:
            continue
        stem, surface, seen = stems[start], word, {stems[start]}
        if ends[start]:
            found.setdefault(stem, surface)
        for at in range(start + 1, min(start + LONGEST_PHRASE, n_words)):
            if len(words[at]) > LONGEST_WORD or stems[at] in seen:
                break
            seen.add(stems[at])
            stem, surface = f"{stem} {stems[at]}", f"{surface} {words[at]}"
            if ends[at]:
                found.setdefault(stem, surface)


def _plain_word(word: str) -> str:
    return word.removesuffix("'s").removesuffix("’s")


def may_lead(phrase: str) -> bool:
    """Return whether a phrase says enough for a name to begin with it.

    Courtesies and verbs of everything ("work", "come") do not, alone or among themselves, unless
    what they say is denied: "not working" does.
    """
    words = set(pairs_apart(phrase).lower().split())
    if words & _NEGATIONS and words & _GENERIC:
        return True
    return not words <= _FILLERS


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
    members = [_sample(np.flatnonzero(labels == theme)) for theme in range(n_themes)]
    spoken = [languages_of([texts[i] for i in rows]) for rows in members]
    usual = [code for code, _ in Counter(code for own in spoken for code in own).most_common()]
    joints = Joints(texts[i] for rows in members for i in rows)
    themes = [
        [_said(texts[i], joints, code) for i, code in zip(rows, own, strict=True)]
        for rows, own in zip(members, spoken, strict=True)
    ]
    counts = [Counter(chain.from_iterable(theme)) for theme in themes]
    spread: defaultdict[str, float] = defaultdict(float)
    for theme, count in zip(themes, counts, strict=True):
        for phrase, n in count.items():
            spread[phrase] += n / len(theme)
    capitals = _capitals(texts[:: max(1, len(texts) // TEXTS_FOR_CAPITALS)])
    taken: set[str] = set()
    named: list[Label] = []
    for theme, count, rows, own in zip(themes, counts, members, spoken, strict=True):
        elsewhere = {phrase: spread[phrase] - n / len(theme) for phrase, n in count.items()}
        wholes = _wholes([texts[i] for i, code in zip(rows, own, strict=True) if code in ENGLISH])
        parts = [
            _keywords(part, elsewhere, n_themes, wholes) for part in _by_language(theme, own, usual)
        ]
        written = _in_turn(parts)
        leading = [list(filter(may_lead, words)) for words in (parts[0], written)]
        quoted = [_quoted(texts, labels, len(named))]
        name = _name(next(filter(None, leading), quoted), taken)
        named.append(Label(_as_title(name, capitals), tuple(written)))
    return named


def _by_language(
    theme: list[dict[str, str]], spoken: Sequence[str], usual: Sequence[str]
) -> list[list[dict[str, str]]]:
    """Part what a theme says by its main languages, the one most spoken everywhere first."""
    main = sorted(main_languages(Counter(spoken)), key=usual.index)
    if len(main) < 2:
        return [theme]
    return [[said for said, code in zip(theme, spoken, strict=True) if code == one] for one in main]


def _keywords(
    theme: list[dict[str, str]], elsewhere: Mapping[str, float], n_themes: int, wholes: Wholes
) -> list[str]:
    """Return what sets texts of one language apart from other themes, best first.

    What is about as common elsewhere tells nothing, and is left out where anything else is said.
    """
    count = Counter(chain.from_iterable(theme))
    ranked = _rank(count, len(theme), elsewhere, n_themes)
    chosen = _choose_different(ranked, [set(said) for said in theme])

    def is_common(phrase: str) -> bool:
        usual = max(0.0, elsewhere[phrase]) / max(1, n_themes - 1)
        return count[phrase] / len(theme) < CLEARLY_COMMONER * usual

    telling = [phrase for phrase in chosen if not is_common(phrase)]
    written = _surfaces(theme, telling or chosen)
    return _once([wholes.complete(phrase) for phrase in telling or chosen], written)


def _in_turn(parts: list[list[str]]) -> list[str]:
    """Take one keyword of each language after the other; the first language names the theme."""
    if len(parts) == 1:
        return parts[0]
    turns = (word for row in zip_longest(*parts) for word in row if word)
    return list(dict.fromkeys(turns))[:N_KEYWORDS]


def _said(text: str, joints: Joints, language: str) -> dict[str, str]:
    """Return what could name a theme, in any writing."""
    if language in ENGLISH:
        found = phrases(text)
    else:
        found = phrases_in(language, without_unspaced(text, "."))
    return found | {phrase: phrase for phrase in joints.phrases(text)}


def _wholes(texts: Sequence[str]) -> Wholes:
    return Wholes([_line(text) for text in texts], _NEVER_FIRST, _NEVER_LAST)


def _once(wholes: list[str | None], parts: list[str]) -> list[str]:
    """Take the whole of each keyword, unless that repeats the first one, and each once."""
    first = _stems(parts[0]) if parts else set()
    seen: dict[frozenset[str], str] = {}
    for whole, part in zip(wholes, parts, strict=True):
        is_new = whole and not (seen and first & (_stems(whole) - _stems(part)))
        said = whole if whole and is_new else part
        seen.setdefault(frozenset(_stems(said)) or frozenset([said]), said)
    return list(seen.values())


def _sample(members: Ints) -> list[int]:
    step = max(1, math.ceil(len(members) / TEXTS_PER_THEME))
    return [int(i) for i in members[::step]]


def _rank(
    count: Counter[str], n_texts: int, elsewhere: Mapping[str, float], n_themes: int
) -> list[tuple[str, float]]:
    """Score phrases by share of the theme's texts, rarity elsewhere, and length."""
    fewest = max(2, math.ceil(0.02 * n_texts)) if n_texts > 3 else 1
    scored = []
    for phrase, n in count.items():
        if n >= fewest:
            share = n / n_texts
            others = max(0.0, elsewhere[phrase])
            rarity = math.log(1 + share / (0.05 + others / math.sqrt(n_themes)))
            scored.append((phrase, math.sqrt(share) * rarity * _length_weight(phrase)))
    return sorted(scored, key=lambda item: (-item[1], item[0]))[:40]


def _length_weight(phrase: str) -> float:
    n_characters = length_unspaced(phrase)
    return UNSPACED_WEIGHTS[n_characters] if n_characters else LENGTH_WEIGHTS[phrase.count(" ")]


def _choose_different(ranked: list[tuple[str, float]], documents: list[set[str]]) -> list[str]:
    """Pick phrases that score well and are not said by the same texts (MMR)."""
    said = {
        phrase: {i for i, found in enumerate(documents) if phrase in found} for phrase, _ in ranked
    }
    words = {phrase: set(pairs_apart(phrase).split()) for phrase, _ in ranked}
    redundancy = dict.fromkeys(said, 0.0)
    chosen: list[str] = []
    while len(chosen) < min(N_KEYWORDS, len(ranked)):
        _, latest = max(
            (0.6 * score / ranked[0][1] - 0.4 * redundancy[phrase], phrase)
            for phrase, score in ranked
            if phrase not in chosen
        )
        chosen.append(latest)
        for phrase, least in redundancy.items():
            shared = len(said[phrase] & said[latest]) / max(1, len(said[phrase] | said[latest]))
            has_common_word = not words[phrase].isdisjoint(words[latest])
            redundancy[phrase] = max(least, shared, 0.8 if has_common_word else 0.0)
    return chosen


def _surfaces(theme: list[dict[str, str]], chosen: list[str]) -> list[str]:
    """Write each stemmed phrase the way the theme's texts mostly do."""
    seen: dict[str, Counter[str]] = {phrase: Counter() for phrase in chosen}
    for said in theme:
        for phrase in chosen:
            if phrase in said:
                seen[phrase][said[phrase]] += 1
    return [min(seen[phrase].items(), key=lambda item: (-item[1], item[0]))[0] for phrase in chosen]


def _name(keywords: list[str], taken: set[str]) -> str:
    """Take the first keyword; add others while it says too little or has been given away."""
    name = keywords[0]
    for extra in keywords[1:]:
        is_phrase = " " in name or length_unspaced(name) > 2
        says_enough = is_phrase and not re.fullmatch(r"(?:not|no|cannot|never) \S+", name)
        if says_enough and name not in taken:
            break
        if not _stems(extra) & _stems(name) and not are_forms(extra, name):
            # "payment, not recognised" reads better than the other way round.
            name = f"{name}, {extra}" if says_enough or not is_phrase else f"{extra}, {name}"
    base, number = name, 2
    while name in taken:
        name = f"{base} ({number})"
        number += 1
    taken.add(name)
    return name


def _quoted(texts: Sequence[str], labels: Ints, theme: int) -> str:
    """Return the shortest text of a theme without a word of its own: better than no name."""
    own = [texts[int(i)] for i in np.flatnonzero(labels == theme)]
    words = min(own, key=lambda text: (len(text), text), default="").split()
    return f"“{' '.join(words[:WORDS_QUOTED])[:CHARACTERS_QUOTED]}”"


def _stems(phrase: str) -> set[str]:
    return {stem_of(word) for word in re.findall(r"\w+", pairs_apart(phrase))}


def _as_title(name: str, capitals: dict[str, str]) -> str:
    """Write a name as a title: iPhone keeps its small letter, other first words get a large one."""
    written = re.sub(r"[\w'’-]+", lambda match: capitals.get(match[0], match[0]), name)
    first = re.match(r"[\w'’-]+", name)
    return written if first and first[0] in capitals else written[:1].upper() + written[1:]


def _capitals(texts: Sequence[str]) -> dict[str, str]:
    """Return how words are written that are no plain small letters: PIN, iPhone, Taylor.

    Only words inside a sentence count, since the first one is large anyway, and only those that
    most writers write that way.
    """
    written: defaultdict[str, Counter[str]] = defaultdict(Counter)
    small: Counter[str] = Counter()
    for text in (without_unspaced(text, " ") for text in texts):
        words = _WORD.findall(text)
        if text.islower():
            small.update(words[1:])
            continue
        if sum(word.isupper() for word in words) > max(2, len(words) / 2):
            continue  # somebody is shouting
        small.update(word for word in words[1:] if word.islower())
        for match in list(_WORD.finditer(text))[1:]:
            word = match[0]
            if not word.islower() and text[: match.start()].rstrip()[-1:] not in _ENDINGS:
                written[word.lower()][word] += 1
    capitals = {}
    for word, forms in written.items():
        forms[word] += small[word]
        form, n = min(forms.items(), key=lambda item: (-item[1], item[0]))
        if form != word and n > 1 and 2 * n > forms.total():
            capitals[word] = form
    return capitals


def pick_exemplars(
    vectors: Rows, labels: Ints, n_themes: int, space: DenseSpace
) -> list[list[int]]:
    """Return up to five typical, different members of each theme, the most typical first.

    Parameters
    ----------
    vectors : float32 (n, dimensions)
        Rows of length 1 of distinct texts, as the encoder gives them.
    labels : int (n,)
    n_themes : int
    space : DenseSpace
        In which they are compared.
    """
    chosen = []
    for theme in range(n_themes):
        members = np.flatnonzero(labels == theme)
        rows = space.transform(vectors[members])
        order = np.argsort(-(rows @ rows.mean(axis=0)), kind="stable")
        chosen.append([int(members[i]) for i in different(rows, order, N_EXEMPLARS)])
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
