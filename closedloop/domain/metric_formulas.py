"""The arithmetic of every metric: plain counts in, a `Value` out, one function each.

A function takes counts of whole contacts over some days and nothing else; which days, which
window and which contacts is the caller's. Where the counts do not allow a value it is None, with
a sentence that says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from closedloop.domain.contacts import share

NO_CONTACTS = "No contact fits."
NO_CUSTOMERS = "No contact names its customer, so nobody can be seen to come again."
NO_THEMES = "No contact with a known customer has a theme yet, so “the same” cannot be told."
HAVE_A_CUSTOMER = "of contacts have a known customer"


@dataclass(frozen=True)
class Coverage:
    """What share of the contacts a figure knows about.

    Attributes
    ----------
    words : str
        As in "94 % of contacts have a known customer": what follows the share.
    share : float or None
        0 to 1.
    """

    words: str
    share: float | None

    @property
    def without_customer(self) -> float | None:
        """Share of contacts without a known customer; None where this tells of something else."""
        if self.words != HAVE_A_CUSTOMER or self.share is None:
            return None
        return 1 - self.share


@dataclass(frozen=True)
class Value:
    """What a metric comes to.

    Attributes
    ----------
    value : float or None
        In the unit of the metric; None when it cannot be told.
    numerator, denominator : float
        What was divided; of a plain count the denominator is what it is counted among.
    n : int
        Contacts (or answers) that stand behind it.
    why : str
        Why there is no value; empty when there is one.
    small : tuple of int
        Counts that the value would give away: shown only when each is nothing or of enough people.
    coverage : tuple of Coverage
    people : tuple of (int or None), or None
        Distinct people in `n` and in each of `small`, or as many of them as are sure; None in
        place of one that cannot be told. None altogether takes each contact for a person.
    spread : tuple of float
        For `n` and each of `small` a number whose sum over parts is never more than the distinct
        people of the parts together; empty takes the counts themselves.
    """

    value: float | None
    numerator: float
    denominator: float
    n: int
    why: str = ""
    small: tuple[int, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    people: tuple[int | None, ...] | None = None
    spread: tuple[float, ...] = ()

    def with_people(self, people: tuple[int | None, ...], spread: tuple[float, ...]) -> Value:
        """Return the same with the people behind its counts; `replace` takes twice as long."""
        head = (self.value, self.numerator, self.denominator, self.n, self.why, self.small)
        return Value(*head, self.coverage, people, spread)

    def people_in(self, place: int) -> int | None:
        """Return the people in `n` (place 0) or in the i-th of `small` (place i + 1)."""
        if self.people is not None:
            return self.people[place]
        return (self.n, *self.small)[place]

    def spread_of(self, place: int) -> float:
        """Return the spread of `n` (place 0) or of the i-th of `small` (place i + 1)."""
        return self.spread[place] if self.spread else (self.n, *self.small)[place]


def _ratio(
    part: float,
    whole: float,
    *,
    n: int,
    why: str,
    times: float = 1.0,
    small: tuple[int, ...] = (),
    coverage: tuple[Coverage, ...] = (),
) -> Value:
    if not whole:
        return Value(None, part, whole, n, why, (), coverage)
    return Value(part / whole * times, part, whole, n, "", small, coverage)


def _known(contacts: int, identified: int) -> Coverage:
    return Coverage(HAVE_A_CUSTOMER, share(identified, contacts))


def _among_known(
    part: int, whole: int, contacts: int, identified: int, small: tuple[int, ...]
) -> Value:
    """Return a share of contacts whose customer is known."""
    why = NO_CUSTOMERS if contacts else NO_CONTACTS
    coverage = (_known(contacts, identified),)
    return _ratio(part, whole, n=whole, why=why, small=small, coverage=coverage)


def repeat_rate_any(*, contacts: int, identified: int, followed: int) -> Value:
    """Return followed contacts of the identified, for any reason; mature contacts only.

    Parameters
    ----------
    contacts, identified : int
        All, and those whose customer is known.
    followed : int
        Identified contacts after which the same customer came again within the window.
    """
    return _among_known(followed, identified, contacts, identified, (followed,))


def repeat_rate_same(*, contacts: int, identified: int, themed: int, followed: int) -> Value:
    """Return contacts followed by one about the same theme, of the identified; mature only.

    `themed` are the identified contacts that have a theme: the others are never followed by
    “the same”, which is why this is a lower bound.
    """
    found = _among_known(followed, identified, contacts, identified, (followed,))
    return _same_theme(found, identified, themed)


def _same_theme(found: Value, identified: int, themed: int) -> Value:
    coverage = (*found.coverage, Coverage("of these have a theme", share(themed, identified)))
    can_tell = found.value is not None and themed > 0
    why = found.why or ("" if themed else NO_THEMES)
    return Value(
        found.value if can_tell else None,
        found.numerator,
        found.denominator,
        found.n,
        why,
        found.small if can_tell else (),
        coverage,
    )


def repeat_share(*, contacts: int, identified: int, opening: int) -> Value:
    """Return contacts that came after another of the same customer, of the identified.

    Looks back, so it needs no maturity; `opening` had none in the window before.
    """
    again = identified - opening
    return _among_known(again, identified, contacts, identified, (again,))


def next_contact_avoidance(*, contacts: int, identified: int, followed: int) -> Value:
    """Return contacts that nothing followed within the window, of the identified; mature only."""
    return _among_known(identified - followed, identified, contacts, identified, (followed,))


def fcr(*, contacts: int, identified: int, themed: int, opening: int, resolved: int) -> Value:
    """Return matters settled at first contact, of the matters opened: the same theme.

    Parameters
    ----------
    opening : int
        Mature identified contacts with none about the same theme in the window before.
    resolved : int
        Of these, those with none about the same theme within the window after.
    """
    small = (resolved, opening - resolved)
    found = _among_known(resolved, opening, contacts, identified, small)
    return _same_theme(found, identified, themed)


def one_contact_resolution(*, contacts: int, identified: int, opening: int, resolved: int) -> Value:
    """Return matters with one contact in all, any reason and channel, of the matters opened."""
    small = (resolved, opening - resolved)
    return _among_known(resolved, opening, contacts, identified, small)


def contacts_per_resolution(*, contacts: int, identified: int, followed: int) -> Value:
    """Return mature identified contacts for each chain that closed.

    A chain closes with the contact that nothing follows within the window.
    """
    closed = identified - followed
    why = NO_CUSTOMERS if contacts else NO_CONTACTS
    if identified and not closed:
        why = "No chain has closed: every contact was followed by another."
    coverage = (_known(contacts, identified),)
    return _ratio(identified, closed, n=identified, why=why, small=(followed,), coverage=coverage)


def snowball_contacts(*, contacts: int, identified: int, opening: int) -> Value:
    """Return how many contacts came on top of the first ones; the denominator is all of them."""
    beyond = identified - opening
    why = "" if identified else (NO_CUSTOMERS if contacts else NO_CONTACTS)
    coverage = (_known(contacts, identified),)
    value = float(beyond) if identified else None
    return Value(value, beyond, identified, identified, why, (beyond,), coverage)


def snowball_minutes(
    *, contacts: int, identified: int, opening: int, handled: int, beyond_seconds: int
) -> Value:
    """Return the agent minutes of the contacts on top of the first ones.

    Where a few contacts alone have a handle time, the minutes are theirs.
    """
    beyond = identified - opening
    why = "" if identified else (NO_CUSTOMERS if contacts else NO_CONTACTS)
    if identified and not handled:
        why = "No contact has a handle time."
    coverage = (
        _known(contacts, identified),
        Coverage("of contacts have a handle time", share(handled, contacts)),
    )
    minutes = beyond_seconds / 60
    value = None if why else minutes
    return Value(value, minutes, identified, identified, why, (beyond, handled), coverage)


def fcr_survey(*, contacts: int, answers: int, yes: int) -> Value:
    """Return customers who say it was resolved, of those who answered."""
    return _answers(yes, contacts, answers, times=1.0, small=(yes,))


def csat(*, contacts: int, answers: int, satisfied: int) -> Value:
    """Return answers of 4 or 5 out of 5, of all answers."""
    return _answers(satisfied, contacts, answers, times=1.0, small=(satisfied,))


def nps(*, contacts: int, answers: int, promoters: int, detractors: int) -> Value:
    """Return promoters (9, 10) minus detractors (0 to 6) in a hundred answers: -100 to 100."""
    return _answers(promoters - detractors, contacts, answers, times=100.0, small=())


def ces(*, contacts: int, answers: int, hundredths: int) -> Value:
    """Return the mean of 1 to 7, 7 being easy; `hundredths` is the sum of the answers times 100."""
    return _answers(hundredths / 100, contacts, answers, times=1.0, small=())


def _answers(
    part: float, contacts: int, answers: int, *, times: float, small: tuple[int, ...]
) -> Value:
    why = "No customer answered this question." if contacts else NO_CONTACTS
    coverage = (Coverage("of contacts were answered: the response rate", share(answers, contacts)),)
    return _ratio(part, answers, n=answers, why=why, times=times, small=small, coverage=coverage)


def call_resolution(*, contacts: int, known: int, yes: int) -> Value:
    """Return contacts that the source marks as resolved, of the contacts received.

    Contacts of which the source says nothing count as not resolved; without any mark at all
    there is no value.
    """
    coverage = (Coverage("of contacts carry a mark, resolved or not", share(known, contacts)),)
    if not known:
        why = "The source does not say of any contact whether it was resolved."
        return Value(None, yes, contacts, contacts, why if contacts else NO_CONTACTS, (), coverage)
    return _ratio(yes, contacts, n=contacts, why=NO_CONTACTS, small=(yes,), coverage=coverage)


def contact_count(*, contacts: int, identified: int) -> Value:
    """Return contacts, as they came."""
    return Value(
        float(contacts),
        contacts,
        contacts,
        contacts,
        "",
        (contacts,),
        (_known(contacts, identified),),
    )


def customer_count(*, contacts: int, identified: int, customers: int) -> Value:
    """Return distinct known customers; the denominator is their contacts."""
    why = "" if identified else (NO_CUSTOMERS if contacts else NO_CONTACTS)
    value = float(customers) if identified else None
    coverage = (_known(contacts, identified),)
    return Value(value, customers, identified, customers, why, (customers,), coverage)


def contact_rate(*, contacts: int, volume: float, days: int, days_with_volume: int) -> Value:
    """Return contacts for 1,000 of what drives them, over the days whose volume is known.

    Parameters
    ----------
    contacts : int
        On days with a volume only.
    volume : float
        Of these days.
    days, days_with_volume : int
        All days asked for, and those with a volume.
    """
    return _against_volume(contacts, volume, days, days_with_volume)


def contact_rate_net(
    *,
    contacts: int,
    identified: int,
    opening: int,
    volume: float,
    days: int,
    days_with_volume: int,
) -> Value:
    """Return contacts that open a matter for 1,000 of what drives them: repeats count once.

    Parameters
    ----------
    contacts, identified, opening : int
        On days with a volume only: all, those of a known customer, and those of them with none
        of that customer in the window before.
    volume, days, days_with_volume
        As for `contact_rate`.
    """
    if contacts and not identified:
        return Value(None, 0, volume, 0, NO_CUSTOMERS, (0,))
    found = _against_volume(opening, volume, days, days_with_volume)
    return replace(found, coverage=(*found.coverage, _known(contacts, identified)))


def _against_volume(counted: int, volume: float, days: int, days_with_volume: int) -> Value:
    coverage = (Coverage("of days have a driver volume", share(days_with_volume, days)),)
    why = "No driver volume is known on these days. Import one under Metrics, Driver volumes."
    if days_with_volume and not volume:
        why = "The driver volume of these days is nothing, so nothing can be held against it."
    return _ratio(
        counted, volume, n=counted, why=why, times=1000.0, small=(counted,), coverage=coverage
    )


def failure_share(*, contacts: int, judged: int, failure: int) -> Value:
    """Return contacts of themes judged failure demand, of those judged failure or value."""
    why = "No theme with contacts on these days has been judged failure or value demand."
    coverage = (Coverage("of contacts belong to a theme judged so or so", share(judged, contacts)),)
    why = why if contacts else NO_CONTACTS
    return _ratio(failure, judged, n=judged, why=why, small=(failure,), coverage=coverage)


def average_handle_time(*, contacts: int, handled: int, handle_seconds: int) -> Value:
    """Return the mean seconds of handling, of the contacts whose handle time is known."""
    why = "No contact has a handle time." if contacts else NO_CONTACTS
    coverage = (Coverage("of contacts have a handle time", share(handled, contacts)),)
    return _ratio(handle_seconds, handled, n=handled, why=why, coverage=coverage)


def abandonment_rate(*, contacts: int, queued: int, abandoned: int) -> Value:
    """Return contacts given up in the queue, of those of which it is known."""
    why = "The source does not say of any contact whether it was given up in the queue."
    coverage = (Coverage("of contacts say whether they were given up", share(queued, contacts)),)
    why = why if contacts else NO_CONTACTS
    return _ratio(abandoned, queued, n=queued, why=why, small=(abandoned,), coverage=coverage)


def transfer_rate(*, contacts: int, transferable: int, transferred: int) -> Value:
    """Return contacts handed on at least once, of those of which it is known."""
    why = "The source does not say of any contact how often it was handed on."
    coverage = (Coverage("of contacts say how often", share(transferable, contacts)),)
    why = why if contacts else NO_CONTACTS
    return _ratio(
        transferred, transferable, n=transferable, why=why, small=(transferred,), coverage=coverage
    )


def cost_per_contact(*, contacts: int, priced: int, pence: float) -> Value:
    """Return what the handle minutes of a contact cost, in minor units.

    Parameters
    ----------
    contacts, priced : int
        All, and those with a handle time on a day and channel whose minute has a price.
    pence : float
        Their minutes times the price of a minute of that channel on that day.
    """
    why = "No contact has both a handle time and a priced minute. Set costs under Metrics, Costs."
    coverage = (Coverage("of contacts have a handle time and a price", share(priced, contacts)),)
    why = why if contacts else NO_CONTACTS
    return _ratio(pence, priced, n=priced, why=why, coverage=coverage)
