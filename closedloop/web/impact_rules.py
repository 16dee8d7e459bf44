"""The rules behind the numbers on the pages of impact, and the settings they were made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from closedloop.config import Settings
from closedloop.domain.impact import (
    CONTROL_LEAST_MEAN,
    FIRST_LOOKS,
    FOLLOW_UP_DAYS,
    LOOK_ALPHA,
    LOOK_DAYS,
    LOOK_Q,
    MOST_CONTROLS,
    PRE_DAYS_MAX,
    QUARTER_ALPHA,
    RECENT_DAYS,
    REMEASURE_DAYS,
    RUNNING_EVERY_DAYS,
    SIBLING_LIKENESS,
)
from closedloop.web.filters import pct, plural, share

RULES = {
    "avoided": "Contacts expected without the change minus contacts that came, from the end of the "
    "roll-out to the newest look. The range holds the truth in 95 of 100 cases; below zero, "
    "more came than expected.",
    "avoided_row": "The 95 % range of the newest look. Where the contacts moved to themes beside "
    "it, net is what was avoided over all of them: only that is in the total.",
    "total": "Middles are added up; ends are not, as not every estimate is wrong in the same "
    "direction at once. A quarter of an error is taken to be in common as far as two actions were "
    "counted over the same days and compared with the same themes. Only actions with a "
    "verdict at a look are in it, those that made things worse included, inconclusive ones not; "
    "where contacts moved to a theme beside it, the range over both counts.",
    "time": "Avoided contacts times the mean handle time of the theme before the change.",
    "seen": "A true change of this size would have been noticed in four cases of five.",
    "came": "Contacts of the theme from the first counted day on; roll-out days are left out.",
    "expected": "Contacts that would have come on the same days without the change: its own past "
    "with weekdays, holidays and season, moved along with unaffected themes.",
    "running": "Made every night from the days there are. Only a look, on a day set when the "
    "action was shipped, gives a verdict: who reads every night and stops at the best one finds "
    "falls where there are none.",
    "drop": "Avoided contacts as a share of those expected without the change.",
    "entered": "The day on which it was shipped here and the plan froze. Looks whose days were "
    "over by then guard less: whoever chose the day and the drop could have seen their data.",
    "look": "Days that were fixed when the action was shipped; on each a verdict is spoken.",
    "p": "How often chance alone would look at least this unusual.",
    "verdict": "Fell or rose: the 95 % range lies on one side of zero and chance is ruled out. No "
    "change: zero is in the range. Inconclusive: something else may explain it. The other two "
    "wait for days or contacts.",
    "days": "Whole days of data that were learnt from before the change, and counted since. Days "
    "of a roll-out, without an import or without a driver volume are in neither.",
    "definition": "What belongs to the theme changes over time. One definition is used for all "
    "days, before the change and since, so that no difference comes from sorting differently.",
    "compared": "Themes that the change does not touch. What moved all of them, moves what is "
    "expected here.",
    "own_history": "The same estimate from the theme's own past, without other themes.",
    "net": "The theme and those beside it added up, each with what was expected of it: contacts "
    "that only moved between them are no fall.",
    "worth": "The smallest drop that the plan called worth having, in contacts of those expected.",
    "versions": "The program and the libraries that computed it. Other ones may differ in the last "
    "digit.",
    "chart": "Dots are what came, the dashed line what was expected without the change, the band "
    "what chance allows a single day. The shaded area since the change is what was avoided. "
    "Hatched days are not counted.",
    "running_total": "The gap between expected and came, added up day by day, with its 95 % range. "
    "Upright lines are looks; what lies after the last one is no verdict.",
    "signed": "People other than the owner who have read the verdict and stand by it.",
    "where": "The same method for every theme and channel by itself. Single ranges are wider than "
    "the one of the whole, and the middles add up only about.",
    "residual": "What came less what was expected. Before the change it should lie around zero, "
    "with about 1 day in 20 outside the band; what stays below since then is the effect.",
}
"""Rule in words of each number, shown on hover, focus and tap."""


@dataclass(frozen=True)
class SettingInForce:
    """A setting that measurements are made with, what it does, and where it is changed."""

    name: str
    value: str
    meaning: str
    where: str


def settings_in_force(settings: Settings) -> tuple[SettingInForce, ...]:
    """Return what measurements of this site are made with, in words."""
    return (
        SettingInForce(
            "Looks",
            f"after {_listed(LOOK_DAYS)} counted days",
            f"On these days a verdict is spoken: {FIRST_LOOKS} looks decide, those of each quarter "
            "after them confirm or question. They are set when an action is shipped, so that "
            "nobody can wait for a day that suits.",
            "fixed by the method",
        ),
        SettingInForce(
            "Proof asked of a look",
            f"chance below {pct(LOOK_ALPHA)}",
            "Stricter than the usual 5 %, because several looks have several chances to be wrong. "
            f"What a quarterly look claims and the look before it did not needs less than "
            f"{pct(QUARTER_ALPHA)}.",
            "fixed by the method",
        ),
        SettingInForce(
            "Many looks in one night",
            f"at most {share(LOOK_Q)} by chance",
            "Of everything that is claimed in one night so much may be chance (Benjamini and "
            "Hochberg); what goes beyond it is not claimed.",
            "fixed by the method",
        ),
        SettingInForce(
            "Days before the change",
            f"at most {plural(PRE_DAYS_MAX, 'day')}",
            "What is usual for a theme is learnt from them; at least 60 are needed.",
            "fixed by the method",
        ),
        SettingInForce(
            "Followed up",
            f"every night for {plural(FOLLOW_UP_DAYS, 'day')}",
            f"Then every {RUNNING_EVERY_DAYS} days to the last look. What held is measured again "
            f"{_listed(REMEASURE_DAYS)} days later, and watched for a comeback every night.",
            "fixed by the method",
        ),
        SettingInForce(
            "Roll-out",
            "as entered when shipped",
            "Days until everybody had the change are drawn hatched and not counted. Of a roll-out "
            "in stages every day counts, with the share of customers it had reached.",
            "asked when an action is shipped",
        ),
        SettingInForce(
            "Themes beside it",
            f"likeness from {SIBLING_LIKENESS:g}",
            "Themes this alike are watched for contacts that moved, and never compared with.",
            "chosen when an action is shipped",
        ),
        SettingInForce(
            "Unaffected themes",
            f"up to {MOST_CONTROLS}, with {CONTROL_LEAST_MEAN:g} contacts a day or more",
            f"They show what would have happened anyway. One with a fix of its own that was still "
            f"being rolled out in the {RECENT_DAYS} days before, or went live since, is left out.",
            "fixed by the method",
        ),
        SettingInForce(
            "Public holidays",
            settings.holiday_country or "none",
            "Without a calendar a quiet holiday may look like an effect.",
            "CLOSEDLOOP_HOLIDAY_COUNTRY",
        ),
        SettingInForce(
            "Reporting days",
            settings.reporting_zone,
            "A contact counts on the day it began in this time zone; the day that still runs is "
            "never read.",
            "CLOSEDLOOP_REPORTING_ZONE",
        ),
    )


def _listed(days: Sequence[int]) -> str:
    return ", ".join(str(number) for number in days[:-1]) + f" and {days[-1]}"
