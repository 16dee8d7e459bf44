"""A preview counts what the import then does, and writes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.domain.errors import Invalid
from closedloop.models import Model
from closedloop.services import previews
from closedloop.services.contacts import import_file, preview_file
from closedloop.services.previews import SampleRow

MAPPING = Mapping(
    {"contact_id": "id", "started_at": "at", "customer_id": "who", "text": "said"},
    inbound=("way", "in"),
)


def line(contact_id: str, **values) -> str:
    return json.dumps(
        {
            "id": contact_id,
            "at": "2026-03-02T10:00:00Z",
            "who": "cust-778899",
            "way": "in",
            **values,
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ten rows: new, repeated, changed, outbound and bad ones."""
    lines = [
        line("a", said="Ring 07700 900123 about my card."),
        line("a", said="Ring 07700 900123 about my card."),
        line("a", said="Something else."),
        line("b", who=""),
        line("c", way="out"),
        line("d", at="never"),
        line("e", at="soon"),
        line(""),
        '{"id": "f", broken',
        line("g", at="2026-03-05T10:00:00Z"),
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def row_counts(database) -> dict[str, int]:
    with database.reading() as session:
        return {
            table.name: session.scalar(sa.select(sa.func.count()).select_from(table))
            for table in Model.metadata.sorted_tables
        }


def test_preview_file_counts_what_the_import_then_does(
    database, settings, actor, path: Path
) -> None:
    before = row_counts(database)
    with database.reading() as session:
        seen = preview_file(session, settings=settings, path=path, mapping=MAPPING, source="crm")
    assert row_counts(database) == before
    assert (seen.rows_read, seen.would_add, seen.unchanged, seen.changed) == (10, 3, 1, 1)
    assert (seen.rejected, seen.skipped, seen.is_whole) == (4, 1, True)
    assert seen.unidentified_rate == pytest.approx(1 / 3)
    assert (seen.first_at, seen.last_at) == (
        datetime(2026, 3, 2, 10, tzinfo=UTC),
        datetime(2026, 3, 5, 10, tzinfo=UTC),
    )
    assert sum(reason.rows for reason in seen.reasons) == 4
    assert seen.reasons[0].rows == 2
    assert "Line 6" in seen.reasons[0].example

    batch = import_file(
        database.transaction,
        settings=settings,
        path=path,
        mapping=MAPPING,
        source="crm",
        file_name="rows.jsonl",
        by=actor,
    )
    assert (batch.added, batch.unchanged, batch.changed) == (3, 1, 1)
    assert (batch.rejected, batch.unidentified) == (4, 1)
    with database.reading() as session:
        again = preview_file(session, settings=settings, path=path, mapping=MAPPING, source="crm")
        other = preview_file(session, settings=settings, path=path, mapping=MAPPING, source="new")
    assert (again.would_add, again.unchanged, again.changed) == (0, 4, 1)
    assert again.unidentified_rate is None
    assert other.would_add == 3


def test_preview_file_shows_rows_beside_contacts_without_personal_data(
    database, settings, path: Path
) -> None:
    with database.reading() as session:
        seen = preview_file(
            session, settings=settings, path=path, mapping=MAPPING, source="crm", sample=7
        )
    assert [row.line for row in seen.sample] == [1, 2, 3, 4, 6, 7, 8]  # 5 is outbound
    first = seen.sample[0]
    assert first.raw["who"] == "[CUSTOMER]"
    assert first.contact.turns == (("customer", "Ring [PHONE] about my card."),)
    assert seen.sample[4].contact is None
    assert "Line 6" in seen.sample[4].reason
    assert seen.sample[4].place == "Line 6"
    shown = repr(seen.sample)
    assert "cust-778899" not in shown
    assert "900123" not in shown


def test_preview_file_names_rows_by_what_the_format_counts(
    database, settings, tmp_path: Path
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(f"[\n{line('a', said='x')},\n7,\n{line('b', at='never')}\n]")
    with database.reading() as session:
        seen = preview_file(session, settings=settings, path=path, mapping=MAPPING, source="crm")
    assert [row.place for row in seen.sample] == ["Record 1", "Record 2", "Record 3"]
    assert seen.sample[1].reason.startswith("Record 2 ")
    assert seen.sample[2].reason.startswith("Record 3: ")
    kept = SampleRow.from_dict(json.loads(json.dumps(seen.sample[2].to_dict())))
    assert kept == seen.sample[2]


def test_preview_file_of_the_beginning_says_that_it_is_not_the_whole(
    database, settings, path: Path
) -> None:
    with database.reading() as session:
        seen = preview_file(
            session, settings=settings, path=path, mapping=MAPPING, source="crm", limit=4
        )
    assert (seen.rows_read, seen.would_add, seen.is_whole) == (4, 2, False)


def test_a_preview_of_the_beginning_does_not_look_through_a_file_of_rows_passed_over(
    database, settings, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(previews, "ROWS_AT_ONCE", 50)
    path = tmp_path / "out.jsonl"
    lines = [line(f"o{n}", way="out", said="Hi") for n in range(48)] + [
        line(f"i{n}") for n in range(9)
    ]
    path.write_text("\n".join(lines))

    with database.reading() as session:
        values = {"settings": settings, "path": path, "mapping": MAPPING, "source": "crm"}
        beginning = preview_file(session, **values, limit=20).sample
        whole = preview_file(session, **values).sample

    assert [row.line for row in beginning] == [49, 50]
    assert [row.line for row in whole] == [*range(49, 58)]


def test_preview_file_refuses_a_mapping_that_does_not_fit(database, settings, path: Path) -> None:
    unfit = Mapping({"contact_id": "id", "started_at": "opened"})
    with database.reading() as session, pytest.raises(Invalid, match="opened"):
        preview_file(session, settings=settings, path=path, mapping=unfit, source="crm")
