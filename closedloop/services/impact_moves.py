"""Checks of where contacts went: other themes, other channels, other changes."""

from __future__ import annotations

from collections.abc import Sequence

from closedloop.domain.impact import SHARE_MOVED, Check, CheckState, Displacement, Verdict
from closedloop.domain.impact_overlap import GoLive
from closedloop.domain.impact_words import spelt
from closedloop.services.impact_around import Surroundings, listed, signed
from closedloop.services.impact_estimates import Estimates, as_beside
from closedloop.services.impact_inputs import ThemeName

_OK, _WARN, _OFF = CheckState.OK, CheckState.WARN, CheckState.OFF


def moved_reasons(estimates: Estimates, around: Surroundings) -> list[str]:
    """Return the sentence that the contacts only moved, if they did."""
    if estimates.displacement is not Displacement.MOVED or estimates.net is None:
        return []
    own, net = estimates.own, estimates.net
    return [
        f"The contacts moved: {own.avoided:,.0f} fewer came about {_touched(around)}, but more "
        f"than a fix leaves behind came about {_takers(estimates, around)}. Over the family of "
        f"{len(around.siblings) + max(1, len(around.touched))} themes a look cannot show a fall: "
        f"between {signed(net.avoided_low)} and {signed(net.avoided_high)} contacts were avoided."
    ]


def open_reasons(estimates: Estimates, around: Surroundings) -> list[str]:
    """Return the sentence that the contacts may have moved, if nobody can tell."""
    if estimates.displacement is not Displacement.OPEN:
        return []
    taken = _more_at_fewest(estimates, around)
    return [
        f"Alone, {_touched(around)} fell: {estimates.own.avoided:,.0f} fewer contacts came than "
        f"expected. But {taken}, if {_at_fewest(estimates)} there. Whether they would have "
        "cannot be told from a fortnight, so the contacts may have moved, and no fall is claimed. "
        "The next look tells more."
    ]


def _touched(around: Surroundings) -> str:
    """Name all themes that the number is of."""
    return listed([one.name for one in around.touched or (around.theme,)])


def _at_fewest(estimates: Estimates) -> str:
    """Say when fewest were to be expected beside it, which is when most was taken up."""
    before, ways = "right before the change would have", []
    on_peak, on_low = _ended_on(estimates)
    if on_peak:
        ways.append(f"the days of many contacts {before} passed by themselves")
    if on_low:
        ways.append(f"the days of few contacts {before} gone on")
    return listed(ways)


def _unless(estimates: Estimates) -> str:
    """Say when more were to be expected beside it than that."""
    ways = []
    on_peak, on_low = _ended_on(estimates)
    if on_peak:
        ways.append("it was on a new level before the change already")
    if on_low:
        ways.append("it would have come back from a lull by itself")
    return " or ".join(ways)


def _ended_on(estimates: Estimates) -> tuple[bool, bool]:
    """Return whether themes that took contacts up ended on a peak, and whether on a low."""
    takers = [one for one in estimates.siblings if as_beside(one).fewest.high < 0]
    return (
        any(one.peak_passed is not None for one in takers),
        any(one.low_stayed is not None for one in takers),
    )


def _more_at_fewest(estimates: Estimates, around: Surroundings) -> str:
    ranges = [as_beside(one).fewest for one in estimates.siblings]
    return listed(
        [
            f"{-avoided.middle:,.0f} more came about {sibling.name}"
            for sibling, avoided in zip(around.siblings, ranges, strict=True)
            if avoided.high < 0
        ]
    )


def joined_reasons(around: Surroundings) -> list[str]:
    """Return the sentence that several changes are measured as one, if they are."""
    if around.overlap is None or not around.overlap.is_joint:
        return []
    first = around.overlap.members[0]
    return [
        f"{_changes(around.overlap.members)} went live within a few weeks of each other on the "
        "same themes, so what each did cannot be told apart. They are measured as one change "
        f"from {spelt(first.went_live_on)} on, and the result is credited to all of them, once."
    ]


def _changes(members: Sequence[GoLive]) -> str:
    return listed([f"{one.key} “{one.title}” ({spelt(one.went_live_on)})" for one in members])


def check_family(estimates: Estimates, around: Surroundings) -> list[Check]:
    """Say what each of the themes did that the fix touches; nothing where it is only one."""
    if not estimates.parts:
        return []
    each = listed(
        [
            f"{name.name} {signed(part.avoided_low)} to {signed(part.avoided_high)}"
            for name, part in zip(around.touched, estimates.parts, strict=True)
        ]
    )
    sentence = (
        f"The fix touches {len(estimates.parts)} themes, and the number is of all of them "
        f"together. By itself, each avoided (95 %): {each}."
    )
    rose = [
        name.name
        for name, part in zip(around.touched, estimates.parts, strict=True)
        if part.avoided_high < 0
    ]
    if rose:
        return [Check("family", _WARN, f"{sentence} More came about {listed(rose)}.")]
    return [Check("family", _OK, sentence)]


def check_spill(estimates: Estimates, around: Surroundings) -> Check:
    """Say whether contacts that left came up in themes like it."""
    net = estimates.net
    if net is None:
        return Check("spill", _OFF, "No other theme is alike enough for contacts to move to it.")
    names = listed([sibling.name for sibling in around.siblings])
    over = (
        f"Contacts avoided over the family: {signed(net.avoided)} "
        f"(95 %: {signed(net.avoided_low)} to {signed(net.avoided_high)})."
    )
    if estimates.displacement is Displacement.OPEN:
        sentence = (
            f"Contacts may have come up beside it: {_more_at_fewest(estimates, around)}, unless "
            f"{_unless(estimates)}. {over}"
        )
        return Check("spill", _WARN, sentence)
    if takers := list_takers(estimates, around.siblings):
        rose = listed([f"{extra:,.0f} more about {sibling.name}" for sibling, extra in takers])
        return Check("spill", _WARN, f"Contacts came up beside it: {rose}. {over}")
    if estimates.displacement is Displacement.MOVED:
        return Check("spill", _WARN, f"Contacts came up across {names}. {over}")
    if estimates.displacement is Displacement.POSSIBLE:
        sentence = (
            f"No rise stands out in {names}, but together they are too noisy to rule out that "
            f"contacts moved there. {over}"
        )
        return Check("spill", _WARN, sentence)
    return Check("spill", _OK, f"No contacts moved to {names}. {over}")


def list_takers(
    estimates: Estimates, siblings: Sequence[ThemeName]
) -> list[tuple[ThemeName, float]]:
    """Return siblings that rose beyond chance or by a third of what was avoided, and by how much.

    Of a theme that avoided nothing only a rise beyond chance counts.
    """
    enough = SHARE_MOVED * estimates.own.avoided
    found = []
    for sibling, one in zip(siblings, estimates.siblings, strict=True):
        extra = -one.avoided
        if one.verdict.value == Verdict.ROSE.value or (enough > 0 and extra > enough):
            found.append((sibling, extra))
    return found


def _takers(estimates: Estimates, around: Surroundings) -> str:
    takers = list_takers(estimates, around.siblings)
    if takers:
        return listed([f"{sibling.name} (+{extra:,.0f})" for sibling, extra in takers])
    return listed([sibling.name for sibling in around.siblings]) + " together"


def check_channels(estimates: Estimates) -> Check:
    """Say whether contacts that left the themes came by another channel."""
    if not estimates.channels:
        sentence = (
            "The contacts came by one channel, or did not fall, so none moved to another channel."
        )
        return Check("channels", _OFF, sentence)
    enough = SHARE_MOVED * estimates.own.avoided
    rose = [
        (name, -one.avoided)
        for name, one in zip(estimates.channel_names, estimates.channels, strict=True)
        if one.avoided_high < 0
        and (one.verdict.value == Verdict.ROSE.value or -one.avoided > enough)
    ]
    if rose:
        more = listed([f"{extra:,.0f} more by {name or 'other channels'}" for name, extra in rose])
        sentence = f"Within the number, contacts came up by another channel: {more}."
        return Check("channels", _WARN, sentence)
    sentence = (
        f"All {len(estimates.channels)} channels are in the number, and none of them took up what "
        "left the others."
    )
    return Check("channels", _OK, sentence)


def check_together(around: Surroundings) -> list[Check]:
    """Say which changes to the same themes are in the number; nothing where there is no other."""
    overlap = around.overlap
    if overlap is None:
        return []
    found = []
    if overlap.is_joint:
        sentence = (
            f"Measured as one change: {_changes(overlap.members)}. What each did by itself "
            "cannot be told."
        )
        found.append(Check("together", _WARN, sentence))
    if overlap.settled is not None:
        one = overlap.settled
        sentence = (
            f"{one.key} “{one.title}” was live on the same themes before; this is measured "
            f"against the days since that one had settled, from {spelt(one.settled_on)} on."
        )
        found.append(Check("together", _OK, sentence))
    if overlap.blurs:
        sentence = (
            f"{_changes(overlap.blurs)} went live on the same themes too soon after it to be "
            "measured alone. Their effects add up here."
        )
        found.append(Check("together", _WARN, sentence))
    return found


def check_other_fixes(around: Surroundings) -> Check:
    """Say what else went live or was still being rolled out around it, on other themes."""
    mine = {one.id for one in around.touched} | {around.theme.id}
    elsewhere = [fix for fix in around.other_fixes if fix.theme_id not in mine]
    fixes = {(fix.intervention_id, fix.title, fix.went_live_on) for fix in elsewhere}
    themes = len({fix.theme_id for fix in elsewhere})
    if len(fixes) > 1:
        sentence = (
            f"{len(fixes)} other fixes went live or were rolled out around it; the {themes} themes "
            "they touch are left out of the comparison."
        )
        return Check("other_fixes", _OK, sentence)
    if fixes:
        left_out = "its theme is" if themes == 1 else f"the {themes} themes it touches are"
        sentence = (
            f"One other fix went live or was rolled out around it; {left_out} left out of the "
            "comparison."
        )
        return Check("other_fixes", _OK, sentence)
    return Check("other_fixes", _OK, "No other fix went live or was rolled out around it.")
