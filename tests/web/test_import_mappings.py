"""Saved mappings: named in the wizard, offered for the next file, renamed and deleted."""

from __future__ import annotations

import json

import pytest

from closedloop.adapters.uploads import find_upload, note
from closedloop.queries.mappings import find_mapping, list_mappings
from tests.pages import text_of
from tests.web.test_contacts_import import FILE, fields_of, token_of, upload


@pytest.fixture
def save(manager):
    """Map a file in the wizard under a name; give its token."""

    def run(name: str, status: int = 303, **changes: str) -> str:
        token = token_of(upload(manager))
        typed = fields_of(manager.get(f"/contacts/import/{token}"))
        manager.post(f"/contacts/import/{token}", typed | {"save_as": name, **changes}, status)
        return token

    return run


def test_a_saved_mapping_fills_the_next_file_in_and_says_so(manager, session, save) -> None:
    save(
        "Desk",
        source="help desk",
        session_gaps="WhatsApp 24, email: 1.5",
        csat_scale="1-10",
        decimal_mark=",",
    )

    token = token_of(upload(manager, FILE, "april.csv"))
    html = manager.get(f"/contacts/import/{token}")

    words, fields = text_of(html), fields_of(html)
    assert "Filled in from the saved mapping “Desk”." in words
    assert (fields["source"], fields["save_as"]) == ("help desk", "Desk")
    assert fields["decimal_mark"] == ","
    assert (fields["session_gaps"], fields["csat_scale"]) == ("whatsapp 24, email 1.5", "1-10")
    assert find_mapping(session, "Desk").mapping["session_gaps"] == {
        "whatsapp": 86_400,
        "email": 5_400,
    }


def test_another_saved_mapping_can_be_chosen_and_a_misfit_is_said(manager, session, save) -> None:
    save("One", source="one")
    save("Two", source="two")
    token = token_of(upload(manager, FILE, "april.csv"))

    html = manager.get(f"/contacts/import/{token}?mapping=One")
    assert fields_of(html)["source"] == "one"
    assert ">One, not used yet</option>" in html

    other = token_of(upload(manager, "foo,bar\nx,2026-03-02\n"))
    words = text_of(manager.get(f"/contacts/import/{other}?mapping=One"))
    assert "“One” needs columns that this file does not have" in words


def test_changing_a_mapping_that_was_filled_in_is_meant_and_taking_its_name_is_not(
    manager, session, save
) -> None:
    save("Desk", source="one")
    save("Desk", source="two")  # filled in from it, changed
    assert find_mapping(session, "Desk").mapping["source"] == "two"
    save("Other")
    token = token_of(upload(manager))
    html = manager.get(f"/contacts/import/{token}?mapping=Other")
    typed = fields_of(html) | {"save_as": "Desk", "source": "three"}

    response = manager.post(f"/contacts/import/{token}", typed, 422)

    assert "another mapping called “Desk”" in text_of(response.text)
    assert fields_of(response.text)["source"] == "three"
    assert find_mapping(session, "Desk").mapping["source"] == "two"


@pytest.mark.parametrize("gaps", ["whatsapp", "24", "whatsapp x", "chat 721", "chat 1.2.3"])
def test_gaps_that_are_none_keep_what_was_typed(manager, settings, save, gaps) -> None:
    token = save("", 422, session_gaps=gaps)

    assert find_upload(settings.uploads, token).mapping is None


def test_the_name_goes_with_the_upload(manager, settings, save) -> None:
    token = save("Desk")

    upload = find_upload(settings.uploads, token)
    assert upload.mapping_name == "Desk"
    note(upload, mapping_name="")
    assert find_upload(settings.uploads, token).mapping_name == ""


def test_mappings_are_listed_renamed_exported_and_deleted(manager, session, save) -> None:
    assert "No mapping is saved yet" in text_of(manager.get("/contacts/mappings"))
    save("Desk")
    save("Other", source="other")
    words = text_of(manager.get("/contacts/mappings"))
    assert "Contact number Ticket ID" in words

    sent = manager.raw("/contacts/mappings/Desk.json")
    assert json.loads(sent.text)["columns"]["started_at"] == "Created"
    taken = manager.post("/contacts/mappings/rename", {"name": "Desk", "new_name": "Other"}, 422)
    assert "called “Other”" in text_of(taken.text)
    manager.post("/contacts/mappings/rename", {"name": "Desk", "new_name": "Help desk"})
    manager.post("/contacts/mappings/delete", {"name": "Other"})
    assert [m.name for m in list_mappings(session)] == ["Help desk"]
    manager.get("/contacts/mappings/Nothing.json", 404)
