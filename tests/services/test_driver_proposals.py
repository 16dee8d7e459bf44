"""A run proposes contact drivers for themes without one, and touches nothing that stands."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.contact_drivers import DriverState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, ContactDriver, Theme, ThemeRun, ThemeStats
from closedloop.services.contact_drivers import (
    create_driver,
    merge_drivers,
    move_themes,
    rename_driver,
)
from closedloop.services.curation import split_theme
from closedloop.services.driver_proposals import propose_drivers
from closedloop.services.themes import discover_themes
from tests.factories.histories import add_contacts
from tests.factories.theme_maker import Discoverer, TopicModel, make_maker, word_vector

REASONS = ("MONEY", "PARCEL", "PHONE", "SIGNIN", "TRAVEL")
TOPICS = {f"{reason}{n}": 9 - n for reason in REASONS for n in range(3)}


def reason_vector(word: str):
    """A topic's own direction beside that of its reason, which topics of one reason share."""
    reason = word.rstrip("0123456789")
    return word_vector(word) if reason == word else word_vector(word) + 2 * word_vector(reason)


class ReasonModel(TopicModel):
    """Its prototypes know which topics have one reason; all else is as its parent."""

    def prototypes(self, label):
        vector = reason_vector(self.topics[label])[None]
        return (vector / (vector**2).sum() ** 0.5).astype("float32")

    @staticmethod
    def from_bytes(content):
        model = TopicModel.from_bytes(content)
        return ReasonModel(model.topics, model.branches)

    def restrict(self, labels):
        model = super().restrict(labels)
        return ReasonModel(model.topics, model.branches)


class Site:
    """A history of fifteen topics of five reasons."""

    def __init__(self, database, settings, actor):
        self.database, self.settings, self.actor = database, settings, actor
        maker = make_maker(discover=Discoverer())
        self.maker = type(maker)(maker.load_encoder, maker.discover, self.read, maker.combine)

    @staticmethod
    def read(content):
        return ReasonModel.from_bytes(content)

    def discover(self):
        return discover_themes(
            self.database.transaction, settings=self.settings, by=self.actor, maker=self.maker
        )

    def propose(self):
        with self.database.transaction() as session:
            return propose_drivers(session, settings=self.settings, by=self.actor, maker=self.maker)

    def do(self, verb, **values):
        with self.database.transaction() as session:
            change = verb(session, by=self.actor, **values)
            return change.id

    def drivers(self) -> dict[str, str | None]:
        """Key of the driver of each theme in use, by the name of the theme."""
        with self.database.reading() as session:
            rows = session.execute(
                sa.select(Theme.name, ContactDriver.key)
                .outerjoin(ContactDriver, ContactDriver.id == Theme.driver_id)
                .where(Theme.status.not_in((ThemeStatus.MERGED, ThemeStatus.RETIRED)))
            )
            return dict(rows.all())

    def id_of(self, name, model=Theme):
        column = Theme.name if model is Theme else ContactDriver.key
        with self.database.reading() as session:
            return session.scalars(sa.select(model.id).where(column == name)).one()


@pytest.fixture
def site(database, settings, actor):
    site = Site(database, settings, actor)
    add_contacts(database, settings, TOPICS)
    return site


def by_reason(drivers) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for name, key in drivers.items():
        found.setdefault(name.rstrip("0123456789").upper(), set()).add(key)
    return found


def test_a_run_puts_each_theme_under_one_driver_with_themes_of_its_reason(site):
    site.discover()
    found = by_reason(site.drivers())
    assert [len(keys) for keys in found.values()] == [1] * 5
    assert set.union(*found.values()) == {f"D-00{n}" for n in range(1, 6)}
    with site.database.reading() as session:
        names = set(session.scalars(sa.select(ContactDriver.name)))
        themes = set(session.scalars(sa.select(Theme.name)))
        manifest = session.scalars(sa.select(ThemeRun.manifest)).one()
        events = session.scalars(
            sa.select(AuditEvent.verb).where(AuditEvent.target_kind == "driver")
        ).all()
    assert len(names) == 5
    assert not names & themes
    assert len(manifest["drivers"]["placed"]) == 15
    assert sorted(set(events)) == ["drivers.found", "drivers.themes_placed"]
    assert len(events) == 10


def test_what_people_decided_outlives_every_run(site):
    site.discover()
    was = site.drivers()
    money, parcel = was["Money0"], was["Parcel0"]
    phone, travel = was["Phone0"], was["Travel0"]
    site.do(rename_driver, driver_id=site.id_of(money, ContactDriver), name="All about money")
    site.do(
        move_themes,
        theme_ids=[site.id_of("Parcel1")],
        to_id=site.id_of(money, ContactDriver),
    )
    site.do(
        merge_drivers,
        driver_id=site.id_of(phone, ContactDriver),
        into_id=site.id_of(travel, ContactDriver),
    )
    site.do(create_driver, name="Mine", theme_ids=[site.id_of("Signin2")])
    site.do(move_themes, theme_ids=[site.id_of("Signin1")], to_id=None)
    add_contacts(site.database, site.settings, {"MONEY7": 8, "PHONE7": 8, "GARDEN1": 8}, tag="b")
    before = site.drivers()
    site.discover()
    now = site.drivers()
    assert {name: now[name] for name in before if name in now} == before
    assert now["Parcel1"] == money
    assert now["Parcel0"] == parcel
    assert now["Signin1"] is None
    assert now["Signin2"] == "D-006"
    assert now["Money7"] == money
    assert now["Phone7"] == travel
    with site.database.reading() as session:
        name = session.scalar(sa.select(ContactDriver.name).where(ContactDriver.key == money))
        state = session.scalar(sa.select(ContactDriver.state).where(ContactDriver.key == phone))
    assert name == "All about money"
    assert state is DriverState.MERGED


def test_a_second_look_at_the_same_themes_does_nothing(site):
    site.discover()
    before = site.drivers()
    outcome = site.propose()
    assert (outcome.born, outcome.placed, outcome.left, outcome.retired) == ([], [], [], [])
    assert site.drivers() == before


def test_a_driver_that_only_runs_touched_goes_when_no_theme_is_left_and_its_key_stays_its_own(
    site,
):
    site.discover()
    was = site.drivers()
    with site.database.transaction() as session:
        session.execute(
            sa.update(Theme)
            .where(Theme.name.startswith("Money"))
            .values(status=ThemeStatus.RETIRED)
        )
    outcome = site.propose()
    assert outcome.retired == [was["Money0"]]
    with site.database.reading() as session:
        left = session.scalars(
            sa.select(Theme.driver_id).where(Theme.name.startswith("Money"))
        ).all()
    assert set(left) == {None}
    assert site.propose().retired == []


def test_a_driver_that_somebody_named_stays_without_themes(site):
    site.discover()
    money = site.drivers()["Money0"]
    site.do(rename_driver, driver_id=site.id_of(money, ContactDriver), name="All about money")
    with site.database.transaction() as session:
        session.execute(
            sa.update(Theme)
            .where(Theme.name.startswith("Money"))
            .values(status=ThemeStatus.RETIRED)
        )
    assert site.propose().retired == []


def test_no_driver_is_named_by_what_too_few_customers_say(site):
    site.discover()
    with site.database.transaction() as session:
        session.execute(sa.update(Theme).values(driver_id=None))
        session.execute(sa.update(ContactDriver).values(state=DriverState.RETIRED))
    site.settings = site.settings.__class__(**{**vars(site.settings), "privacy_k": 99})
    outcome = site.propose()
    assert outcome.born == []
    assert len(outcome.left) == 15


def test_a_driver_of_which_nothing_is_kept_that_was_said_stops_no_run(site):
    site.discover()
    before = by_reason(site.drivers())
    with site.database.transaction() as session:
        session.execute(
            sa.update(Theme).where(Theme.name.startswith("Money")).values(driver_id=None)
        )
        # a driver that stands, with themes of too few people: nothing of theirs may be read
        phone = sa.select(Theme.id).where(Theme.name.startswith("Phone"))
        session.execute(
            sa.update(ThemeStats)
            .where(ThemeStats.theme_id.in_(phone))
            .values(customers=0, unidentified=0)
        )

    outcome = site.propose()

    after = by_reason(site.drivers())
    assert len(outcome.born) == 1
    assert after["PHONE"] == before["PHONE"]
    assert None not in after["MONEY"]


def test_a_part_that_is_split_off_stays_under_the_driver(site):
    site.discover()
    theme = site.id_of("Money0")
    with site.database.transaction() as session:
        from closedloop.models import Contact

        ids = session.scalars(
            sa.select(Contact.id).where(Contact.theme_id == theme).order_by(Contact.id)
        ).all()
        site.settings = site.settings.__class__(**{**vars(site.settings), "privacy_k": 1})
        change = split_theme(
            session,
            settings=site.settings,
            theme_id=theme,
            contact_ids=ids[:3],
            name="Part",
            by=site.actor,
            maker=site.maker,
        )
        assert change.other.driver_id == session.get(Theme, theme).driver_id
        assert change.other.driver_id is not None
