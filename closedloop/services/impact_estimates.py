"""The estimates behind one measurement: the theme's own, its siblings', the family's net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from closedloop.domain.impact import Displacement, Range, Verdict, judge_displacement
from closedloop.services.impact_inputs import Counts, MeasurementInputs
from ml.impact import ImpactEstimate, estimate_impact

DECIMALS = 3  # of a daily path: a thousandth of a contact


@dataclass(frozen=True, eq=False)
class Estimates:
    """What one set of inputs says.

    Attributes
    ----------
    own : ImpactEstimate
        Of the theme; its verdict is the measurement's.
    siblings : tuple of ImpactEstimate
        Each sibling on its own, as if the change had been made there.
    net : ImpactEstimate or None
        Theme and siblings added up; None without siblings.
    """

    own: ImpactEstimate
    siblings: tuple[ImpactEstimate, ...]
    net: ImpactEstimate | None

    @property
    def verdict(self) -> Verdict:
        """Of the theme alone."""
        return Verdict(self.own.verdict.value)

    @property
    def displacement(self) -> Displacement:
        """Whether a fall only moved."""
        return judge_displacement(
            self.verdict,
            self.own.avoided,
            avoided_range(self.net) if self.net else None,
            [(Verdict(one.verdict.value), avoided_range(one)) for one in self.siblings],
        )


def avoided_range(estimate: ImpactEstimate) -> Range:
    """Return the contacts avoided with their 95 % range."""
    return Range(estimate.avoided_low, estimate.avoided, estimate.avoided_high)


def make_estimates(inputs: MeasurementInputs) -> Estimates:
    """Estimate theme, siblings and family from the same days and controls; deterministic."""
    columns = [inputs.siblings[:, column] for column in range(inputs.siblings.shape[1])]
    family = inputs.counts + inputs.siblings.sum(axis=1)
    own = _estimate(inputs, inputs.counts)
    return Estimates(
        own=own,
        siblings=tuple(_estimate(inputs, column, own) for column in columns),
        net=_estimate(inputs, family, own) if columns else None,
    )


def _estimate(
    inputs: MeasurementInputs, counts: Counts, same_controls_as: ImpactEstimate | None = None
) -> ImpactEstimate:
    return estimate_impact(
        counts,
        inputs.n_pre,
        inputs.first_day,
        controls=inputs.controls if inputs.controls.shape[1] else None,
        holidays=inputs.holidays,
        skip=inputs.skip,
        alpha=inputs.alpha,
        same_controls_as=same_controls_as,
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
        "verdict": estimates.verdict,
    }


def list_figures(estimates: Estimates, inputs: MeasurementInputs) -> dict[str, Any]:
    """Return the rest of the estimate as JSON: paths, own history, siblings, net."""
    own = estimates.own
    return {
        "z": own.z,
        "level": own.level,
        "alpha": inputs.alpha,
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
        "verdict": alone.verdict.value,
    }
