"""Salesforce ids in one spelling, and records told apart by their columns."""

from __future__ import annotations

import pytest

from closedloop.adapters.salesforce_records import field_of, filed_as, is_case, record_id


@pytest.mark.parametrize(
    ("id15", "id18"),
    [
        ("a0D30000001n7Pi", "a0D30000001n7PiEAI"),
        ("0019000000B98de", "0019000000B98deAAB"),
        ("00570000001ZwTi", "00570000001ZwTiAAK"),
    ],
)
def test_ids_of_15_and_18_characters_are_the_same_record(id15, id18):
    assert record_id(id15) == record_id(id18) == id18


def test_capitals_that_a_spreadsheet_lost_come_back():
    assert record_id("A0D30000001N7PIEAI") == record_id("a0d30000001n7pieai")
    assert record_id("A0D30000001N7PIEAI") == "a0D30000001n7PiEAI"


def test_ids_that_differ_in_capitals_only_stay_two_records():
    assert record_id("a0D30000001n7Pi") != record_id("a0D30000001n7PI")


@pytest.mark.parametrize("value", ["00001001", "x", "a0D30000001n7P!"])
def test_other_texts_stay_as_they_are(value):
    assert record_id(value) == value


def test_nothing_is_no_id():
    assert [record_id(value) for value in (None, "", [], {}, True)] == [None] * 5


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"Id": "5003X00002aBcD1", "CaseNumber": "1", "Origin": "Web"}, "case"),
        ({"Id": "5003X00002aBcD1", "attributes": {"type": "Case"}}, "case"),
        ({"Id": "02s3X00000aaaa1", "ParentId": "5003X00002aBcD1", "Incoming": "true"}, "e-mail"),
        ({"Id": "00a3X00000bbbb1", "ParentId": "5003X00002aBcD1", "CommentBody": "x"}, "comment"),
        ({"Id": "0LQ3X00000cccc1", "CallStartDateTime": "x"}, "call"),
        ({"Id": "00T3X00000dddd1", "WhatId": "5003X00002aBcD1", "CallType": "Inbound"}, "task"),
        ({"Id": "0053X000004rStu", "Name": "Jonas Feld"}, "name"),
    ],
)
def test_records_are_told_by_their_type_or_their_columns(record, kind):
    filed = filed_as(record)

    assert filed is not None
    assert filed.kind == kind


def test_accounts_and_other_records_say_nothing_about_contacts():
    assert filed_as({"Id": "0013X00002aaaaa", "Name": "Acme", "Industry": "x"}) is None
    assert not is_case({"attributes": {"type": "Opportunity"}, "CaseNumber": "1", "Status": "x"})


def test_a_related_record_is_nested_or_a_column():
    assert field_of({"Owner": {"Name": "Ida"}}, "Owner.Name") == "Ida"
    assert field_of({"Owner.Name": "Ida"}, "Owner.Name") == "Ida"
    assert field_of({"Owner": "Ida"}, "Owner.Name") is None
