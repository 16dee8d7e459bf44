"""Metrics of repeats and of resolution: made from who came again, for any reason or the same."""

from __future__ import annotations

from closedloop.domain import metric_formulas as f
from closedloop.domain.metric_formulas import Value
from closedloop.domain.metrics import Better, Counts, Family, Metric, Scope, Unit

_CUSTOMER = "A customer id on contacts."
_THEMES = "A customer id on contacts, and themes."
_FOLLOW_UPS = "What the source calls a follow-up, or merged into it, counts as the same theme."
_MATURE = (
    "Days whose {window} have not passed for every contact stay out. Contacts without a known "
    "customer stay out."
)


def _n(counts: Counts, *names: str) -> dict[str, int]:
    return {name: int(counts[name]) for name in names}


def _rate_any(c: Counts) -> Value:
    return f.repeat_rate_any(**_n(c, "contacts", "identified"), followed=int(c["any"]))


def _rate_same(c: Counts) -> Value:
    return f.repeat_rate_same(**_n(c, "contacts", "identified", "themed"), followed=int(c["same"]))


def _share_back(c: Counts) -> Value:
    return f.repeat_share(**_n(c, "contacts", "identified"), opening=int(c["opening_any"]))


def _avoidance(c: Counts) -> Value:
    return f.next_contact_avoidance(**_n(c, "contacts", "identified"), followed=int(c["any"]))


def _snowball(c: Counts) -> Value:
    return f.snowball_contacts(**_n(c, "contacts", "identified"), opening=int(c["opening_any"]))


def _snowball_minutes(c: Counts) -> Value:
    counts = _n(c, "contacts", "identified", "handled", "beyond_seconds")
    return f.snowball_minutes(**counts, opening=int(c["opening_any"]))


def _fcr(c: Counts) -> Value:
    counts = _n(c, "contacts", "identified", "themed")
    return f.fcr(**counts, opening=int(c["opening_same"]), resolved=int(c["resolved_same"]))


def _one_contact(c: Counts) -> Value:
    counts = _n(c, "contacts", "identified")
    return f.one_contact_resolution(
        **counts, opening=int(c["opening_any"]), resolved=int(c["resolved_any"])
    )


def _per_resolution(c: Counts) -> Value:
    return f.contacts_per_resolution(**_n(c, "contacts", "identified"), followed=int(c["any"]))


def _survey(c: Counts) -> Value:
    return f.fcr_survey(
        contacts=int(c["contacts"]), answers=int(c["survey_answers"]), yes=int(c["survey_yes"])
    )


def _call_resolution(c: Counts) -> Value:
    return f.call_resolution(
        contacts=int(c["contacts"]), known=int(c["resolution_known"]), yes=int(c["resolution_yes"])
    )


_SAME_COUNTS = ("contacts", "identified", "themed", "opening_same", "resolved_same")
_ANY_COUNTS = ("contacts", "identified", "any")

REPEATS = (
    Metric(
        key="repeat_rate_any",
        name="Repeat rate, any reason",
        family=Family.REPEATS,
        unit=Unit.SHARE,
        better=Better.LOWER,
        rule="Gross: of the contacts with a known customer, the share after which the same "
        "customer contacted again for any reason, through any channel, within {window}. "
        f"{_MATURE} An upper bound: not every next contact is about the same matter.",
        source="followed within the window, any reason / identified contacts",
        needs=_CUSTOMER,
        counts=_ANY_COUNTS,
        compute=_rate_any,
        needs_window=True,
        matures=True,
        above="followed-any",
        below="known",
        forks="Some count repeats among all tickets, or customers with more than one contact; "
        "this one scores the first of two contacts, not the second.",
    ),
    Metric(
        key="repeat_rate_same",
        name="Repeat rate, same theme",
        family=Family.REPEATS,
        unit=Unit.SHARE,
        better=Better.LOWER,
        rule="Of the contacts with a known customer, the share after which the same customer "
        f"contacted again about the same theme within {{window}}. {_FOLLOW_UPS} {_MATURE} A lower "
        "bound: other contacts without a theme count as not followed.",
        source="followed within the window, same theme / identified contacts",
        needs=_THEMES,
        counts=("contacts", "identified", "themed", "same"),
        compute=_rate_same,
        needs_window=True,
        matures=True,
        above="followed-same",
        below="known",
        forks="Wrap-up codes instead of themes: miscoding makes the same look different.",
    ),
    Metric(
        key="repeat_rate_net",
        name="Repeat rate, net",
        family=Family.REPEATS,
        unit=Unit.SHARE,
        better=Better.LOWER,
        rule="As the repeat rate for any reason within {window}, without the contacts whose "
        "wrap-up code is on the list fixed in advance: they are left out above and below the "
        "line, while one that follows another contact still makes that one a repeat. "
        f"{_MATURE} Days before the first list stay out.",
        source="as the gross rate, over contacts whose wrap-up code is not on the list of that day",
        needs="A customer id and a wrap-up code on contacts, and a list of codes.",
        counts=_ANY_COUNTS,
        compute=_rate_any,
        scope=Scope.NET,
        why_empty="No list of wrap-up codes was in force on these days, or no contact fits. Lists "
        "are fixed under Metrics, Lists.",
        needs_window=True,
        matures=True,
        above="in:net followed-any",
        below="in:net known",
        forks="A list that may be changed for the past is a dial; here it holds from a day on.",
    ),
    Metric(
        key="repeat_share",
        name="Repeat share, looking back",
        family=Family.REPEATS,
        unit=Unit.SHARE,
        better=Better.LOWER,
        rule="Of the contacts with a known customer, the share that came at most {window} after "
        "an earlier contact of the same customer, for any reason. It looks back, so every day "
        "counts at once; the first {window} of the data have less to look back on.",
        source="identified contacts − those with none in the window before / identified contacts",
        needs=_CUSTOMER,
        counts=("contacts", "identified", "opening_any"),
        compute=_share_back,
        needs_window=True,
        above="again-any",
        below="known",
        forks="Often called the repeat rate. Looking back labels the repeat; looking forward "
        "scores the contact that did not help.",
    ),
    Metric(
        key="next_contact_avoidance",
        name="Next contact avoidance",
        family=Family.REPEATS,
        unit=Unit.SHARE,
        better=Better.HIGHER,
        rule="Of the contacts with a known customer, the share with no other contact of that "
        f"customer within {{window}} after, for any reason, in any channel. {_MATURE}",
        source="1 − repeat rate for any reason",
        needs=_CUSTOMER,
        counts=_ANY_COUNTS,
        compute=_avoidance,
        needs_window=True,
        matures=True,
        above="unfollowed-any",
        below="known",
        forks="Genesys fixes the window at 7 days and counts media it cannot link as new "
        "customers.",
    ),
    Metric(
        key="snowball_contacts",
        name="Snowball, contacts",
        family=Family.REPEATS,
        unit=Unit.COUNT,
        better=Better.LOWER,
        rule="Contacts beyond the first: those with a known customer that came at most {window} "
        "after an earlier one of the same customer, for any reason. It looks back, so every day "
        "counts at once.",
        source="identified contacts − those with none in the window before",
        needs=_CUSTOMER,
        counts=("contacts", "identified", "opening_any"),
        compute=_snowball,
        needs_window=True,
        above="again-any",
        below="known",
    ),
    Metric(
        key="snowball_minutes",
        name="Snowball, minutes",
        family=Family.REPEATS,
        unit=Unit.MINUTES,
        better=Better.LOWER,
        rule="Handle minutes of the contacts beyond the first: with a known customer, at most "
        "{window} after an earlier one of the same customer, for any reason. Contacts without a "
        "handle time add nothing.",
        source="handle time of identified contacts with one in the window before",
        needs="A customer id and a handle time on contacts.",
        counts=("contacts", "identified", "handled", "opening_any", "beyond_seconds"),
        compute=_snowball_minutes,
        needs_window=True,
        above="again-any",
        below="known",
    ),
    Metric(
        key="resolution_team_repeats",
        name="Resolution teams, repeat rate",
        family=Family.REPEATS,
        unit=Unit.SHARE,
        better=Better.LOWER,
        rule="Of the contacts with a known customer that came to a queue flagged as a resolution "
        "team, the share after which the same customer contacted again for any reason, anywhere, "
        f"within {{window}}. {_MATURE} A queue counts on the days on which it is flagged.",
        source="followed within 7 days, any reason / identified contacts, in flagged queues",
        needs="A customer id and a queue on contacts, and at least one flagged queue.",
        counts=_ANY_COUNTS,
        compute=_rate_any,
        scope=Scope.TEAMS,
        why_empty="No queue was flagged as a resolution team on these days, or no contact fits. "
        "Queues are flagged under Metrics, Lists.",
        needs_window=True,
        matures=True,
        fixed_window="7d",
        above="in:teams followed-any",
        below="in:teams known",
        forks="For a team that owns a matter to the end; for other teams it is no measure of "
        "their work.",
    ),
)

RESOLUTION = (
    Metric(
        key="fcr",
        name="First contact resolution",
        family=Family.RESOLUTION,
        unit=Unit.SHARE,
        better=Better.HIGHER,
        rule="Operational, gross: of the contacts that open a matter (known customer, none about "
        "the same theme in the {window} before), the share not followed by another about the "
        f"same theme within {{window}}. {_FOLLOW_UPS} {_MATURE} Silence is no proof that it was "
        "resolved.",
        source="opening and not followed / opening, same theme",
        needs=_THEMES,
        counts=_SAME_COUNTS,
        compute=_fcr,
        needs_window=True,
        matures=True,
        above="resolved-same",
        below="opens-same",
        forks="“Marked resolved” by the agent is call resolution; what customers say is the "
        "survey figure.",
    ),
    Metric(
        key="fcr_net",
        name="First contact resolution, net",
        family=Family.RESOLUTION,
        unit=Unit.SHARE,
        better=Better.HIGHER,
        rule="As first contact resolution within {window}, without the contacts that cannot be "
        "resolved at first level: those whose wrap-up code is on the list fixed in advance, left "
        f"out above and below the line. {_MATURE} Days before the first list stay out.",
        source="as the gross figure, over contacts whose wrap-up code is not on the list that day",
        needs="A customer id and a wrap-up code on contacts, themes, and a list of codes.",
        counts=_SAME_COUNTS,
        compute=_fcr,
        scope=Scope.NET,
        why_empty="No list of wrap-up codes was in force on these days, or no contact fits. Lists "
        "are fixed under Metrics, Lists.",
        needs_window=True,
        matures=True,
        above="in:net resolved-same",
        below="in:net opens-same",
        forks="The list must be fixed in advance, or the figure can be turned up afterwards.",
    ),
    Metric(
        key="fcr_survey",
        name="First contact resolution, survey",
        family=Family.RESOLUTION,
        unit=Unit.SHARE,
        better=Better.HIGHER,
        rule="Of the customers who answered whether their matter was resolved, the share who say "
        "yes. Response rate: answers of all contacts, asked or not. No window.",
        source="yes / answers",
        needs="An answer of the customer on contacts (survey_resolved).",
        counts=("contacts", "survey_answers", "survey_yes"),
        compute=_survey,
        above="has:survey-yes",
        below="has:survey-answered",
        forks="Those who answer are not all customers: publish it beside the operational figure.",
    ),
    Metric(
        key="one_contact_resolution",
        name="One contact resolution",
        family=Family.RESOLUTION,
        unit=Unit.SHARE,
        better=Better.HIGHER,
        rule="Of the contacts that open a matter (known customer, none for any reason in the "
        "{window} before), the share after which nothing came from that customer within "
        f"{{window}}: for no reason, in no channel. {_MATURE}",
        source="opening and not followed / opening, any reason",
        needs=_CUSTOMER,
        counts=("contacts", "identified", "opening_any", "resolved_any"),
        compute=_one_contact,
        needs_window=True,
        matures=True,
        above="resolved-any",
        below="opens-any",
        forks="In surveys: one contact and one channel, by the customer's word.",
    ),
    Metric(
        key="call_resolution",
        name="Call resolution",
        family=Family.RESOLUTION,
        unit=Unit.SHARE,
        better=Better.HIGHER,
        rule="Of all contacts received, the share that the source marks as resolved; those it "
        "says nothing of count as not resolved. No window, no customer needed.",
        source="marked resolved / contacts received",
        needs="A mark of the source on contacts (resolved).",
        counts=("contacts", "resolution_known", "resolution_yes"),
        compute=_call_resolution,
        above="has:resolved",
        below="all",
        parts=(("Marked, resolved or not", "has:resolution-known"),),
        forks="Of contacts that carry a mark only: then leaving marks out would raise it.",
    ),
    Metric(
        key="contacts_per_resolution",
        name="Contacts per resolution",
        family=Family.RESOLUTION,
        unit=Unit.RATIO,
        better=Better.LOWER,
        rule="Contacts with a known customer for each chain that closed; a chain closes with the "
        f"contact that nothing follows within {{window}}, for any reason. {_MATURE}",
        source="identified contacts / identified contacts not followed, any reason",
        needs=_CUSTOMER,
        counts=_ANY_COUNTS,
        compute=_per_resolution,
        needs_window=True,
        matures=True,
        above="known",
        below="unfollowed-any",
        stands="known",
        forks="Escalations per closed case count hand-overs, not arrivals.",
    ),
)
