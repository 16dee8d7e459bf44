"""What the pages of impact say beside the answer: what it is held against, what each check asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from closedloop.domain.impact import WARN_FROM_MOVED, CheckState, Verdict
from closedloop.domain.impact_doubts import are_many
from closedloop.domain.impact_words import moved_words, per_cent

CHECK_QUESTIONS: dict[str, str] = {
    "controls": "Each unaffected theme is measured as if the change had been made there on the "
    "same day: a placebo. If many of them seem to have moved, something else may have happened.",
    "many_looks": "Many actions were judged the same night. The more questions are asked, the "
    "more answers are chance: how many of those claimed would be?",
    "family": "The themes that were declared at shipping as touched by the same change: what it "
    "did is judged over all of them together.",
    "newborn": "Did a theme that is added up with others begin only around the change? Its first "
    "contacts would look like a rise, unless they were counted under an older theme before.",
    "spill": "Did the contacts turn up in themes so alike that customers may use either? Then "
    "they were moved, not removed.",
    "channels": "Did the contacts come through another channel instead of going away?",
    "together": "Other changes to the same theme are measured together with this one. Can what "
    "each of them did be told apart?",
    "other_fixes": "Did another change go live around the same days? Its effect would be counted "
    "here, and a theme that it touches is no fair comparison.",
    "own_history": "Would the theme's own past, without any comparison, give the same answer?",
    "repeat_rate": "Do customers have to come back about the same theme more often than before? "
    "Then fewer contacts would not mean that they are better served.",
    "lately": "Does the fall still stand in the newest four weeks, or does it wear off?",
    "smallest_drop": "Does the drop reach what the plan called worth having?",
    "stages": "Did the change reach all customers at once, or some of them at a time?",
    "holidays": "Are public holidays known? A quiet holiday would look like an effect.",
    "regression_to_mean": "Was the change made after an unusually busy fortnight? Contacts would "
    "have fallen back by themselves (regression to the mean). After a quiet one the fall may have "
    "begun before the change.",
    "few_days": "Would anything be shown without a few days that stand out, such as those of an "
    "outage?",
    "earlier_trend": "Did contacts rise or fall steadily before the change already? They may just "
    "have gone on.",
    "driver_volume": "Did what drives these contacts, such as orders or customers, rise or fall?",
    "data_gaps": "Are there days without any contact? Where an import seems to be missing they are "
    "not counted, as it would look like an effect.",
}
"""What each check asks, for people who are not statisticians."""

STATE_WORDS: dict[str, str] = {
    CheckState.OK.value: "passes",
    CheckState.WARN.value: "fails",
    CheckState.OFF.value: "does not apply",
}
"""How a check came out, as pages say it."""


def held_against(verdict: Verdict, detail: Mapping[str, Any]) -> str:
    """Say what a verdict was held against, and whether it holds.

    Parameters
    ----------
    verdict : Verdict
    detail : mapping
        Of the measurement: `controls_used`, `controls_tried`, `share_of_controls_moved` (0 to 1)
        and `own_history`; what an older measurement lacks is not spoken of.

    Returns
    -------
    str
        Empty when there is nothing to say: no verdict, or nothing written down.
    """
    used = detail.get("controls_used")
    if used is None or verdict in (Verdict.TOO_EARLY, Verdict.NOT_ENOUGH_DATA):
        return ""
    if not used:
        return "There is no unaffected theme to hold it against: it rests on its own history."
    themes = "1 unaffected theme" if used == 1 else f"{used} unaffected themes"
    share, tried = (
        detail.get("share_of_controls_moved") or 0.0,
        detail.get("controls_tried") or used,
    )
    # an inconclusive verdict for that very reason has said so
    is_said = verdict is Verdict.INCONCLUSIVE and are_many(share, tried)
    if share > WARN_FROM_MOVED and not is_said:
        return f"But {moved_words(round(share * tried), tried)} on the same date as well."
    if verdict not in (Verdict.FELL, Verdict.ROSE):
        return f"It was held against {themes}."
    what = "fall" if verdict is Verdict.FELL else "rise"
    alone = (detail.get("own_history") or {}).get("verdict", verdict.value)
    if alone != verdict.value:
        said = alone.replace("_", " ")
        return f"The {what} holds against {themes}; its own history alone says {said}."
    return f"The {what} holds against {themes}."


def precautions(detail: Mapping[str, Any]) -> list[str]:
    """Say what the method left out or widened, so that nobody takes it for a slip.

    Parameters
    ----------
    detail : mapping
        Of the measurement: `gap_days`, days before the change that were a peak, or with
        `gap_is_low` a low;
        `widened_by`, the factor, 1 or more, by which the range and the daily bands after the
        change were made wider; `controls_used` and `own_history`, which tell why.
    """
    said = []
    if days := int(detail.get("gap_days") or 0):
        said.append(
            f"The last {days} days before the change were unusually "
            f"{'quiet' if detail.get('gap_is_low') else 'busy'}. Whether that would have "
            "passed by itself or stayed, nobody can tell: the range holds both."
        )
    factor = float(detail.get("widened_by") or 1.0)
    if factor >= 1.05:
        what = "strayed further apart" if _is_widened_apart(detail, factor) else "moved more"
        said.append(
            f"Ranges were made {factor:.1f} times as wide, as unaffected themes {what} than "
            "chance allows."
        )
    return said


def _is_widened_apart(detail: Mapping[str, Any], factor: float) -> bool:
    """Whether a range was widened by how far themes lie from each other, not by how far they moved.

    A theme's own history is always widened by the latter, and so is the comparison where so many
    moved that it may not take out what they share; its factor is that of own history then. Before
    method 2.1 there was no other, and none was written down for own history.
    """
    alone = (detail.get("own_history") or {}).get("widened_by", factor)
    return bool(detail.get("controls_used")) and alone != factor


def stands_behind(verdicts: Mapping[Verdict, int], without_range: int) -> str:
    """Say which verdicts a total is made of, and how many shipped actions are not in it."""
    words = {
        Verdict.FELL: "fell",
        Verdict.ROSE: "rose",
        Verdict.NO_CHANGE: "showed no change",
    }
    counted = [f"{verdicts[one]:,} {said}" for one, said in words.items() if verdicts.get(one)]
    inconclusive = verdicts.get(Verdict.INCONCLUSIVE, 0)
    if counted:
        number = sum(verdicts.get(one, 0) for one in words)
        noun = "verdict stands" if number == 1 else "verdicts stand"
        said = f"{number:,} {noun} behind it: {', '.join(counted)}."
    elif not inconclusive:
        return "No verdict with a range stands behind it yet."
    else:
        said = "No verdict that can be added stands behind it yet."
    if inconclusive:
        are = "action is" if inconclusive == 1 else "actions are"
        said += f" {inconclusive:,} more shipped {are} inconclusive and not in it."
    if no_range := without_range - inconclusive:
        left = "action has" if no_range == 1 else "actions have"
        said += f" {no_range:,} more shipped {left} no range to add."
    return said


def left_out(without_range: int, inconclusive: int) -> str:
    """Say how many shipped actions are not in a total, and why; empty when all are.

    Parameters
    ----------
    without_range : int
        Shipped actions that are not in it.
    inconclusive : int
        Of these, the ones whose verdict is inconclusive.
    """
    if not without_range:
        return ""
    no_range = without_range - inconclusive
    why = [f"{inconclusive:,} inconclusive"] if inconclusive else []
    why += [f"{no_range:,} without a look yet or without enough data"] if no_range else []
    noun = "shipped action is" if without_range == 1 else "shipped actions are"
    return f"{without_range:,} {noun} not in it: {', '.join(why)}."


def taken_back(go_lives: int, judged: int) -> str:
    """Say how many go-lives were taken back, and of how many a look had spoken; empty for none.

    Parameters
    ----------
    go_lives, judged : int
        All of them, and those with a verdict.
    """
    if not go_lives:
        return ""
    were = "1 go-live was" if go_lives == 1 else f"{go_lives:,} go-lives were"
    said = f"{were} taken back and {'is' if go_lives == 1 else 'are'} in no number here"
    if not judged:
        return f"{said}, before any verdict."
    after = "" if go_lives == 1 else f"{judged:,} of them "
    return f"{said}, {after}after a verdict had been spoken."


def drop_range(low: float, middle: float, high: float, expected: float) -> str:
    """Write avoided contacts as a share of what was expected.

    "15 % to 26 % fewer, most likely 20 %", and of a range that lies below zero "10 % to 50 % more".

    Parameters
    ----------
    low, middle, high : float
        Contacts avoided; negative when more came.
    expected : float
        Contacts without the change, more than 0.
    """
    word, ends = ("more", (-high, -middle, -low)) if high < 0 else ("fewer", (low, middle, high))
    first, likely, last = (per_cent(value / expected) for value in ends)
    return f"{first} to {last} {word}, most likely {likely}"
