"""Messages as people write them in public, from the file to every page of themes."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.domain.accounts import Role
from closedloop.jobs.work import draw_themes
from closedloop.models import Contact, ContactText, ImportReject, Theme
from closedloop.services.contacts import import_file
from closedloop.services.emerging import find_emerging_themes
from closedloop.services.long_work import tell_nobody
from closedloop.services.themes import discover_themes
from tests.factories.tweets import EMPTY, SAID, tweets, tweets_csv
from tests.pages import PageClient

LISTS = (
    "/themes/",
    "/themes/?view=all&group=driver",
    "/themes/?view=candidates&q=%23spotify",
    "/themes/export.csv",
    "/themes/drivers",
    "/themes/runs",
    "/themes/runs/1",
    "/themes/map",
    "/themes/next",
    "/themes/faq",
    "/themes/codes",
    "/themes/unassigned",
    "/triage/",
)
OF_ONE = ("", "/definitions", "/contacts", "/split", "/move?all=1&to=none", "/changes", "/check")


@pytest.fixture
def site(app, database, settings, actor, tmp_path):
    """The messages imported as a file, redacted, and themed as a night would."""
    path = tmp_path / "tweets.csv"
    path.write_text(tweets_csv(), encoding="utf-8")
    columns = {
        "contact_id": "tweet_id",
        "customer_id": "author_id",
        "started_at": "created_at",
        "text": "text",
    }
    given = {"settings": settings, "by": actor}
    import_file(
        database.transaction,
        path=path,
        mapping=Mapping(columns),
        source="twitter",
        file_name=path.name,
        **given,
    )
    discover_themes(database.transaction, **given)
    find_emerging_themes(database.transaction, **given)
    draw_themes(database, settings, tell_nobody)
    return database


def test_messy_messages_become_plainly_named_themes_and_no_page_breaks(site, session, sign_in_as):
    assert session.scalars(sa.select(ImportReject.reason)).all() == []
    said = session.execute(
        sa.select(Contact.source_contact_id, Contact.theme_id, ContactText.issue_text).join(
            ContactText
        )
    ).all()
    names = session.execute(sa.select(Theme.key, Theme.name, Theme.keywords)).all()

    assert len(tweets()) == 150
    assert len(said) == 150 + len(EMPTY)
    assert not any("http" in text or "@" in text for _, _, text in said)
    assert 3 <= len(names) <= 12
    for _, name, keywords in names:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9' ,-]*(\(\d+\))?", name), name
        words = " ".join([name, *map(str, keywords)]).casefold()
        assert not re.search(r"spotify|nowplaying|fixit|help\b|t\.co|amp\b|some_one|115888", words)
    manager: PageClient = sign_in_as(Role.CX_MANAGER)
    for url in LISTS:
        if url.endswith(".csv"):
            assert manager.raw(url).status_code == 200
        else:
            html = manager.get(url)
            assert "t.co/" not in html
    for key, *_ in names:
        for tail in OF_ONE:
            manager.get(f"/themes/{key}{tail}")
        manager.raw(f"/triage/{key}")
    check_kinds(session)


def check_kinds(session):
    """Messages of one kind stand together, and those that say nothing stand nowhere."""
    kinds = dict(enumerate(kind for kind, _ in tweets()))
    rows = session.execute(sa.select(Contact.source_contact_id, Contact.theme_id)).all()
    held: dict[int, Counter[str]] = {}
    for contact, theme in rows:
        number = int(contact) - 100_000
        if theme is not None and number in kinds:
            held.setdefault(theme, Counter())[kinds[number]] += 1

    n_held = sum(sum(count.values()) for count in held.values())
    pure = sum(max(count.values()) for count in held.values())
    assert n_held >= 75
    assert pure / n_held >= 0.85
    assert len({count.most_common(1)[0][0] for count in held.values()}) >= len(SAID) - 1
    nothing = [theme for contact, theme in rows if int(contact) - 100_000 >= len(kinds)]
    assert nothing == [None] * len(EMPTY)
