"""Labels of texts: near duplicates have one, whatever else there is."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from closedloop.models import Contact, ContactText, DefinitionSet, EncodedText
from closedloop.services.assignment import assign_contacts
from closedloop.services.curation import preview_split
from closedloop.services.definitions import own_maker
from ml.themes import ThemeModel
from ml.themes.vectors import DenseSpace
from tests.factories.contacts import make_contact, make_customer
from tests.factories.leftovers import make_site, real_maker
from tests.factories.themes import make_theme

SPELLINGS = (
    "My parcel hasn't arrived at the shop",
    "my parcel hasn’t arrived at the shop!!!",
    "MY PARCEL HAS'NT ARRIVED AT THE SHOP",
    "  my   parcel, hasnt arrived @ the shop ???",
    "@brand my parcel hasn't arrived at the shop... https://t.co/x",
)
"""The same but for the fourth, where “at” is not written."""


def put_in_force(session, encoder, texts, owner):
    """Put a model in force so narrow that it holds hardly more than the first of the texts."""
    vectors = encoder.encode(texts)
    labels = np.array([0] + [-1] * (len(texts) - 1))
    model = ThemeModel.fit(vectors, labels, DenseSpace.fit(vectors))
    session.add(
        DefinitionSet(
            number=1,
            encoder=encoder.name,
            model=model.to_bytes(),
            label_themes=[owner.id],
            is_current=True,
            reason="test",
        )
    )
    session.flush()


def said(session, *texts):
    return [make_contact(session, customer=make_customer(session), text=text) for text in texts]


def assigned(database, settings, actor, maker):
    assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)
    query = sa.select(ContactText.issue_text, Contact.cluster, Contact.theme_confidence)
    with database.reading() as session:
        return {row[0]: tuple(row[1:]) for row in session.execute(query.join(Contact))}


@pytest.mark.parametrize("maker", [real_maker, own_maker])
def test_texts_of_one_wording_end_together_under_a_definition_as_narrow_as_one_text(
    database, settings, actor, maker
):
    maker = maker()
    encoder = maker.load_encoder("default")
    with database.transaction() as session:
        theme = make_theme(session, name="Parcel")
        near = ["my parcel has arrived", "parcel arrived", "my shop", "not at the shop, my parcel"]
        put_in_force(session, encoder, ["my parcel hasnt arrived at the shop", *near], theme)
        said(session, *SPELLINGS, *near)

    found = assigned(database, settings, actor, maker)

    together = {found[text] for i, text in enumerate(SPELLINGS) if i != 3}
    assert len(together) == 1
    assert together.pop()[0] == 0
    assert found[SPELLINGS[3]] != found[SPELLINGS[0]]
    with database.reading() as session:
        vectors = session.execute(
            sa.select(ContactText.issue_text, EncodedText.vector).join(
                EncodedText, EncodedText.text_hash == ContactText.text_hash
            )
        ).all()
    assert len({vector for text, vector in vectors if text in SPELLINGS}) == 2


def test_what_else_is_there_changes_no_label(database, settings, actor):
    maker = real_maker()
    encoder = maker.load_encoder("")
    with database.transaction() as session:
        theme = make_theme(session, name="Parcel")
        put_in_force(session, encoder, ["parcel is lost", "parcel is here", "shop"], theme)
        said(session, "Parcel is lost!", "PARCEL: is here")

    alone = assigned(database, settings, actor, maker)
    with database.transaction() as session:
        said(session, "parcel is lost", "parcel is lost.", "parcel is here", "Shop")
    together = assigned(database, settings, actor, maker)

    assert {text: together[text] for text in alone} == alone
    assert together["parcel is lost"] == alone["Parcel is lost!"]
    assert together["parcel is here"] == alone["PARCEL: is here"]


def test_a_split_takes_all_spellings_of_what_it_takes(database, settings, actor):
    maker = real_maker()
    card = [(f"CARD has not come c{i}{end}", 0) for i in range(20) for end in ("", "!", " ?")]
    theme_id = make_site(database, settings, actor, maker, card)
    with database.reading() as session:
        example = session.scalars(
            sa.select(ContactText.contact_id).where(
                ContactText.issue_text == "CARD has not come c3!"
            )
        ).one()

        preview = preview_split(session, theme_id=theme_id, contact_ids=[example], k=1, maker=maker)

        leaving = sa.select(ContactText.issue_text).where(ContactText.contact_id.in_(preview.ids))
        texts = set(session.scalars(leaving))
    for number in {text.rsplit(" c", 1)[1].rstrip("! ?") for text in texts}:
        assert {f"CARD has not come c{number}{end}" for end in ("", "!", " ?")} <= texts
    assert "CARD has not come c3 ?" in texts
