"""Bad input through the pages: a sentence for a person, and every table as it was before."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import Verdict
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Action,
    Contact,
    ImpactMeasurement,
    ImportReject,
    Model,
    Theme,
)
from closedloop.models.imports import BatchState
from closedloop.services.audit import record_event
from closedloop.services.impact import measure_intervention
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from closedloop.services.themes import discover_themes
from tests.factories.accounts import make_department, make_user
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.impact import make_measurement
from tests.factories.rollups import make_evidence, make_likeness
from tests.factories.series import make_definitions
from tests.factories.themes import make_action, make_intervention, make_stats, make_theme
from tests.pages import text_of

HUGE = "99999999999999999999"
LONG = "ten thousand characters " * 420
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}"
NOT_A_TRACE = ("Traceback", "sqlalchemy", "psycopg", 'File "')


def rows_of_every_table(session) -> dict[str, int]:
    """Count every table, so that nothing half-written can hide."""
    session.commit()
    tables = Model.metadata.sorted_tables
    count = sa.select(sa.func.count())
    return {table.name: session.scalar(count.select_from(table)) or 0 for table in tables}


@pytest.fixture
def refused(session):
    """Send a form that must be refused: a page with the sentence, and no row more or less."""

    def send(page, url: str, data: dict, sentence: str, status: int = 422) -> str:
        before = rows_of_every_table(session)
        response = page.post(url, data, status)
        words = text_of(response.text)
        assert sentence in words, words[:2000]
        assert not any(trace in response.text for trace in NOT_A_TRACE)
        assert rows_of_every_table(session) == before
        return response.text

    return send


@pytest.fixture
def theme(session, settings) -> Theme:
    """A theme that was agreed on, with contacts on three days."""
    theme = make_theme(session, ThemeStatus.TRIAGED)
    make_definitions(session, [theme])
    for day in (3, 4, 5):
        customer = make_customer(session)
        started_at = datetime(2026, 3, day, 10, tzinfo=UTC)
        make_contact(session, theme=theme, customer=customer, started_at=started_at)
    add_up(session, settings)
    return theme


def add_up(session, settings) -> None:
    """Chain and roll up what was written straight into the tables."""
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)


def candidate(session, **values) -> Theme:
    theme = make_theme(session, ThemeStatus.CANDIDATE, **values)
    make_stats(session, theme)
    return theme


def acceptance(session, **changes) -> dict:
    return {
        "name": "Card does not arrive",
        "scenario": "Customers call because the card does not come in time.",
        "demand_type": "failure",
        "quadrant": "simplify",
        "department_id": str(make_department(session).id),
        "strategy": "inform",
        "owner_id": "",
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": LONG}, "Give the theme a name of at most 160 characters."),
        ({"scenario": "short"}, "Say in one sentence what goes wrong for the customer."),
        ({"demand_type": "nonsense"}, "Say what kind of demand it is."),
        ({"quadrant": "17"}, "Say who values this contact."),
        ({"department_id": HUGE}, "Choose the department"),
        ({"department_id": "2147483647"}, "Choose the department"),
        ({"department_id": "-1"}, "Choose the department"),
        ({"owner_id": "2147483647"}, "This owner has no active account."),
    ],
)
def test_an_absurd_answer_in_triage_is_named_beside_its_field(
    manager, session, refused, changes, sentence
):
    theme = candidate(session)

    refused(manager, f"/triage/{theme.key}/accept", acceptance(session, **changes), sentence)

    assert session.get(Theme, theme.id).status is ThemeStatus.CANDIDATE


@pytest.mark.parametrize("until", ["2026-02-30", "30.2.2026", "tomorrow", HUGE, ""])
def test_a_day_that_is_none_parks_nothing(manager, session, refused, until):
    theme = candidate(session)
    form = {"until": until, "reason": "Later."}

    refused(manager, f"/triage/{theme.key}/park", form, "Choose the day on which it comes back")


def test_parking_until_a_day_that_has_passed_says_so(manager, session, refused):
    theme = candidate(session)
    form = {"until": "2020-01-01", "reason": "Later."}

    refused(manager, f"/triage/{theme.key}/park", form, "Choose a day after today")


def test_a_theme_cannot_be_merged_into_itself(manager, session, refused):
    theme = candidate(session)
    form = {"into": theme.key, "reason": "The same."}

    refused(manager, f"/triage/{theme.key}/merge", form, "cannot be merged into itself")

    assert session.get(Theme, theme.id).status is ThemeStatus.CANDIDATE


def test_a_theme_that_somebody_decided_meanwhile_is_not_decided_twice(manager, session, refused):
    theme = candidate(session)
    form = acceptance(session)
    manager.post(f"/triage/{theme.key}/accept", form)
    accepted = session.get(Theme, theme.id)
    department_id = accepted.department_id

    late = acceptance(session, name="Another name")
    refused(manager, f"/triage/{theme.key}/accept", late, "has been decided already", 409)

    assert session.get(Theme, theme.id).name == "Card does not arrive"
    assert session.get(Theme, theme.id).department_id == department_id


def test_a_dismissed_theme_is_neither_parked_nor_dismissed_again(manager, session, refused):
    theme = candidate(session)
    manager.post(f"/triage/{theme.key}/dismiss", {"reason": "Noise."})

    again = {"reason": "Noise."}
    refused(manager, f"/triage/{theme.key}/dismiss", again, "has been dismissed already", 409)
    later = {"until": "2099-01-01", "reason": "Later."}
    refused(manager, f"/triage/{theme.key}/park", later, "cannot", 409)


def action_form(session, theme, **changes) -> dict:
    return {
        "theme_id": str(theme.id),
        "title": "Send the tracking number",
        "description": "",
        "strategy": "inform",
        "department_id": str(make_department(session).id),
        "owner_id": "",
        "due_on": "",
        "expected_drop": "30",
        "smallest_drop": "10",
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"expected_drop": "150"}, "must be more than 0 % and at most 100 %"),
        ({"expected_drop": "-5"}, "must be more than 0 % and at most 100 %"),
        ({"expected_drop": "1e999"}, "as per cent, such as 20"),
        ({"expected_drop": "nan"}, "as per cent, such as 20"),
        ({"expected_drop": "a third"}, "as per cent, such as 20"),
        ({"smallest_drop": "1.000,5"}, "as per cent, such as 20"),
        ({"smallest_drop": "40"}, "is larger than the drop expected"),
        ({"due_on": "2026-02-30"}, "“2026-02-30” is not a day."),
        ({"due_on": "31/12/2026"}, "“31/12/2026” is not a day."),
        ({"due_on": "0001-01-01"}, "1 January 1 has passed."),
        ({"due_on": "9999-12-31"}, "is more than 2 years ahead."),
        ({"title": LONG}, "Say in at most 160 characters"),
        ({"title": "  "}, "Say in at most 160 characters"),
        ({"description": LONG}, "Keep the description to 5,000 characters."),
        ({"strategy": "hope"}, "Choose how the demand is handled"),
        ({"department_id": HUGE}, "Choose a department"),
        ({"department_id": "999999999"}, "Choose a department"),
        ({"owner_id": "999999999"}, "Choose an owner who still works here."),
        ({"theme_id": HUGE}, "Choose a theme"),
    ],
)
def test_an_absurd_value_in_an_action_is_named_beside_its_field(
    manager, session, theme, refused, changes, sentence
):
    html = refused(manager, "/actions/new", action_form(session, theme, **changes), sentence)

    assert "Send the tracking number" in html or "title" in changes


def test_a_decimal_comma_is_read_as_people_mean_it(manager, session, theme):
    manager.post("/actions/new", action_form(session, theme, expected_drop="12,5 %"))

    assert session.scalars(sa.select(Action.expected_drop)).one() == 0.125


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"went_live_on": "2026-02-30"}, "“2026-02-30” is not a day."),
        ({"went_live_on": ""}, "Say on which day customers first met the change."),
        ({"went_live_on": "2099-01-01"}, "has not come yet"),
        ({"went_live_on": "9999-12-31"}, "has not come yet"),
        ({"went_live_on": "0001-01-01"}, "came on 3 March 2026"),
        ({"went_live_on": "2026-03-03"}, "came on 3 March 2026"),
        ({"rollout_days": "1,5"}, "as a whole number"),
        ({"rollout_days": "-3"}, "as a whole number"),
        ({"rollout_days": "5000"}, "The roll-out takes 0 to"),
    ],
)
def test_an_action_is_not_shipped_on_a_day_that_leaves_nothing_to_compare(
    manager, session, theme, refused, changes, sentence
):
    action = make_action(session, theme, ActionStatus.IN_PROGRESS)
    form = {"went_live_on": "2026-03-05", "rollout_days": "0", **changes}

    refused(manager, f"/actions/{action.key}/ship", form, sentence)
    query = "&".join(f"{name}={value}" for name, value in form.items())
    assert (
        sentence in text_of(manager.get(f"/actions/{action.key}/ship?{query}"))
        or not form["went_live_on"]
    )

    assert session.get(Action, action.id).status is ActionStatus.IN_PROGRESS


def test_an_action_shipped_before_its_theme_existed_is_refused_with_the_day(
    manager, session, refused
):
    theme = make_theme(session, ThemeStatus.ACTING)
    action = make_action(session, theme, ActionStatus.IN_PROGRESS)
    form = {"went_live_on": "2026-03-05", "rollout_days": "0"}

    sentence = f"There are no contacts about {theme.key} yet, so nothing could be compared."
    refused(manager, f"/actions/{action.key}/ship", form, sentence)


def test_a_measurement_before_there_is_enough_data_says_what_is_missing(
    manager, session, settings, theme, actor
):
    action = make_action(session, theme, ActionStatus.IN_PROGRESS)
    form = {"went_live_on": "2026-03-05", "rollout_days": "0"}
    manager.post(f"/actions/{action.key}/ship", form)

    manager.post(f"/impact/{action.key}/measure")
    words = text_of(manager.get(f"/impact/{action.key}"))

    (measurement,) = session.scalars(sa.select(ImpactMeasurement))
    assert measurement.verdict is Verdict.TOO_EARLY
    assert measurement.reasons[:2] == [
        "Too early to say: 1 day counted since the change, 14 are needed: 13 more, until about "
        "18 March 2026. At 1 contact a day, the 29 that are still needed take about 29 more days, "
        "until about 3 April 2026.",
        "Not enough history: 2 days counted before the change, 60 are needed. Waiting does not "
        "help: contacts of 58 more days before 3 March 2026 have to be imported.",
    ]
    assert "Too early to say. 1 day is counted since the roll-out; the first look needs" in words
    assert session.get(Action, action.id).status is ActionStatus.SHIPPED


def test_a_measurement_without_any_data_is_refused(session, settings, actor):
    intervention = make_intervention(session)
    before = rows_of_every_table(session)

    with pytest.raises(NotMeasurable) as refusal:
        measure_intervention(
            session,
            settings=settings,
            intervention_id=intervention.id,
            as_of=date(2026, 3, 20),
            by=actor,
        )

    assert refusal.value.sentence.endswith(".")
    session.rollback()
    assert rows_of_every_table(session) == before


@pytest.mark.parametrize("number", ["0", "999999", HUGE, "2147483648"])
@pytest.mark.parametrize(
    "url",
    [
        "/contacts/{}",
        "/contacts/imports/{}",
        "/contacts/imports/{}/rejects.csv",
        "/contacts/imports/job/{}",
        "/contacts/import/{}",
        "/jobs/{}",
        "/impact/measurements/{}",
        "/impact/measurements/{}/days.csv",
        "/admin/users/{}",
        "/themes/T-{}",
        "/themes/T-{}/trend.csv",
        "/triage/T-{}",
        "/triage/T-{}/merge",
        "/actions/A-{}",
        "/actions/A-{}/edit",
        "/actions/A-{}/ship",
        "/impact/A-{}",
    ],
)
def test_an_unknown_number_in_an_address_is_a_page_that_says_so(sign_in_as, url, number):
    page = sign_in_as(Role.ADMIN if url.startswith("/admin") else Role.CX_MANAGER)

    html = page.get(url.format(number), 404)

    assert "There is nothing here" in text_of(html)
    assert not any(trace in html for trace in NOT_A_TRACE)


@pytest.mark.parametrize(
    "url",
    [
        f"/themes/?department={HUGE}&owner={HUGE}&after={HUGE}",
        "/themes/?department=²&owner=-1&sort=x&view=y&demand=z&q=%25_%27%22",
        f"/contacts/?theme={HUGE}&after={HUGE}.{HUGE}&from=2026-02-30&to=x&q=%27%22%25",
        f"/contacts/import?before={HUGE}",
        f"/jobs/?before={HUGE}",
        "/contacts/import?before=²",
        f"/contacts/repeats?theme={HUGE}&window=x&by=y&from=2026-02-30&to=9999-12-31",
        f"/actions?department={HUGE}&owner={HUGE}&after=2026-02-30.1&view=list",
        f"/impact?department={HUGE}&after=x",
        "/reports/?from=2026-02-30&to=x&month=13&quarter=9",
    ],
)
def test_nonsense_in_a_filter_shows_the_list_without_it(manager, theme, url):
    response = manager.raw(url, follow_redirects=True)

    assert response.status_code in (200, 422), text_of(response.text)[:500]
    assert not any(trace in response.text for trace in NOT_A_TRACE)


def test_a_form_without_its_token_changes_nothing_and_says_what_to_do(manager, session):
    theme = candidate(session)
    before = rows_of_every_table(session)

    for url in (f"/triage/{theme.key}/accept", "/actions/new", "/contacts/import", "/sign-out"):
        response = manager.raw(url, "POST", data=acceptance(session) if "accept" in url else {})
        assert response.status_code == 400, url
        assert "reload the page and send it again" in text_of(response.text)

    before["departments"] += 1  # the one that the form names
    assert rows_of_every_table(session) == before


@pytest.mark.parametrize(
    ("url", "field"),
    [("/triage/{}/accept", "name"), ("/triage/{}/dismiss", "reason"), ("/themes/{}/name", "name")],
)
def test_text_that_no_database_stores_is_refused(manager, session, refused, url, field):
    theme = candidate(session)
    form = acceptance(session, reason="Why not.") | {field: "Card \x00 lost"}

    refused(manager, url.format(theme.key), form, "holds a NUL character")
    assert "NUL character" in text_of(manager.get("/themes/?q=card%00", 422))
    manager.get("/themes/T-%00", 422)


@pytest.mark.parametrize("name", [LONG, "", "   "])
def test_a_theme_keeps_its_name_when_the_new_one_is_none(manager, session, theme, refused, name):
    before = theme.name

    refused(manager, f"/themes/{theme.key}/name", {"name": name}, "160 characters")

    assert session.get(Theme, theme.id).name == before


def test_reasons_of_ten_thousand_characters_are_kept_whole(manager, session, theme):
    action = make_action(session, theme)
    other = candidate(session)

    manager.post(f"/actions/{action.key}/cancel", {"reason": LONG})
    manager.post(f"/triage/{other.key}/dismiss", {"reason": LONG})

    assert session.get(Action, action.id).status is ActionStatus.CANCELLED
    assert LONG.strip()[:300] in text_of(manager.get(f"/actions/{action.key}"))


@pytest.mark.parametrize(
    ("url", "data", "sentence"),
    [
        ("/admin/site", {"pence_per_minute": "1,2,3"}, "Write an amount such as 0.62."),
        ("/admin/site", {"pence_per_minute": "nan"}, "Write an amount such as 0.62."),
        ("/admin/site", {"pence_per_minute": "1e999"}, "Write an amount such as 0.62."),
        ("/admin/site", {"pence_per_minute": "-1"}, "must be between"),
        ("/admin/site", {"pence_per_minute": ""}, "Write an amount such as 0.62."),
        ("/admin/departments", {"name": LONG}, "80 characters"),
        ("/admin/departments", {"name": " "}, "80 characters"),
        (
            "/admin/users/new",
            {"name": LONG, "email": "a@b.example", "role": "admin", "password": "long enough pw"},
            "120 characters",
        ),
        (
            "/admin/users/new",
            {"name": "Ada", "email": "no address", "role": "admin", "password": "long enough pw"},
            "e-mail",
        ),
        (
            "/admin/users/new",
            {"name": "Ada", "email": "a@b.example", "role": "king", "password": "long enough pw"},
            "Choose one of the four roles.",
        ),
    ],
)
def test_absurd_values_in_administration_are_named(sign_in_as, refused, url, data, sentence):
    refused(sign_in_as(Role.ADMIN), url, data, sentence)


def test_discovery_on_a_handful_of_contacts_proposes_nothing_it_cannot_show(
    manager, session, database, settings, actor
):
    batch, customer = make_batch(session), make_customer(session)
    for hour in range(3):
        started_at = datetime(2026, 3, 2, 10 + hour, tzinfo=UTC)
        make_contact(session, customer=customer, batch=batch, started_at=started_at)
    add_up(session, settings)
    session.commit()

    found = discover_themes(database.transaction, settings=settings, by=actor)

    assert found.texts == 3
    html = manager.get("/themes/") + manager.get("/triage/")
    assert "My card has not arrived" not in html


def test_a_theme_of_one_contact_shows_neither_figures_nor_quotes(manager, session, settings):
    theme = candidate(session, name="Card lost abroad")
    stats = theme.stats
    stats.contacts = stats.customers = stats.mature = 1
    stats.handle_seconds = 12_345
    contact = make_contact(
        session, theme=theme, customer=make_customer(session), text="My ferret ate the card."
    )
    make_evidence(session, theme, contact)
    other = candidate(session)
    make_likeness(session, other, theme, customers=1)
    add_up(session, settings)

    for url in (
        f"/themes/{theme.key}",
        "/themes/?view=all",
        f"/triage/{theme.key}",
        f"/triage/{other.key}",
        f"/triage/{theme.key}/merge?into={other.key}",
        f"/triage/{other.key}/merge?into={theme.key}",
        "/themes/export.csv",
        "/themes/export.csv?view=all",
        f"/themes/{theme.key}/trend.csv",
    ):
        response = manager.raw(url, follow_redirects=True)
        assert response.status_code == 200, url
        words = text_of(response.text)
        assert "ferret" not in words, url
        assert "12,345" not in words, url
        assert "206 minutes" not in words, url
    assert "fewer than 5" in text_of(manager.get(f"/themes/{theme.key}"))


def fill_every_text_field(session, actor) -> dict[str, str]:
    """Put markup into each text a person or a file can bring; return what addresses need."""
    department = make_department(session, f"D{SCRIPT}")
    owner = make_user(session, Role.CX_MANAGER, name=f"N{SCRIPT}", email="x@example.com")
    batch = make_batch(session, source=f"s{SCRIPT}"[:60])
    batch.file_name, batch.started_by = f"f{SCRIPT}", f"b{SCRIPT}"
    batch.message, batch.state, batch.rejected = f"m{SCRIPT}", BatchState.DONE, 1
    session.add(
        ImportReject(batch_id=batch.id, line=2, reason=f"Line 2: {SCRIPT}", raw=f"r{SCRIPT}")
    )
    texts = {
        "name": f"T{SCRIPT}",
        "scenario": f"scenario {SCRIPT}",
        "cause": f"cause {SCRIPT}",
        "keywords": [f"k{SCRIPT}"],
    }
    theme = make_theme(
        session, ThemeStatus.ACTING, **texts, department_id=department.id, owner_id=owner.id
    )
    waiting = make_theme(session, ThemeStatus.CANDIDATE, **texts)
    make_stats(session, theme)
    make_stats(session, waiting)
    make_likeness(session, theme, waiting)
    make_likeness(session, waiting, theme)
    make_definitions(session, [theme, waiting])
    contacts = [
        make_contact(
            session,
            batch=batch,
            theme=one,
            customer=make_customer(session),
            text=f"text {SCRIPT}",
            source_contact_id=f"{one.key}-{n}{SCRIPT}"[:120],
            channel=f"c{SCRIPT}"[:60],
            queue=f"q{SCRIPT}"[:60],
            agent=f"a{SCRIPT}"[:60],
            disposition=f"d{SCRIPT}",
            started_at=utc_now() - timedelta(days=40 - n),
        )
        for one in (theme, waiting)
        for n in range(8)
    ]
    for rank, contact in enumerate(contacts[:3], start=1):
        make_evidence(session, theme, contact, rank=rank)
    for rank, contact in enumerate(contacts[8:11], start=1):
        make_evidence(session, waiting, contact, rank=rank)
    action = make_action(
        session,
        theme,
        ActionStatus.SHIPPED,
        title=f"A{SCRIPT}",
        description=f"description {SCRIPT}",
        hand_back_reason=f"reason {SCRIPT}",
        department_id=department.id,
        owner_id=owner.id,
    )
    plan = {"title": f"A{SCRIPT}", "description": f"D{SCRIPT}"}
    intervention = make_intervention(session, action, plan=plan, went_live_on=date(2026, 3, 3))
    measurement = make_measurement(session, intervention, reasons=[f"because {SCRIPT}"])
    for kind, target in (("theme", theme.id), ("action", action.id), ("user", owner.id)):
        record_event(
            session,
            by=actor,
            verb="themes.renamed",
            target_kind=kind,
            target_id=target,
            summary=f"wrote {SCRIPT}",
        )
    return {
        "theme": theme.key,
        "candidate": waiting.key,
        "action": action.key,
        "contact": str(contacts[0].id),
        "batch": str(batch.id),
        "measurement": str(measurement.id),
        "user": str(owner.id),
    }


PAGES = (
    *("/", "/changes", "/contacts/", "/contacts/{contact}", "/contacts/import"),
    *("/contacts/imports/{batch}", "/contacts/repeats", "/contacts/repeats?by=disposition"),
    *("/contacts/repeats?by=queue", "/themes/", "/themes/?view=all", "/themes/{theme}"),
    *("/triage/", "/triage/{candidate}", "/triage/{candidate}/merge?into={theme}"),
    *("/triage/{candidate}/park", "/triage/{candidate}/dismiss", "/actions/"),
    *("/actions/?view=list", "/actions/{action}", "/actions/new?theme={theme}", "/impact/"),
    *("/impact/{action}", "/impact/measurements/{measurement}", "/reports/", "/profile"),
)
ADMIN_PAGES = ("/admin/", "/admin/users", "/admin/users/{user}", "/admin/departments")


def test_markup_in_any_text_comes_out_as_text_on_every_page(sign_in_as, session, settings, actor):
    found = fill_every_text_field(session, actor)
    add_up(session, settings)
    page = sign_in_as(Role.CX_MANAGER)
    seen = 0

    for role, urls in ((Role.CX_MANAGER, PAGES), (Role.ADMIN, (*ADMIN_PAGES, "/admin/audit"))):
        page = sign_in_as(role, name=f"Me{SCRIPT}")
        for url in urls:
            html = page.get(url.format(**found))  # also: no inline script, no on… attribute
            assert "<script>alert" not in html, url
            assert "<img src=x" not in html, url
            assert "49" not in text_of(html).split("{{7*7}}")[0][-3:], url
            seen += "&lt;script&gt;alert" in html or "\\u003cscript\\u003ealert" in html
    assert seen == len(PAGES) + len(ADMIN_PAGES) + 1  # each says at least who is signed in


def test_no_export_starts_a_cell_with_what_a_spreadsheet_would_run(manager, session, settings):
    batch = make_batch(session)
    batch.file_name, batch.state = "=evil.csv", BatchState.DONE
    session.add(ImportReject(batch_id=batch.id, line=2, reason="-1+1|x", raw="@SUM(A1)"))
    department = make_department(session, "=cmd|'/c calc'!A1")
    owner = make_user(session, Role.CX_MANAGER, name="+Owner")
    theme = make_theme(
        session,
        ThemeStatus.ACTING,
        name="=HYPERLINK(1)",
        department_id=department.id,
        owner_id=owner.id,
    )
    make_stats(session, theme)
    make_action(session, theme, title="@title", department_id=department.id, owner_id=owner.id)
    for number, sign in enumerate("=+-@\t"):
        make_contact(
            session,
            theme=theme,
            batch=batch,
            customer=make_customer(session),
            text=f"{sign}1+1",
            source_contact_id=f"{sign}id{number}",
            channel=f"{sign}phone",
            queue=f"{sign}queue",
            agent=f"{sign}agent",
            disposition=f"{sign}code",
        )
    add_up(session, settings)

    for url in (
        "/contacts/contacts.csv",
        "/contacts/repeats.csv",
        "/contacts/repeats.csv?by=queue",
        f"/contacts/imports/{batch.id}/rejects.csv",
        "/themes/export.csv",
        "/actions/actions.csv",
        "/impact/impact.csv",
        f"/themes/{theme.key}/trend.csv",
        "/repeat-contacts.csv",
        "/reports/trend.csv",
    ):
        response = manager.raw(url)
        assert response.status_code == 200, url
        rows = list(csv.reader(io.StringIO(response.text.lstrip("\ufeff"))))
        cells = [cell for row in rows for cell in row if cell]
        assert cells, url
        for cell in cells:
            is_number = cell.lstrip("-").replace(".", "", 1).isdigit()
            assert cell[0] not in "=+-@\t\r" or is_number, f"{url}: {cell!r}"
    assert session.scalar(sa.select(sa.func.count(Contact.id))) == 5


def test_a_page_that_fails_in_the_database_still_says_so_like_a_page(manager, session):
    session.commit()
    session.execute(sa.text("ALTER TABLE theme_stats RENAME TO theme_stats_aside"))
    session.commit()
    try:
        html = manager.get("/themes/", 500)
    finally:
        session.execute(sa.text("ALTER TABLE theme_stats_aside RENAME TO theme_stats"))
        session.commit()

    assert "nothing was half-saved" in text_of(html)
    assert not any(trace in html for trace in NOT_A_TRACE)
    manager.get("/themes/")
