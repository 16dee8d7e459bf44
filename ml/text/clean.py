"""Plain text out of transcripts: which words of a conversation say what the customer came for.

The rules are small word lists rather than a model: they run on every contact, must give equal
texts for equal statements (vectors are cached by text), and a person can read why a turn was
chosen. They are written for English. In other languages the longest statement is taken, as
greetings and thanks of a few are known (`ml.text.courtesies`).
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html.entities import html5
from string import ascii_lowercase

from ml.text.answers import BEGINNINGS, declines, tells_identity, without_numbering
from ml.text.courtesies import COURTEOUS_WORDS, without_courtesies
from ml.text.unspaced import length_unspaced, without_unspaced

MAX_WORDS = 60
# Longer turns are pasted letters or logs; the issue is in the beginning.
MAX_CHARACTERS = 20_000

CHARACTERS_PER_WORD = 2
"""So many characters of writing without spaces count as one word, as most of Chinese are two."""

_BRACKETS = r"\[[A-Z][A-Z0-9_ -]{1,30}\]"
_ANGLES = r"<[A-Z][A-Z0-9_ -]{1,30}>"
MARKS = re.compile(
    r"https?://\S+|www\.\S+"  # links
    r"|(?<![\w@])@\w+"  # handles
    rf"|{_BRACKETS}|{_ANGLES}"  # what redaction left behind
    r"|\bX{2,}(?:[/-][X\d]+)*\b|__\w+__"  # and what others mask with
)
"""What stands in a text and is no word of it: links, handles, tokens of redaction."""
_HINTS = ("[", "@", "<", "http", "www.", "XX", "__")
"""One of them stands in every mark, and is looked for far faster."""
_TOKENS = re.compile(_BRACKETS)
_ENTITY = re.compile(r"&(?:#\d{1,8};?|#[xX][0-9a-fA-F]{1,7};?|[A-Za-z][A-Za-z0-9]{1,31};)")
# An ampersand written as one, however often: taken in one go, as nests would cost a pass each.
_AMPERSAND = re.compile(r"&(?:(?:amp|AMP|#0{0,5}38|#[xX]0{0,4}26);)+")
_SPACE_BEFORE_STOP = re.compile(r" ([,.;!?])(?!\w)")
_SPACED_STOPS = (" ,", " .", " ;", " !", " ?")
_DANGLING = (" ,;:.-–", " ,;:-–")
"""What a mark that was left out may have held together, at the beginning and at the end."""
_QUOTES = str.maketrans("’‘ʼ´`“”", "'''''\"\"")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_SPACED_ENDS = (". ", "! ", "? ")

_GREETING = re.compile(
    r"^(?:(?:hi+|hello+|hey+|hai|hiya|greetings|dear (?:sir|madam|team|all)(?: or madam)?"
    r"|good (?:morning|afternoon|evening|day))"
    r"(?: (?:there|team|all|everyone|again|sir|madam|guys))?(?:[\s,.!:;-]+|$))+",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"^(?:(?i:my name is|my name's|this is|i am|i'm) (?:[A-Z][a-z'-]+[ ,]+){1,3}(?:(?i:and"
    r"|here)[ ,]+)?)"
    r"(?=(?i:i|my|we|can|could|please|how|why|what|when|where|calling|just)\b)"
)

# Words that say nothing about the issue, alone or together.
_NEUTRAL_WORDS = (
    "a about actually afternoon again ah all alright also am an and any anything apologies "
    "appreciate appreciated are assist assistance at awesome be because been bit but by bye "
    "can certainly chat cheers cool correct could day dear definitely did do does doing done "
    "else enjoy evening everyone everything excellent fantastic fine for from glad go good "
    "goodbye got great greetings guys had hai happy has have having hello help helped helpful "
    "helping here hey hi him hiya hm hmm hold hope how's i i'd i'll i'm i've if in is it it's "
    "its just kind kindly know later least let like little lot lovely luck ma'am madam many "
    "matter may maybe me mhm minute moment moments more morning much my name nice night no "
    "nope nothing of oh ok okay on one ones or our patience perfect perfectly please pleasure "
    "pls problem question quick ready really right see shall should sir so some somebody "
    "someone something soon sorry speak sure take talk team thank thanking thanks thankyou "
    "that that'll that's thats the them then there there's these thing things this those time "
    "to today too u ugh uh um understand understood up very wait waiting wanna want was we "
    "we'll welcome well were wish with wonderful would wow ya yeah yep yes you you'll you're "
    "you've your yours yup "
    "aww gotcha haha hahaha hehe lol np omg thanx thnx thx tks ty worries yay yea yeap "
)
NEUTRAL = frozenset(_NEUTRAL_WORDS.split()) | frozenset(ascii_lowercase) | COURTEOUS_WORDS
"""Words that say nothing about the issue, alone or together; nor do the letters of a code."""
_WORDS_OF_ISSUES = (
    "not never cannot cant wont dont doesnt didnt isnt couldnt shouldnt need want wanted "
    "wanting trying tried how why when where which what who does lost stolen missing wrong "
    "broken late failed fail fails declined refused blocked stuck error charged cancel refund "
    "change update order pay still"
)
_ISSUE_WORDS = frozenset(_WORDS_OF_ISSUES.split())
_ISSUE_PHRASES = re.compile(
    r"\b(?:can't|won't|don't|doesn't|didn't|isn't|wasn't|hasn't|haven't|couldn't|shouldn't|aren't"
    r"|nothing works|would like|is there|are there|do you|problem with|issue with"
    r"|help (?:me )?(?:with|to))\b",
    re.IGNORECASE,
)
_NO_LETTER = re.compile(r"[^0-9a-z]+")
_TOKEN = re.compile(r"\w+")
_VAGUE = re.compile(
    r"^(?:(?:can|could|would|will) (?:you|u|someone|anyone) (?:please |pls )?(?:help|assist)"
    r"|(?:please |pls )?help(?: me)?\b(?! to| with)|i (?:have|had|'ve got) (?:a|another|one more"
    r"|some) (?:quick )?"
    r"(?:question|problem|issue|query)s?|i (?:just )?(?:need|want"
    r"|would like)(?: to ask)? (?:some|your|a)"
    r" (?:help|assistance|question|information)|is (?:anyone|anybody|someone) there"
    r"|are you (?:there|still there)"
    r"|are we connected|how are you|how long (?:will this|do i have to wait)|what do you (?:need"
    r"|mean))"
    r"[^.?!]{0,25}[.?!]*$",
    re.IGNORECASE,
)
_FOLLOW_UP = re.compile(
    r"\b(?:(?:call|contact|writ|chat|messag|phon|ring)(?:ed|ing|e)?|rang|wrote|spoke(?:n)?"
    r"|been in touch)\b"
    r"[^.?!]{0,40}\b(?:again|before|already|last|earlier|yesterday|twice|times|ago|about this"
    r"|previously)\b"
    r"|\bme again\b|\b(?:same (?:problem|issue|question|thing)) (?:again|as|still)\b"
    r"|\bfollow(?:ing)?[ -]up\b|\bmy (?:last|previous|earlier) (?:call|chat|contact|message"
    r"|email)\b",
    re.IGNORECASE,
)
_ASKS_IDENTITY = re.compile(
    r"\b(?:your (?:full |first |last |sur)?name|account (?:number|id)|card number|phone number"
    r"|mobile number|order number|booking|reference|customer (?:number|id)|date of birth"
    r"|birth ?date|post ?code"
    r"|zip|first line of (?:your|the) address|your (?:e-?mail|address)|security (?:question|word"
    r"|code|check)|passphrase"
    r"|memorable|mother's maiden|verify|verification|identify|identity|confirm (?:your|who"
    r"|that you)"
    r"|who am i (?:speaking|chatting|talking)|last (?:four|4)|digits)\b",
    re.IGNORECASE,
)
_OFFERS_HELP = re.compile(
    r"\bhow (?:can|may|could|might) (?:i|we)\b|\bwhat (?:can|could) (?:i|we) (?:do|help)\b"
    r"|\bwhat(?:'s| is| seems)\b[^.?!]{0,30}\b(?:problem|issue|matter|about|wrong|happen\w*)\b"
    r"|\bwhat brings you\b|\btell (?:me|us) (?:more |a bit )*(?:about|what)\b|\breason for your\b"
    r"|\bwhat happened\b|\bin your own words\b|\bgo ahead\b|\bwhat (?:are you"
    r"|is it you(?:'re)?) calling\b",
    re.IGNORECASE,
)


def decode_entities(text: str) -> str:
    """Return the text with HTML's way of writing characters undone: ``&amp;`` becomes ``&``.

    Exports of web systems carry text so, sometimes written twice (``&amp;lt;``). What is no
    entity ("R&D", "?a=1&b=2") stays. Applying it twice changes nothing more.
    """
    while "&" in text:
        plain = _AMPERSAND.sub("&", text)
        plain = _ENTITY.sub(_decode, plain)
        if plain == text:
            break
        text = plain
    return text


def _decode(found: re.Match[str]) -> str:
    # html.unescape also takes the beginning of a word for an entity: "&nothing;" has "&not"
    written = found[0]
    is_known = written[1] == "#" or written[1:] in html5
    return html.unescape(written) if is_known else written


def normalise(text: str) -> str:
    """Return the text in one plain form: the same words, without what is no word.

    Unicode is made canonical, curly quotes straight, white space single; links, @handles and
    the marks of redaction (``[PHONE]``, ``[EMAIL]``, ``XXXX``) are left out. Case and
    punctuation stay. Applying it twice changes nothing more.
    """
    text = text[:MAX_CHARACTERS]
    text = decode_entities(text)
    if not text.isascii() or "\x00" in text:
        text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
        text = "".join(map(_visible, text))
    found = " ".join(without_marks(text).split())
    if len(found) < len(text):
        if _has_any(found, _SPACED_STOPS):
            found = _SPACE_BEFORE_STOP.sub(r"\1", found)
        found = found.lstrip(_DANGLING[0]).rstrip(_DANGLING[1])
    return found


def wording(text: str) -> str:
    """Return what two texts that say the same word for word have in common.

    Their words without regard to case, punctuation and spacing: "Card not arrived!" and "card
    not  arrived" are one. Digits count: error 404 is not error 500, and what is a number of an
    order or a person was taken out by redaction. Of a text without letters and digits it is the
    text itself. Applying it twice changes nothing more.
    """
    plain = normalise(text)
    folded = plain.casefold().replace("'", "")
    if folded.isascii():
        words = _NO_LETTER.sub(" ", folded)
    else:
        # marks of letters are no word characters to a pattern, and tell words of Hindi apart
        words = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in folded)
    return " ".join(words.split()) or plain


def has_words(text: str) -> bool:
    """Return whether the text has a letter or a digit, of any script: emoji alone say no issue."""
    return any(map(str.isalnum, text))


def without_marks(text: str) -> str:
    """Return the text with a blank for each of its `MARKS`."""
    if _has_any(text, _HINTS[1:]):
        return MARKS.sub(" ", text)
    return _TOKENS.sub(" ", text) if _HINTS[0] in text else text  # many times as fast


def _has_any(text: str, parts: tuple[str, ...]) -> bool:
    for part in parts:  # noqa: SIM110 - a generator would take longer than the search
        if part in text:
            return True
    return False


def _visible(character: str) -> str:
    """Drop joiners and selectors, lone surrogates and control characters."""
    category = unicodedata.category(character)
    if category in ("Cf", "Cs", "Co") or character in "\ufe0e\ufe0f":
        return ""
    return " " if category == "Cc" else character


@dataclass(frozen=True)
class _Block:
    """What a customer said in one go, and how much it looks like the issue."""

    text: str
    score: int


def issue_text(turns: Sequence[tuple[str, str]], max_words: int = MAX_WORDS) -> str:
    """Return what the customer came for, in the customer's own words.

    Parameters
    ----------
    turns : sequence of (speaker, text)
        In the order they were said; speaker is "customer", "agent" or "system".
    max_words : int
        The text is cut after so many words.

    Returns
    -------
    str
        The block of customer turns (with no agent turn in between) that states the issue best,
        the earliest of equals, without greetings, thanks, identity checks and "yes". A turn that
        is just a statement comes back as `normalise` gives it. Empty if the customer said
        nothing but courtesies.
    """
    best = _Block("", 0)
    blocks = _customer_blocks(turns)
    if len(blocks) == 1 and len(blocks[0][0]) == 1 and not blocks[0][1]:
        # nothing to choose from, so that how much it looks like an issue need not be known
        only = _strip_courtesies(blocks[0][0][0])
        blocks, best = [], _Block(only if _says_something(only) else "", 1)
    for said, asked in blocks:
        block = _judge(said, asked)
        if block.score > best.score:
            best = block
    words = best.text.split(" ")
    return best.text if len(words) <= max_words else " ".join(words[:max_words])


def _customer_blocks(turns: Sequence[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """Return (customer turns in a row, the agent turn before them)."""
    blocks: list[tuple[list[str], str]] = []
    asked, is_open = "", False
    for speaker, text in turns:
        if speaker == "customer":
            if not is_open:
                blocks.append(([], asked))
                is_open = True
            blocks[-1][0].append(text)
        elif speaker == "agent":
            asked, is_open = text, False
    return blocks


def _judge(said: list[str], asked: str) -> _Block:
    """Join what counts of a block; score 0 is nothing, 1 doubtful, from 4 a stated issue."""
    is_check = bool(_ASKS_IDENTITY.search(asked)) and not _OFFERS_HELP.search(asked)
    parts = [(part, _weight(part, is_check)) for part in map(_strip_courtesies, said) if part]
    top = max((weight for _, weight in parts), default=0)
    if top == 0:
        return _Block("", 0)
    # What is said beside a clear statement counts only if it is a statement itself.
    least = min(top, 4) if top >= 4 else 1
    text = " ".join(dict.fromkeys(part for part, weight in parts if weight >= least))
    bonus = 1 if top >= 2 and _OFFERS_HELP.search(asked) else 0
    return _Block(text, top + bonus)


def _strip_courtesies(text: str) -> str:
    """Take greetings off the front and courtesies off both ends; keep the middle as it is."""
    text = normalise(text)
    plain = _without_beginning(_INTRODUCTION, _without_beginning(_GREETING, text))
    if not plain:
        return ""
    if not _has_any(plain, _SPACED_ENDS):  # the only white space that is left is blanks
        return plain
    sentences = _SENTENCE_END.split(plain)
    while sentences and not _says_something(sentences[0]):
        del sentences[0]
    while sentences and not _says_something(sentences[-1]):
        del sentences[-1]
    return " ".join(sentences)


def _without_beginning(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return text[found.end() :] if found else text


def _says_something(text: str) -> bool:
    """Whether one turn has a weight above 0 where nobody asked for anything."""
    lower = text.lower()
    if not lower.isascii():
        lower = without_courtesies(lower)
    words = lower.split()
    # what stands between blanks and is all letters is a word, and found far faster than by pattern
    for word in words:
        if word not in NEUTRAL and word.isalpha():
            break  # mostly one of the first
    else:
        if NEUTRAL.issuperset(_WORD.findall(lower)):
            return False
    if words[0].rstrip(",.;!") in BEGINNINGS and declines(lower):
        return False
    return _states_issue(text, lower, words) or not tells_identity(text, _count_content)


def _states_issue(text: str, lower: str, words: Sequence[str]) -> bool:
    """Whether words that go with an issue, or a question, stand in a text."""
    if "?" in text or not _ISSUE_WORDS.isdisjoint(words):
        return True
    tokens = _TOKEN.findall(lower)
    if not _ISSUE_WORDS.isdisjoint(tokens):
        return True
    if "no" in tokens and "no" in _TOKEN.findall(without_numbering(lower)):
        return True
    return bool(_ISSUE_PHRASES.search(text))


def _count_content(lower: str) -> int:
    """Return how many words of a text say more than a courtesy."""
    n_apart = 0
    if not lower.isascii():
        lower = without_courtesies(lower)
        n_apart = length_unspaced(lower)
        if n_apart:
            lower = without_unspaced(lower, " ")
    n_words = sum(word not in NEUTRAL for word in _WORD.findall(lower))
    return n_words + math.ceil(n_apart / CHARACTERS_PER_WORD)


def _weight(text: str, is_check: bool) -> int:
    """Say how much one turn looks like a stated issue, from 0 (a courtesy) to 5."""
    lower = text.lower()
    content = _count_content(lower)
    if content == 0 or declines(lower):
        return 0
    has_issue = _states_issue(text, lower, lower.split())
    if not has_issue and tells_identity(text, _count_content):
        return 0
    if is_check and not (has_issue and content >= 4):
        return 0
    if _VAGUE.match(text):
        return 1
    if content < 2 and not has_issue:
        return 1
    if _FOLLOW_UP.search(text) and content < 9:
        return 2
    return 5 if has_issue or content >= 5 else 4 if content >= 3 else 3
