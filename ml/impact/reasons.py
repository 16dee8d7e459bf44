"""The sentences beside a verdict: what it was compared with, and what was done about doubts."""

from __future__ import annotations

from dataclasses import replace

from ml.impact.answer import Finding, decide, explain, signed
from ml.impact.calibration import Strays
from ml.impact.control import LEAST_DONORS, donors
from ml.impact.inputs import Series
from ml.impact.types import OwnHistory, Rate, Reached

BUNDLE = 1000  # units of the driver that a rate is told for


def give_reasons(
    finding: Finding,
    series: Series,
    own: OwnHistory | None,
    *,
    gap_days: int,
    gap_is_low: bool,
    strays: Strays,
    rate: Rate | None,
    reached: Reached | None,
) -> tuple[str, ...]:
    """Say the verdict and what stands behind it, in the order in which a reader asks."""
    return (
        *explain(finding),
        *_held_against(rate, series),
        *_customers_reached(reached),
        *_comparison(own, series, len(strays.left_out)),
        *_gap(gap_days, is_low=gap_is_low),
        *_widening(strays, own),
        *_disagreement(finding, own),
    )


def _held_against(rate: Rate | None, series: Series) -> tuple[str, ...]:
    found = []
    if rate is not None:
        found.append(
            f"Held against the volume that contacts scale with: {BUNDLE * rate.expected:,.3g} "
            f"contacts for every {BUNDLE:,} of it were expected, {BUNDLE * rate.observed:,.3g} "
            "came."
        )
    if series.days_without_volume:
        days = series.days_without_volume
        are = (
            "1 day without that volume is" if days == 1 else f"{days} days without that volume are"
        )
        found.append(f"{are} not counted.")
    return tuple(found)


def _customers_reached(reached: Reached | None) -> tuple[str, ...]:
    if reached is None:
        return ()
    if reached.drop_low > 1:
        return (
            f"The change had reached {reached.share:.0%} of customers on average, and more fell "
            "than they can explain: something else fell as well.",
        )
    return (
        f"The change had reached {reached.share:.0%} of customers on average. If the others "
        f"went on as before, contacts of those reached fell by {_share(reached.drop)} "
        f"({_share(reached.drop_low)} to {_share(reached.drop_high)}).",
    )


def _share(share: float) -> str:
    text = f"{abs(share):.0%}"
    return f"−{text}" if share < 0 and text != "0%" else text


def _comparison(own: OwnHistory | None, series: Series, left_out: int) -> tuple[str, ...]:
    usable = int(donors(series).sum())
    if own is not None and left_out:
        return (
            f"Compared with {usable - left_out} themes that the change does not touch. "
            f"{left_out} more moved on the same date and {'is' if left_out == 1 else 'are'} left "
            "out.",
        )
    if own is not None:
        return (f"Compared with {usable} themes that the change does not touch.",)
    return (
        "Judged on the theme's own history alone: "
        f"{'1 unaffected theme has' if usable == 1 else f'{usable} unaffected themes have'} "
        "enough contacts to compare with, "
        f"{LEAST_DONORS} are needed.",
    )


def _gap(gap_days: int, *, is_low: bool) -> tuple[str, ...]:
    if not gap_days:
        return ()
    if is_low:
        return (
            f"The {gap_days} days before the change were lower than the days before them led to "
            "expect. Contacts may have come back from there by themselves, or may have fallen for "
            "good before the change already: the range holds both, and most likely is half way.",
        )
    return (
        f"The {gap_days} days before the change were higher than the days before them led to "
        "expect. From a peak contacts fall by themselves, but a new level may have begun, too: "
        "the range holds both, and most likely is half way.",
    )


def _widening(strays: Strays, own: OwnHistory | None) -> tuple[str, ...]:
    factor = strays.widened_alone if own is None else strays.widened_by
    if factor == 1:
        return ()
    many, said = strays.moved, "strayed"
    if own is not None and not strays.are_many:
        many, said = strays.apart, "strayed from the others"
    return (
        f"{many} of {strays.tried} unaffected themes {said} on the same date, so ranges are "
        f"{factor:.2g} times as wide as the model alone would have them.",
    )


def _disagreement(finding: Finding, own: OwnHistory | None) -> tuple[str, ...]:
    alone = replace(finding, moved=0)  # whether others moved is not for own history to say
    if own is None or own.verdict is decide(alone):
        return ()
    return (
        "The theme's own history alone says something else: "
        f"{own.verdict.replace('_', ' ')}, with {signed(own.avoided_low)} to "
        f"{signed(own.avoided_high)} contacts avoided.",
    )
