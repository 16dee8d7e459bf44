"""Joining records of several files: the newest counts, and what was lost is known."""

from __future__ import annotations

from contextlib import closing

import pytest

from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.joined import Layout, Made, Refusal, brief, facts_of, read_joined
from closedloop.adapters.shelf import Filed, Shelf
from closedloop.adapters.types import BadRow, RawRow


def file(value, source):
    if "order" in value:
        return Filed("order", str(value["order"] or ""), version=str(value.get("version", "")))
    if "line" in value:
        return Filed("line", str(value["line"]), owner=str(value.get("of", "")))
    return None


def file_broken(raw, list_name, member):
    return Filed("line", "?") if "line" in member else Filed("order", "?")


LAYOUT = Layout(frozenset({"orders", "lines"}), file, file_broken, has_tables=True)


def contacts(shelf):
    for order in shelf.each("order"):
        if broken := shelf.lost_of("line", order.key):
            yield Refusal(f"Order {order.key} may lack lines of {broken}.")
            continue
        lines = [part.value["line"] for part in shelf.parts("line", order.key)]
        fields = {"contact_id": order.key, "lines": lines, "version": order.value.get("version")}
        yield Made(fields, f"order {order.key} in {order.member}")


def rows(directory, **files):
    for name, content in files.items():
        (directory / name.replace("_", ".")).write_text(content)
    with open_bundle(directory) as bundle:
        return list(read_joined(bundle, LAYOUT, contacts))


def contents(found):
    return [r.fields["lines"] if isinstance(r, RawRow) else r.reason for r in found]


def test_parts_are_joined_whichever_file_comes_first(tmp_path):
    lines = '[{"line": 1, "of": 7}, {"line": 2, "of": 8}, {"line": 3, "of": 7}]'
    found = rows(tmp_path, a_json=lines, b_json='{"orders": [{"order": 7}, {"order": 8}]}')
    assert [row.fields["lines"] for row in found] == [[1, 3], [2]]
    assert [row.line for row in found] == [1, 2]
    assert found[0].where == "order 7 in b.json"


def test_the_greatest_version_counts_and_of_equal_ones_the_last(tmp_path):
    orders = '[{"order": 7, "version": 2}, {"order": 7, "version": 1}]'
    (row,) = rows(tmp_path, a_json=orders)
    assert row.fields["version"] == 2
    again = '[{"order": 7, "version": 2, "x": 1}]'
    (row,) = rows(tmp_path, a_json=orders, b_json=again)
    assert row.where == "order 7 in b.json"


def test_a_file_that_breaks_off_casts_doubt_on_what_it_held_and_on_what_nothing_held(tmp_path):
    orders = '[{"order": 7}, {"order": 8}, {"order": 9}]'
    found = rows(
        tmp_path,
        orders_json=orders,
        line1_json='[{"line": 1, "of": 7}]',
        line2_json='[{"line": 2, "of": 8}, {"line": 3, "o',
    )
    assert contents(found)[0].startswith("Record 2 of line2.json breaks off before its end.")
    assert contents(found)[1:] == [
        [1],
        "Order 8 may lack lines of line2.json.",
        "Order 9 may lack lines of line2.json.",
    ]


def test_records_without_id_and_of_no_known_kind_are_said_to_be_so(tmp_path):
    found = rows(tmp_path, a_json='[{"order": ""}, {"order": 7}, {"colour": 1}]')
    reasons = [row.reason for row in found if isinstance(row, BadRow)]
    assert "An order in a.json has no id" in reasons[0]
    assert "Record 3 of a.json is of no kind known here." in reasons[1]


def test_files_of_others_are_passed_over(tmp_path):
    found = rows(tmp_path, a_json='[{"order": 7}]', b_json='{"name": "settings"}', c_txt="hello")
    assert contents(found) == [[]]


def test_a_table_holds_records_and_dots_nest(tmp_path):
    found = rows(tmp_path, a_csv="order;lines.first\n7;x\n;y\n")
    assert [row.fields["contact_id"] for row in found if isinstance(row, RawRow)] == ["7"]
    assert len(found) == 2


def test_a_name_that_no_database_stores_is_stored_without_what_cannot_be(tmp_path):
    (row,) = rows(tmp_path, a_json='[{"order": "\\ud800"}]')
    assert row.fields["contact_id"] == "?"


def test_facts_of_looks_at_the_beginning_of_a_few_files_of_each_kind(tmp_path):
    for number in range(300):
        (tmp_path / f"line-{number}.json").write_text(f'[{{"line": {number}, "of": 7}}]')
    (tmp_path / "orders.json").write_text('[{"order": 7}, {"order": 8')
    kinds = {"order": "orders"}
    with open_bundle(tmp_path) as bundle:
        facts = facts_of(bundle, LAYOUT, contacts, format="x", kinds=kinds, notes=lambda shelf: [])
    assert facts is not None
    assert facts.reasons == ["The files hold orders."]
    assert len(facts.sample_rows) == 1  # a cut at the limit of the look loses nothing


def test_facts_of_knows_nothing_of_other_files(tmp_path):
    (tmp_path / "a.json").write_text('[{"line": 1, "of": 7}]')
    with open_bundle(tmp_path) as bundle:
        facts = facts_of(
            bundle, LAYOUT, contacts, format="x", kinds={"order": "orders"}, notes=list
        )
    assert facts is None


def test_linked_gives_keys_under_their_owner_in_order():
    with closing(Shelf()) as shelf:
        for owner, key in (("b", "1"), ("a", "2"), ("b", "3")):
            shelf.link(owner, key)
        assert list(shelf.linked()) == [("b", ["1", "3"]), ("a", ["2"])]


@pytest.mark.parametrize(("key", "shown"), [("x" * 80, "x" * 80), ("x" * 81, "x" * 80 + "…")])
def test_brief_keeps_sentences_short(key, shown):
    assert brief(key) == shown
