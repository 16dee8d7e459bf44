"""A new customer key: nobody becomes somebody else, wherever the rotation is killed."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import stat

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from closedloop.config import Settings, make_instance, read_env_file
from closedloop.domain.errors import Conflict
from closedloop.domain.identities import IdentifierKind, MatchRules
from closedloop.models import Contact, ContactLink, Customer, CustomerKey, ImportReject, Message
from closedloop.services import key_rotation as service
from closedloop.services.erasure import erase_customer
from closedloop.services.identifiers import hash_customer
from closedloop.services.identities import link_customers
from closedloop.services.key_rotation import NEXT_KEY_FILE, Rotated, rotate_customer_key
from closedloop.services.key_state import find_key_state, key_problem
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollback import roll_back_import
from tests.privacy_sites import MAPPING, PrivacySite, row

MESSAGES = dataclasses.replace(MAPPING, session_gap_seconds=7200)


class Killed(BaseException):
    """The process dies: no `except Exception` sees it."""


@pytest.fixture
def site(database, settings, actor) -> PrivacySite:
    make_instance(settings.instance, {"CLOSEDLOOP_CUSTOMER_KEY": settings.customer_key})
    return PrivacySite(database, settings, actor)


def rotate(site: PrivacySite, **values) -> Rotated:
    """Rotate as a fresh process would: with the settings that the instance's file has now."""
    reload(site)
    done = rotate_customer_key(
        site.database.transaction, settings=site.settings, by=site.actor, environ=(), **values
    )
    reload(site)
    return done


def reload(site: PrivacySite) -> None:
    written = Settings.from_env(site.settings.instance, environ={})
    site.settings = dataclasses.replace(
        site.settings,
        customer_key=written.customer_key,
        customer_keys_before=written.customer_keys_before,
    )


def fill(site: PrivacySite) -> list:
    """Import contacts, messages, and ids that are addresses; return how to import them again."""
    contacts = [row(f"c{n}", customer=f"cust-{n % 5}", hours=n * 11) for n in range(23)]
    contacts += [
        row("ann@example.org", customer="cust-1", hours=3),
        row("+447911123456", customer="cust-1", hours=3.5),
        row("late", customer="cust-2", started_at="never"),
    ]
    messages = [row(f"m{n}", customer=f"cust-{n % 3}", hours=n / 2) for n in range(12)]
    site.take_in(contacts)
    site.take_in(messages, source="chat", mapping=MESSAGES)
    return [(contacts, "crm", MAPPING), (messages, "chat", MESSAGES)]


def plain(site: PrivacySite) -> tuple:
    """Chains and figures but for ids that are hashes, which change with the key."""
    chains = [tuple("-" if "hashed-" in str(v) else v for v in found) for found in site.chains()]
    return sorted(chains, key=str), site.figures()


def test_the_same_files_bring_nothing_new_after_a_rotation(site) -> None:
    files = fill(site)
    before, counts = plain(site), site.counts()
    rotated = rotate(site)
    assert rotated.version == 2
    assert plain(site) == before
    for rows, source, mapping in files:
        batch = site.take_in(rows, source=source, mapping=mapping)
        assert (batch.added, batch.changed) == (0, 0), batch.message
    assert (plain(site), site.counts()) == (before, counts)


def test_an_earlier_version_that_comes_back_is_known_under_the_new_key(site) -> None:
    latest = dataclasses.replace(MAPPING, on_change="replace")
    rows = [row("a", text="It is lost."), row("b"), row("ann@example.org", hours=2)]
    site.take_in(rows, mapping=latest)
    later = site.take_in([{**r, "handle_seconds": "77"} for r in rows], mapping=latest)
    assert later.renewed == 3
    rotate(site)
    roll_back_import(
        site.database.transaction, settings=site.settings, batch_id=later.id, by=site.actor
    )
    batch = site.take_in(rows, mapping=latest)
    assert (batch.added, batch.unchanged, batch.changed) == (0, 3, 0)


def test_no_hash_of_the_old_key_alone_is_left(site) -> None:
    fill(site)
    old = site.settings.customer_key
    hashes = {hash_customer(f"cust-{n}", old) for n in range(5)}
    hashes |= {hash_customer("ann@example.org", old)}
    before = site.read(sa.select(Contact.content_hash)) + site.read(sa.select(Message.content_hash))
    rotate(site)
    for path in site.settings.uploads.iterdir():
        path.unlink()
    site.database.compact(vacuum=True)
    stored = site.everything()
    for digest in [*hashes, *before]:
        assert digest not in stored
    assert site.read(sa.select(Customer.key_version).distinct()) == [2]
    assert site.read(sa.select(ImportReject.customer_key)) == [
        hash_customer("cust-2", site.settings.customer_keys)
    ]


def test_the_settings_file_keeps_its_other_lines_and_is_private(site) -> None:
    path = site.settings.instance / "closedloop.env"
    path.write_text(path.read_text() + "CLOSEDLOOP_SITE_NAME=Northbank\n# a remark\n")
    old = site.settings.customer_key
    rotate(site, new_key="n" * 40)
    values = read_env_file(path)
    assert values["CLOSEDLOOP_CUSTOMER_KEY"] == "n" * 40
    assert values["CLOSEDLOOP_CUSTOMER_KEYS_BEFORE"] == old
    assert values["CLOSEDLOOP_SITE_NAME"] == "Northbank"
    assert "# a remark" in path.read_text()
    assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    assert not (site.settings.instance / NEXT_KEY_FILE).exists()


def test_three_rotations_lie_upon_each_other(site) -> None:
    files = fill(site)
    before = plain(site)
    assert [rotate(site).version for _ in range(3)] == [2, 3, 4]
    for rows, source, mapping in files:
        assert site.take_in(rows, source=source, mapping=mapping).added == 0
    assert plain(site) == before


def test_contacts_of_one_second_whose_ids_are_addresses_are_chained_as_from_scratch(site) -> None:
    site.take_in([row(f"p{n}@example.org", customer=f"cust-{n % 2}") for n in range(12)])
    rotate(site)
    before = site.chains()
    with site.database.transaction() as session:
        chain_contacts(session, settings=site.settings, customer_ids=None)
    assert site.chains() == before


def test_a_process_with_the_old_settings_can_import_nothing(site) -> None:
    fill(site)
    old = site.settings
    rotate(site)
    new, site.settings = site.settings, old
    counts = site.counts()
    with pytest.raises(Conflict, match="stored under 2 keys and this process knows 1"):
        site.take_in([row("new")])
    assert site.counts() == counts
    site.settings = new
    assert site.take_in([row("new")]).added == 1


def test_a_lost_key_is_noticed_before_anybody_is_counted_twice(site) -> None:
    fill(site)
    site.settings = dataclasses.replace(site.settings, customer_key="x" * 40)
    with pytest.raises(Conflict, match="would look new"):
        site.take_in([row("new")])
    with site.database.reading() as session:
        assert "backup" in key_problem(find_key_state(session), site.settings)


def kill_at(n: int):
    """Die when progress is reported for the n-th time."""
    told = []

    def report(progress) -> None:
        told.append(progress)
        if len(told) >= n:
            raise Killed

    return report


@pytest.mark.parametrize("n", [1, 4, 7, 10, 13])
def test_killed_between_portions_it_goes_on_where_it_stopped(site, monkeypatch, n) -> None:
    monkeypatch.setattr(service, "ROWS_AT_ONCE", 7)
    files = fill(site)
    before, counts = plain(site), site.counts()
    with pytest.raises(Killed):
        rotate(site, report=kill_at(n))
    with pytest.raises(Conflict, match="being replaced"):
        site.take_in([row("meanwhile")])
    assert rotate(site).version == 2
    for rows, source, mapping in files:
        batch = site.take_in(rows, source=source, mapping=mapping)
        assert (batch.added, batch.changed) == (0, 0)
    assert (plain(site), site.counts()) == (before, counts)


@pytest.mark.parametrize("step", ["key kept", "database done", "settings written"])
def test_killed_around_the_files_it_goes_on_where_it_stopped(site, monkeypatch, step) -> None:
    files = fill(site)
    before, counts = plain(site), site.counts()
    write = service.write_private

    def die_before(path, text) -> None:
        if path.name == "closedloop.env":
            raise Killed
        write(path, text)

    def die_after(path, text) -> None:
        write(path, text)
        if step == "key kept" or path.name == "closedloop.env":
            raise Killed

    monkeypatch.setattr(
        service, "write_private", die_before if step == "database done" else die_after
    )
    with pytest.raises(Killed):
        rotate(site)
    monkeypatch.setattr(service, "write_private", write)
    if step == "database done":  # the keys of the settings are not those of the database
        with pytest.raises(Conflict, match="closedloop keys"):
            site.take_in([row("meanwhile")])
    version = rotate(site).version
    assert version == (3 if step == "settings written" else 2)
    for rows, source, mapping in files:
        assert site.take_in(rows, source=source, mapping=mapping).added == 0
    assert (plain(site), site.counts()) == (before, counts)


def test_a_rotation_whose_new_key_is_gone_says_which_file_to_restore(site, monkeypatch) -> None:
    monkeypatch.setattr(service, "ROWS_AT_ONCE", 7)
    fill(site)
    with pytest.raises(Killed):
        rotate(site, report=kill_at(3))
    path = site.settings.instance / NEXT_KEY_FILE
    kept = path.read_text()
    path.unlink()
    with pytest.raises(Conflict, match=NEXT_KEY_FILE):
        rotate(site)
    path.write_text(kept)
    assert rotate(site).version == 2


def test_keys_of_the_environment_cannot_be_rotated_from_here(site) -> None:
    with pytest.raises(Conflict, match="set in the environment"):
        rotate_customer_key(
            site.database.transaction,
            settings=site.settings,
            by=site.actor,
            environ=("CLOSEDLOOP_CUSTOMER_KEY",),
        )
    assert not (site.settings.instance / NEXT_KEY_FILE).exists()


def test_linked_customers_stay_linked_and_can_still_be_erased(site) -> None:
    site.take_in(
        [row("a", customer="ann@example.org"), row("b", customer="+447911123456", hours=3)]
    )
    path = site.settings.instance / "crosswalk.csv"
    path.write_text("email,phone,account\nann@example.org,+447911123456,77\n")
    values = {
        "settings": site.settings,
        "rules": MatchRules(tuple(IdentifierKind)),
        "crosswalk": path,
        "by": site.actor,
    }
    link_customers(site.database.transaction, **values)
    rotate(site)
    assert site.read(sa.select(CustomerKey.key_hash)) == [
        hash_customer("77", site.settings.customer_keys, IdentifierKind.ACCOUNT)
    ]
    again, _ = link_customers(site.database.transaction, **{**values, "settings": site.settings})
    assert again.joined == 0
    assert site.read(sa.select(sa.func.count(sa.distinct(ContactLink.chain_id)))) == [1]
    erased = erase_customer(
        site.database.transaction,
        settings=site.settings,
        customer_id_text="77",
        kind=IdentifierKind.ACCOUNT,
        by=site.actor,
    )
    assert erased.contacts == 2


@hypothesis_settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 10_000),
    portion=st.integers(1, 9),
    kills=st.lists(st.integers(1, 9), max_size=3),
)
def test_whatever_the_history_rotating_changes_no_chain(site, seed, portion, kills) -> None:
    draw = random.Random(seed)
    rows = [
        row(
            draw.choice([f"{seed}-{n}", f"{seed}.{n}@example.org"]),
            customer=f"cust-{draw.randrange(4)}",
            hours=hours,
        )
        for n, hours in enumerate(draw.sample(range(200), draw.randrange(1, 14)))
    ]
    source = f"source {seed}"
    site.take_in(rows, source=source)
    before, counts = plain(site), site.counts()
    usual, service.ROWS_AT_ONCE = service.ROWS_AT_ONCE, portion
    try:
        for n in kills:
            with contextlib.suppress(Killed):  # it may be through before
                rotate(site, report=kill_at(n))
        rotate(site)
    finally:
        service.ROWS_AT_ONCE = usual
    assert site.take_in(rows, source=source).added == 0
    assert (plain(site), site.counts()) == (before, counts)
