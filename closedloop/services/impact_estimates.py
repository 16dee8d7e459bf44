"""The estimates behind one measurement: of the change, of each theme, of what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from closedloop.domain.impact import (
    Beside,
    Displacement,
    Range,
    Verdict,
    judge_displacement,
    verdict_beside,
)
from closedloop.domain.impact_judging import (
    TESTED,
    Lately,
    is_withheld,
    judge_lately,
    q_value,
)
from closedloop.services.impact_packing import Counts, MeasurementInputs
from ml.impact import ImpactCase, ImpactEstimate, estimate_many

DECIMALS = 3  # of a daily path: a thousandth of a contact


@dataclass(frozen=True, eq=False)
class Estimates:
    """What one set of inputs says.

    Attributes
    ----------
    own : ImpactEstimate
        Of all themes that the change touches together, before it is judged among others.
    q_value : float or None
        Of a look, adjusted for the others judged with it; None where nothing was tested.
    judged_with : tuple of float or None
        p-values of the other looks that it was judged with; None outside of looks.
    siblings : tuple of ImpactEstimate
        Each sibling on its own, as if the change had been made there.
    net : ImpactEstimate or None
        The touched themes and siblings added up; None without siblings.
    parts : tuple of ImpactEstimate
        Each touched theme on its own; empty when it is only one.
    channels : tuple of ImpactEstimate
        Each channel on its own; empty unless the contacts fell.
    channel_names : tuple of str
        In the order of `channels`; empty is all channels that are not named.
    lately : ImpactEstimate or None
        The newest days on their own; None unless the contacts fell long enough ago.
    smallest_drop : float
        Share worth having that `lately` is held against, 0 where none was planned.
    alpha : float
        Significance that was asked.
    """

    own: ImpactEstimate
    q_value: float | None
    judged_with: tuple[float, ...] | None
    siblings: tuple[ImpactEstimate, ...]
    net: ImpactEstimate | None
    parts: tuple[ImpactEstimate, ...]
    channels: tuple[ImpactEstimate, ...]
    channel_names: tuple[str, ...]
    lately: ImpactEstimate | None
    smallest_drop: float
    alpha: float

    @property
    def is_withheld(self) -> bool:
        """Whether it would have claimed something alone, but not among so many looks."""
        return is_withheld(Verdict(self.own.verdict.value), self.q_value)

    @property
    def verdict(self) -> Verdict:
        """Of the touched themes together, judged among the looks of the night and the siblings."""
        return verdict_beside(self._among_looks, self.displacement)

    @property
    def _among_looks(self) -> Verdict:
        return Verdict.INCONCLUSIVE if self.is_withheld else Verdict(self.own.verdict.value)

    @property
    def displacement(self) -> Displacement:
        """Whether a fall only moved."""
        return judge_displacement(
            self._among_looks,
            self.own.avoided,
            as_beside(self.net) if self.net else None,
            [as_beside(one) for one in self.siblings],
        )

    @property
    def still(self) -> Lately | None:
        """Whether the fall stands in the newest days; None where that is not asked."""
        if self.lately is None:
            return None
        return judge_lately(avoided_range(self.lately), self.lately.expected, self.smallest_drop)


def as_beside(estimate: ImpactEstimate) -> Beside:
    """Return what is asked of a sibling's estimate, or of the whole family's."""
    fewest = estimate.peak_passed or estimate.low_stayed
    at_fewest = None
    if fewest is not None:
        at_fewest = Range(fewest.avoided_low, fewest.avoided, fewest.avoided_high)
    return Beside(Verdict(estimate.verdict.value), avoided_range(estimate), at_fewest)


def avoided_range(estimate: ImpactEstimate) -> Range:
    """Return the contacts avoided with their 95 % range."""
    return Range(estimate.avoided_low, estimate.avoided, estimate.avoided_high)


def make_estimates(inputs: MeasurementInputs) -> Estimates:
    """Estimate everything from the same days and controls; deterministic."""
    return make_many([inputs])[0]


def make_many(inputs: Sequence[MeasurementInputs]) -> list[Estimates]:
    """Estimate many measurements together, each with the same bits as by itself.

    What they find out about the same unaffected themes on the same days they find out once.
    """
    owns = estimate_many([_case(one, one.counts) for one in inputs])
    inputs, owns = _at_the_alpha_of_their_side(inputs, owns)
    asked = [_beside(one, own) for one, own in zip(inputs, owns, strict=True)]
    answers = iter(estimate_many([case for cases in asked for case in cases.values()]))
    return [
        _assemble(one, own, {name: next(answers) for name in cases})
        for one, own, cases in zip(inputs, owns, asked, strict=True)
    ]


def _at_the_alpha_of_their_side(
    inputs: Sequence[MeasurementInputs], owns: Sequence[ImpactEstimate]
) -> tuple[list[MeasurementInputs], list[ImpactEstimate]]:
    """Return inputs and estimates again, each at the significance asked of a fall or of a rise.

    Only an estimate that says the contrary of a claim in force is asked for more than `alpha`.
    """
    asked = [
        replace(one, alpha=one.alpha_of(own.avoided)) if _leaves_zero_out(own) else one
        for one, own in zip(inputs, owns, strict=True)
    ]
    turned = [n for n, one in enumerate(asked) if one.alpha != inputs[n].alpha]
    found = list(owns)
    again = estimate_many([_case(asked[n], asked[n].counts) for n in turned]) if turned else []
    for place, own in zip(turned, again, strict=True):
        found[place] = own
    return asked, found


def _leaves_zero_out(own: ImpactEstimate) -> bool:
    return own.avoided_low > 0 or own.avoided_high < 0


def _beside(inputs: MeasurementInputs, own: ImpactEstimate) -> dict[str, ImpactCase]:
    """Return what else is estimated once the change itself is, in order, by name."""
    cases: dict[str, ImpactCase] = {}
    siblings = _columns(inputs.siblings)
    for number, column in enumerate(siblings):
        cases[f"sibling {number}"] = _case(inputs, column, own)
    if siblings:
        family = inputs.counts + inputs.siblings.sum(axis=1, dtype=inputs.counts.dtype)
        cases["net"] = _case(inputs, family, own)
    for number, column in enumerate(_columns(inputs.parts)):
        cases[f"part {number}"] = _case(inputs, column, own)
    if own.verdict.value == Verdict.FELL.value:
        for number, column in enumerate(_columns(inputs.channels)):
            cases[f"channel {number}"] = _case(inputs, column, own)
        if inputs.lately:
            cases["lately"] = _case(inputs, inputs.counts, own, inputs.lately)
    return cases


def _assemble(
    inputs: MeasurementInputs, own: ImpactEstimate, found: dict[str, ImpactEstimate]
) -> Estimates:
    def all_of(kind: str) -> tuple[ImpactEstimate, ...]:
        return tuple(one for name, one in found.items() if name.startswith(f"{kind} "))

    channels = all_of("channel")
    alone = Estimates(
        own=own,
        q_value=None,
        judged_with=None,
        siblings=all_of("sibling"),
        net=found.get("net"),
        parts=all_of("part"),
        channels=channels,
        channel_names=inputs.channel_names if channels else (),
        lately=found.get("lately"),
        smallest_drop=inputs.smallest_drop or 0.0,
        alpha=inputs.alpha,
    )
    return judge_among(alone, inputs.others)


def judge_among(alone: Estimates, others: tuple[float, ...] | None) -> Estimates:
    """Return the estimates judged among other looks.

    Parameters
    ----------
    alone : Estimates
    others : tuple of float or None
        p-values of the looks judged with it; None outside of looks.
    """
    is_tested = others is not None and Verdict(alone.own.verdict.value) in TESTED
    return replace(
        alone,
        q_value=q_value(alone.own.p_value, others or ()) if is_tested else None,
        judged_with=others,
    )


def _columns(counts: Counts | None) -> list[Counts]:
    return [] if counts is None else [counts[:, column] for column in range(counts.shape[1])]


def _case(
    inputs: MeasurementInputs,
    counts: Counts,
    same_controls_as: ImpactEstimate | None = None,
    left_out: tuple[int, ...] = (),
) -> ImpactCase:
    return ImpactCase(
        counts,
        inputs.n_pre,
        inputs.first_day,
        controls=inputs.controls if inputs.controls.shape[1] else None,
        holidays=inputs.holidays,
        skip=(*inputs.skip, *left_out),
        alpha=inputs.alpha,
        same_controls_as=same_controls_as,
        driver=inputs.driver,
        stages=inputs.stages,
        prior=inputs.prior,
    )


def list_columns(estimates: Estimates) -> dict[str, Any]:
    """Return the columns of a measurement that the estimate fills."""
    own = estimates.own
    return {
        "n_pre": own.n_pre,
        "n_post": own.n_post,
        "observed": own.observed,
        "expected": own.expected,
        "avoided": own.avoided,
        "avoided_low": own.avoided_low,
        "avoided_high": own.avoided_high,
        "p_value": own.p_value,
        "q_value": estimates.q_value,
        "verdict": estimates.verdict,
    }


def list_figures(estimates: Estimates, inputs: MeasurementInputs) -> dict[str, Any]:
    """Return the rest of the estimate as JSON: paths, own history, parts, siblings, net."""
    own = estimates.own
    return {
        "z": own.z,
        "level": own.level,
        "alpha": estimates.alpha,
        "could_have_seen": own.could_have_seen,
        "controls_used": own.controls_used,
        "controls_tried": own.controls_tried,
        "share_of_controls_moved": own.share_of_controls_moved,
        "path": {
            "observed": [int(count) for count in inputs.counts],
            "expected": _rounded(own.expected_per_day),
            "low": _rounded(own.low_per_day),
            "high": _rounded(own.high_per_day),
        },
        "cumulative": {
            "avoided": _rounded(own.avoided_cumulative),
            "low": _rounded(own.avoided_cumulative_low),
            "high": _rounded(own.avoided_cumulative_high),
        },
        "own_history": _own_history(own),
        "sibling_figures": [_brief(one) for one in estimates.siblings],
        "net": _brief(estimates.net) if estimates.net else None,
        "displacement": estimates.displacement.value,
        **_since_2(estimates),
    }


def _since_2(estimates: Estimates) -> dict[str, Any]:
    """Return what method 2.0 added; older rows do not have it."""
    own = estimates.own
    return {
        "part_figures": [_brief(one) for one in estimates.parts],
        "channel_figures": [
            {"channel": name, **_brief(one)}
            for name, one in zip(estimates.channel_names, estimates.channels, strict=True)
        ],
        "lately": _brief(estimates.lately) if estimates.lately else None,
        "still": estimates.still.value if estimates.still else None,
        "judged_with": None if estimates.judged_with is None else list(estimates.judged_with),
        "is_withheld": estimates.is_withheld,
        "gap_days": own.gap_days,
        "gap_is_low": own.low_stayed is not None,
        "widened_by": own.widened_by,
        "days_needed": own.days_needed,
        "contacts_needed": own.contacts_needed,
        "history_needed": own.history_needed,
        "rate": asdict(own.rate) if own.rate else None,
        "reached": asdict(own.reached) if own.reached else None,
    }


def _rounded(values: Any) -> list[float]:
    return [round(float(value), DECIMALS) for value in values]


def _brief(estimate: ImpactEstimate) -> dict[str, Any]:
    return {
        "observed": estimate.observed,
        "expected": estimate.expected,
        "avoided": estimate.avoided,
        "low": estimate.avoided_low,
        "high": estimate.avoided_high,
        "p_value": estimate.p_value,
        "verdict": estimate.verdict.value,
    }


def _own_history(own: ImpactEstimate) -> dict[str, Any] | None:
    alone = own.own_history
    if alone is None:
        return None
    return {
        "expected": alone.expected,
        "avoided": alone.avoided,
        "low": alone.avoided_low,
        "high": alone.avoided_high,
        "p_value": alone.p_value,
        "z": alone.z,
        "verdict": alone.verdict.value,
        "widened_by": alone.widened_by,
    }
