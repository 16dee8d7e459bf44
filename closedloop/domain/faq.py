"""What is a question, and what of a conversation is its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

ASKING_SHARE = 0.5
"""From this share of questions on, customers mostly want to know something."""

ANSWER_LENGTH = 900
"""Characters of an answer; a conversation that needs more is not one for a list of answers."""

FEWEST_WORDS = 8
"""What an agent says in fewer is a courtesy."""

_MARKS = re.compile(r"[?\uff1f\u061f\u037e\u055e]")  # also of Chinese, Arabic, Greek, Armenian
_STARTS = re.compile(
    r"(?:^|[.!\n]\s*)(?:(?:hi|hello|hey|please|so|and|but)\b[ ,]*)*"
    r"(?:how|what|where|when|can)\b",
    re.IGNORECASE,
)
_CAUSES = re.compile(r"\b(?:why|how come)\b", re.IGNORECASE)
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_COURTESY = re.compile(
    r"(?:thank(?:s| you)\b|have an? \w+ (?:day|morning|afternoon|evening)|good(?:bye| \w+ing\b)|"
    r"i(?:'m| am) (?:very |so |really )?sorry\b|i apologi[sz]e|i understand\b|bear with me\b|"
    r"let me \w+|welcome to\b|you(?:'re| are) welcome)",
    re.IGNORECASE,
)


def is_question(text: str) -> bool:
    """Return whether a text asks how, what, where or when, or whether something can be done.

    It has a question mark, of any script, or a sentence of it begins as a question does in
    English. Who asks why wants a failure explained, which no page of answers mends: those do not
    count.
    """
    if _CAUSES.search(text):
        return False
    return bool(_MARKS.search(text) or _STARTS.search(text.strip()))


def answer_of(turns: Sequence[Sequence[Any]]) -> str:
    """Return what the agent said after the customer had asked, without questions and courtesies.

    Parameters
    ----------
    turns : sequence of [speaker, text, ...]
        Speakers are "customer", "agent" and others; others are left out.

    Returns
    -------
    str
        Empty where nothing said is an answer, or where it would be longer than `ANSWER_LENGTH`.
    """
    said, has_asked = [], False
    for speaker, text, *_ in turns:
        if speaker == "customer":
            has_asked = True
        elif speaker == "agent" and has_asked:
            told = _without_courtesies(str(text))
            if len(told.split()) >= FEWEST_WORDS:
                said.append(told)
    answer = " ".join(said)
    return answer if len(answer) <= ANSWER_LENGTH else ""


def _without_courtesies(text: str) -> str:
    sentences = _SENTENCES.split(" ".join(text.split()))
    return " ".join(s for s in sentences if not s.endswith("?") and not _COURTESY.match(s))
