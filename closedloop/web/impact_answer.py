"""What the page of one action is made of: answer, charts, and the plan beside what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from closedloop.domain.clock import local_day
from closedloop.domain.impact import Verdict, look_number
from closedloop.domain.impact_page_words import (
    CHECK_QUESTIONS,
    STATE_WORDS,
    drop_range,
    held_against,
    precautions,
)
from closedloop.domain.impact_words import CHECK_TITLES, answer, support, to_words
from closedloop.extensions import current_settings
from closedloop.queries.impact import COUNTED_VERDICTS, ShippedAction
from closedloop.queries.impact_measured import Measured
from closedloop.queries.impact_page import FullMeasurement, ImpactPage
from closedloop.queries.impact_places import list_places
from closedloop.web.filters import day as day_words
from closedloop.web.filters import minutes, plural, share
from closedloop.web.impact_charts import (
    impact_chart,
    impact_sentence,
    paths_of,
    residual_chart,
    residual_rows,
    residual_sentence,
    running_chart,
    running_rows,
    running_sentence,
    week_rows,
)
from closedloop.web.impact_drawing import draw_impact, draw_residuals, draw_running
from closedloop.web.impact_rules import RULES


def answer_values(action: ShippedAction, full: FullMeasurement) -> dict[str, Any]:
    """Return what the answer, its picture and the checks are made of."""
    measured, detail = full.measured, full.detail
    found = action.finding(measured)
    worth = action.smallest_drop
    against = held_against(measured.verdict, detail)
    return {
        "measured": measured,
        "detail": detail,
        "answer": answer(found),
        "against": "" if measured.has_moved else against,
        "support": support(found),
        "cautions": _cautions(measured, detail),
        "places": list_places(full),
        "joined": _joined(action, full),
        "precautions": precautions(detail),
        "target": worth * measured.expected if worth and measured.expected > 0 else None,
        "has_range": measured.verdict in COUNTED_VERDICTS,
        "check_titles": CHECK_TITLES,
        "check_questions": CHECK_QUESTIONS,
        "state_words": STATE_WORDS,
    }


def _cautions(measured: Measured, detail: Mapping[str, Any]) -> list[str]:
    """Return the sentences of the checks that question what the answer claims."""
    said = {check["name"]: check["sentence"] for check in detail.get("checks") or ()}
    return [said[name] for name in measured.failed_checks]


def chart_values(action: ShippedAction, full: FullMeasurement) -> dict[str, Any]:
    """Return the charts of a measurement with their sentences, tables and drawings."""
    measured = full.measured
    verdict = measured.verdict.value if measured.is_look else action.verdict.value
    if not paths_of(full).days:
        return {"charted": None}
    came, running = impact_chart(action, full, verdict), running_chart(action, full, verdict)
    residual = residual_chart(action, full)
    return {
        "charted": measured,
        "has_total": measured.verdict is not Verdict.NOT_ENOUGH_DATA,
        "impact_data": came,
        "impact_sentence": impact_sentence(action, full),
        "impact_rows": week_rows(action, full),
        "impact_still": draw_impact(came),
        "running_data": running,
        "running_sentence": running_sentence(full),
        "running_rows": running_rows(action, full),
        "running_still": draw_running(running),
        "residual_data": residual,
        "residual_sentence": residual_sentence(action, full),
        "residual_rows": residual_rows(action, full),
        "residual_still": draw_residuals(residual),
    }


@dataclass(frozen=True)
class Beside:
    """One line of the plan beside what happened; `rule` explains it, empty where words do."""

    name: str
    planned: str
    happened: str
    rule: str = ""


def plan_beside(page: ImpactPage) -> list[Beside]:
    """Return the plan as frozen at ship, line by line, beside what happened since."""
    action, plan, spoken = page.action, page.plan, page.spoken
    lines = [
        Beside("Drop", _drop_planned(action, plan), _drop_measured(spoken), RULES["drop"]),
        Beside("Live", _due(plan), _live(action, plan)),
        Beside("Entered", "", _entered(page), RULES["entered"]),
        Beside("Roll-out", _rolled_out_in(plan), _rolled_out(action, spoken)),
        Beside("Theme", *_themes(action, plan, spoken), RULES["definition"]),
        Beside("Owner", *_owners(action, plan)),
        Beside("Compared with", *_compared(plan, spoken), RULES["compared"]),
        Beside("Themes beside it", *_family(plan, spoken), RULES["net"]),
        Beside("Looks", _looks_planned(plan), _looks_spoken(page), RULES["look"]),
        Beside("Handle time", *_handle_times(plan, spoken), RULES["time"]),
    ]
    return [line for line in lines if line.planned or line.happened]


def _drop_planned(action: ShippedAction, plan: dict[str, Any]) -> str:
    parts = []
    if plan.get("expected_drop"):
        parts.append(f"{share(plan['expected_drop'])} fewer expected")
    if action.smallest_drop:
        parts.append(f"{share(action.smallest_drop)} fewer contacts or better worth having")
    return ", ".join(parts)


def _drop_measured(spoken: FullMeasurement | None) -> str:
    if spoken is None:
        return "not measured yet"
    measured = spoken.measured
    if measured.verdict not in COUNTED_VERDICTS or measured.expected <= 0:
        return f"{measured.verdict.label.lower()}: no drop is claimed"
    found = measured.avoided
    said = drop_range(found.low, found.middle, found.high, measured.expected)
    if measured.has_moved:
        said += ", but the contacts moved to themes beside it"
        if measured.net:
            said += f": {to_words(measured.net.low, measured.net.high)} avoided over all of them"
    if not measured.is_look:
        return f"{said}, running and not yet a verdict"
    return f"{said}, but inconclusive" if measured.verdict is Verdict.INCONCLUSIVE else said


def _due(plan: dict[str, Any]) -> str:
    due = _day(plan.get("due_on"))
    return f"by {day_words(due)}" if due else "no day was set"


def _live(action: ShippedAction, plan: dict[str, Any]) -> str:
    said, due = day_words(action.went_live_on), _day(plan.get("due_on"))
    if due is None:
        return said
    late = (action.went_live_on - due).days
    if late == 0:
        return f"{said}, on the day"
    return f"{said}, {plural(abs(late), 'day')} {'late' if late > 0 else 'early'}"


def _entered(page: ImpactPage) -> str:
    """Say when it was shipped here, if the plan could know data that looks read; else nothing."""
    action, on = page.action, local_day(page.recorded_at, current_settings().reporting_zone)
    over = look_number(action.went_live_on, action.rollout_days, on - timedelta(days=1))
    if not over:
        return ""
    was = "was" if over == 1 else "were"
    return f"{day_words(on)}, when the data of {plural(over, 'look')} {was} there already"


def _rolled_out_in(plan: dict[str, Any]) -> str:
    counted = _day(plan.get("counted_from"))
    return f"counted from {day_words(counted)}" if counted else ""


def _rolled_out(action: ShippedAction, spoken: FullMeasurement | None) -> str:
    joint = spoken is not None and bool(spoken.measured.joint)
    said = "everybody had it at once"
    if action.is_staged:
        counted = "none of them counted" if joint else "all of them counted"
        said = f"in stages over {plural(action.rollout_days, 'day')}, {counted}"
    elif action.rollout_days:
        said = f"{plural(action.rollout_days, 'day')} of roll-out"
        if not joint:
            said += f", counted from {day_words(action.counted_from)}"
    if spoken is None or not joint:
        return said
    first = spoken.measured.counted_from or action.counted_from
    return f"{said}; as one with other changes, counted from {day_words(first)}"


def _themes(
    action: ShippedAction, plan: dict[str, Any], spoken: FullMeasurement | None
) -> tuple[str, str]:
    then = plan.get("theme") or {}
    number = plan.get("definition_number")
    planned = f"{then.get('key', action.theme_key)} {then.get('name', '')}".strip()
    measured = f"{action.theme_key} {action.theme_name}"
    if spoken:
        measured += f", definition {spoken.measured.definition_number}, before and after alike"
    return planned + (f", definition {number}" if number else ""), measured


def _owners(action: ShippedAction, plan: dict[str, Any]) -> tuple[str, str]:
    then = (plan.get("owner") or {}).get("name", "")
    department = (plan.get("department") or {}).get("name", "")
    planned = ", ".join(part for part in (then, department) if part)
    if plan.get("shipped_by") and plan["shipped_by"] != then:
        planned += f"; shipped by {plan['shipped_by']}"
    return planned, f"{action.owner_name or 'nobody'}, {action.department_name} now"


def _compared(plan: dict[str, Any], spoken: FullMeasurement | None) -> tuple[str, str]:
    planned = plural(len(plan["controls"]), "unaffected theme") if "controls" in plan else ""
    if spoken is None:
        return planned, ""
    used = spoken.detail.get("controls_used", len(spoken.detail.get("controls") or ()))
    left = len(spoken.detail.get("left_out") or ())
    return planned, plural(used, "theme") + (f", {left} left out" if left else "")


def _family(plan: dict[str, Any], spoken: FullMeasurement | None) -> tuple[str, str]:
    planned = ""
    if "siblings" in plan:
        planned = ", ".join(plan["siblings"]) or "no theme is alike enough"
    found = (spoken.detail.get("siblings") or ()) if spoken else ()
    figures = [f"{one['key']}: {to_words(one['low'], one['high'])} avoided" for one in found]
    return planned, "; ".join(figures)


def _looks_planned(plan: dict[str, Any]) -> str:
    days = [_day(text) for text in plan.get("looks") or ()]
    return ", ".join(day_words(on) for on in days if on)


def _looks_spoken(page: ImpactPage) -> str:
    spoken = [f"{day_words(one.as_of)}: {one.verdict.label.lower()}" for one in page.looks[::-1]]
    coming = page.action.next_look
    if coming:
        spoken.append(f"next with data to {day_words(coming)}")
    return ", ".join(spoken)


def _handle_times(plan: dict[str, Any], spoken: FullMeasurement | None) -> tuple[str, str]:
    then = plan.get("handle_seconds")
    now = spoken.measured.handle_seconds if spoken else None
    return (
        f"{minutes(then)} a contact" if then else "",
        f"{minutes(now)} a contact before the change, as measured" if now else "",
    )


def _joined(action: ShippedAction, full: FullMeasurement) -> list[tuple[str, str, date]]:
    """Return key, title and go-live of the other actions that were measured as one with it."""
    joint = full.detail.get("joint") or []
    return [
        (one["key"], one["title"], date.fromisoformat(one["day"]))
        for one in joint
        if one["key"] != action.key
    ]


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
