"""Metrics of demand, of handling and cost, and of what customers say."""

from __future__ import annotations

from closedloop.domain import metric_formulas as f
from closedloop.domain.metric_formulas import Value
from closedloop.domain.metrics import Better, Counts, Family, Metric, Scope, Unit


def _n(counts: Counts, *names: str) -> dict[str, int]:
    return {name: int(counts[name]) for name in names}


def _contacts(c: Counts) -> Value:
    return f.contact_count(**_n(c, "contacts", "identified"))


def _customers(c: Counts) -> Value:
    return f.customer_count(**_n(c, "contacts", "identified", "customers"))


def _rate(c: Counts) -> Value:
    return f.contact_rate(**_n(c, "contacts", "days", "days_with_volume"), volume=c["volume"])


def _failure(c: Counts) -> Value:
    return f.failure_share(**_n(c, "contacts", "judged", "failure"))


def _aht(c: Counts) -> Value:
    return f.average_handle_time(**_n(c, "contacts", "handled", "handle_seconds"))


def _abandonment(c: Counts) -> Value:
    return f.abandonment_rate(**_n(c, "contacts", "queued", "abandoned"))


def _transfers(c: Counts) -> Value:
    return f.transfer_rate(**_n(c, "contacts", "transferable", "transferred"))


def _cost(c: Counts) -> Value:
    return f.cost_per_contact(**_n(c, "contacts", "priced"), pence=c["pence"])


def _csat(c: Counts) -> Value:
    return f.csat(
        contacts=int(c["contacts"]),
        answers=int(c["csat_answers"]),
        satisfied=int(c["csat_satisfied"]),
    )


def _nps(c: Counts) -> Value:
    return f.nps(
        contacts=int(c["contacts"]),
        answers=int(c["nps_answers"]),
        promoters=int(c["nps_promoters"]),
        detractors=int(c["nps_detractors"]),
    )


def _ces(c: Counts) -> Value:
    return f.ces(
        contacts=int(c["contacts"]),
        answers=int(c["ces_answers"]),
        hundredths=int(c["ces_hundredths"]),
    )


def _rate_net(c: Counts) -> Value:
    counts = _n(c, "contacts", "identified", "days", "days_with_volume")
    return f.contact_rate_net(**counts, opening=int(c["opening_any"]), volume=c["volume"])


DEMAND = (
    Metric(
        key="contacts",
        name="Contacts",
        family=Family.DEMAND,
        unit=Unit.COUNT,
        better=Better.LOWER,
        rule="Arrivals of customers. Legs, transfers and messages inside a session gap are one "
        "contact; a merged or follow-up ticket is one of its own.",
        source="contacts",
        needs="Nothing more.",
        counts=("contacts", "identified"),
        compute=_contacts,
        above="all",
        below="all",
        forks="Ticket systems count tickets, telephony counts legs.",
    ),
    Metric(
        key="customers",
        name="Customers",
        family=Family.DEMAND,
        unit=Unit.COUNT,
        better=Better.NEITHER,
        rule="Distinct known customers with a contact in the period; somebody who came on two "
        "days counts once. Contacts without a known customer stay out.",
        source="distinct customers of the contacts themselves, not of the roll-up",
        needs="A customer id on contacts.",
        counts=("contacts", "identified", "customers"),
        compute=_customers,
        scope=Scope.CUSTOMERS,
        parts=(("Their contacts", "known"),),
        forks="Several ids of one person count as several until a match rule links them.",
    ),
    Metric(
        key="contact_rate",
        name="Contact rate",
        family=Family.DEMAND,
        unit=Unit.PER_1000,
        better=Better.LOWER,
        rule="Contacts for 1,000 of the driver volume (orders, customers, bills), over the days "
        "on which the volume is known. Gross: every contact counts. No window.",
        source="contacts / driver volume × 1,000",
        needs="An imported daily driver volume.",
        counts=("contacts", "volume", "days", "days_with_volume"),
        compute=_rate,
        scope=Scope.DRIVEN,
        above="in:volume",
        stands="in:volume",
        forks="Orders against shipments; net of repeats is the next one.",
    ),
    Metric(
        key="contact_rate_net",
        name="Contact rate, net",
        family=Family.DEMAND,
        unit=Unit.PER_1000,
        better=Better.LOWER,
        rule="Contacts that open a matter, for 1,000 of the driver volume: the customer is known "
        "and had no contact, for any reason, within {window} before. So however often somebody "
        "comes again within it, the matter counts once. Over the days on which the volume is "
        "known; contacts without a known customer stay out. It looks back, so every day counts at "
        "once; the first {window} of the data have less to look back on.",
        source="identified contacts with none in the window before / driver volume × 1,000",
        needs="An imported daily driver volume, and a customer id on contacts.",
        counts=("contacts", "identified", "opening_any", "volume", "days", "days_with_volume"),
        compute=_rate_net,
        scope=Scope.DRIVEN,
        needs_window=True,
        above="in:volume opens-any",
        stands="in:volume opens-any",
        forks="Once for each order: an order id is not kept on contacts.",
    ),
    Metric(
        key="failure_share",
        name="Failure demand share",
        family=Family.DEMAND,
        unit=Unit.SHARE,
        better=Better.LOWER,
        rule="Of the contacts whose theme was judged failure or value demand at triage, the share "
        "of failure demand. Themes not judged, or judged unclear, stay out; the coverage says "
        "how much that leaves. No window.",
        source="contacts of themes judged failure / of themes judged failure or value",
        needs="Themes, judged at triage.",
        counts=("contacts", "judged", "failure"),
        compute=_failure,
        scope=Scope.JUDGED,
        above="in:failure",
        below="in:judged",
        forks="Of all demand, with the rest taken for value; made a target it gets recoded.",
    ),
)

HANDLING = (
    Metric(
        key="aht",
        name="Average handle time",
        family=Family.HANDLING,
        unit=Unit.SECONDS,
        better=Better.NEITHER,
        rule="Mean of talk, hold and after-contact work as the source gives it, over the contacts "
        "that have a handle time; the median stands beside it. No window.",
        source="handle time / contacts with a handle time",
        needs="A handle time on contacts.",
        counts=("contacts", "handled", "handle_seconds"),
        compute=_aht,
        above="has:handled",
        below="has:handled",
        forks="Chats handled side by side count their full time each.",
    ),
    Metric(
        key="abandonment",
        name="Abandonment rate",
        family=Family.HANDLING,
        unit=Unit.SHARE,
        better=Better.LOWER,
        rule="Of the contacts of which the source says whether they were given up in the queue, "
        "the share that was. Short abandons count as the source counts them. No window.",
        source="abandoned / contacts of which it is known",
        needs="Whether contacts were abandoned.",
        counts=("contacts", "queued", "abandoned"),
        compute=_abandonment,
        above="has:abandoned",
        below="has:queued",
        forks="Callbacks, and calls given up within 5 to 10 seconds, are left out by some.",
    ),
    Metric(
        key="transfer_rate",
        name="Transfer rate",
        family=Family.HANDLING,
        unit=Unit.SHARE,
        better=Better.LOWER,
        rule="Of the contacts of which transfers are known, the share handed on at least once. "
        "Contacts are counted, not legs. No window.",
        source="handed on at least once / contacts of which it is known",
        needs="How often contacts were transferred.",
        counts=("contacts", "transferable", "transferred"),
        compute=_transfers,
        above="has:transferred",
        below="has:transferable",
        forks="Transfers per contact counts one contact several times.",
    ),
    Metric(
        key="cost_per_contact",
        name="Cost per contact",
        family=Family.HANDLING,
        unit=Unit.PENCE,
        better=Better.LOWER,
        rule="Handle minutes times the price of a minute of that channel on that day, over the "
        "contacts that have both. A channel without a price of its own takes that of “every "
        "other channel”, else the site's cost of an agent minute. Capacity, not cash. No window.",
        source="Σ handle minutes × price / contacts with a handle time and a price",
        needs="A handle time on contacts, and what a minute costs.",
        counts=("contacts", "priced", "pence"),
        compute=_cost,
        scope=Scope.PRICED,
        above="in:priced",
        below="in:priced",
        forks="Total cost of the operation / contacts: it overstates what is saved at first.",
    ),
)

VOICE = (
    Metric(
        key="csat",
        name="Customer satisfaction",
        family=Family.VOICE,
        unit=Unit.SHARE,
        better=Better.HIGHER,
        rule="Of the answers on a scale of 1 to 5, the share of 4 and 5. Response rate: answers "
        "of all contacts, asked or not. No window.",
        source="answers of 4 or 5 / answers",
        needs="CSAT answers on contacts.",
        counts=("contacts", "csat_answers", "csat_satisfied"),
        compute=_csat,
        above="has:csat-satisfied",
        below="has:csat-answered",
        forks="The mean of all ratings.",
    ),
    Metric(
        key="nps",
        name="Net promoter score",
        family=Family.VOICE,
        unit=Unit.POINTS,
        better=Better.HIGHER,
        rule="Per cent of answers of 9 and 10 minus per cent of 0 to 6, on a scale of 0 to 10. "
        "Response rate: answers of all contacts, asked or not. No window.",
        source="(promoters − detractors) / answers × 100",
        needs="NPS answers on contacts.",
        counts=("contacts", "nps_answers", "nps_promoters", "nps_detractors"),
        compute=_nps,
        above="has:nps-answered",
        below="has:nps-answered",
        parts=(("Promoters", "has:nps-promoters"), ("Detractors", "has:nps-detractors")),
        forks="Some begin detractors at 1.",
    ),
    Metric(
        key="ces",
        name="Customer effort score",
        family=Family.VOICE,
        unit=Unit.SCORE,
        better=Better.HIGHER,
        rule="Mean of the answers from 1 to 7 to “made it easy”, 7 being easy. Response rate: "
        "answers of all contacts, asked or not. No window.",
        source="sum of answers / answers",
        needs="CES answers on contacts.",
        counts=("contacts", "ces_answers", "ces_hundredths"),
        compute=_ces,
        above="has:ces-answered",
        below="has:ces-answered",
        forks="Older versions run the other way.",
    ),
)
