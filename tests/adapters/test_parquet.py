"""Parquet: every type a value JSON knows, a broken group costs itself."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from closedloop.adapters import parquet as parquet_reader
from closedloop.adapters import parquet_child
from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.parquet import READER, read_rows, sniff_parquet
from closedloop.adapters.registry import recognise
from closedloop.adapters.types import BadRow, UnreadableFile
from tests.adapters.fuzz import break_files, broken_versions, fuzzed, read_all

AT = datetime(2026, 3, 2, 9, 14, tzinfo=UTC)


def table(n: int = 4) -> pa.Table:
    return pa.table(
        {
            "contact_id": [f"P-{i}" for i in range(n)],
            "started_at": pa.array(
                [AT + timedelta(hours=i) for i in range(n)], pa.timestamp("ns", "Europe/Berlin")
            ),
            "customer_id": pa.array([i if i % 2 else None for i in range(n)], pa.int64()),
            "turns": [[{"speaker": "customer", "text": f"Question {i}"}] for i in range(n)],
            "price": [Decimal("1.50")] * n,
            "day": [date(2026, 3, 2)] * n,
            "waited": pa.array([timedelta(seconds=61.5)] * n, pa.duration("ns")),
            "score": [float("nan"), *[4.5] * (n - 1)],
            "blob": [b"\xff\x00"] * n,
            "seen": pa.array([[AT]] * n, pa.list_(pa.timestamp("ns", "UTC"))),
        }
    )


def parquet(content: pa.Table | None = None, **how) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table() if content is None else content, stream, **how)
    return stream.getvalue()


def test_a_parquet_file_is_recognised_and_its_values_are_such_as_json_knows(tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(parquet())

    with open_bundle(path) as bundle:
        reader, facts = recognise(bundle)
        rows = list(reader.read_rows(bundle, facts))

    assert (reader, facts.n_rows, len(rows)) == (READER, 4, 4)
    assert rows[1].fields == {
        "contact_id": "P-1",
        "started_at": "2026-03-02T10:14:00+00:00",
        "customer_id": 1,
        "turns": [{"speaker": "customer", "text": "Question 1"}],
        "price": "1.50",
        "day": "2026-03-02",
        "waited": 62,
        "score": 4.5,
        "blob": "\ufffd\x00",
        "seen": ["2026-03-02T09:14:00+00:00"],
    }
    assert rows[0].fields["score"] is None
    assert (rows[1].line, rows[1].place) == (2, "Row 2")


def test_dates_python_cannot_hold_come_as_arrow_writes_them(tmp_path):
    path = tmp_path / "far.parquet"
    far = pa.table({"id": ["a", "b"], "at": pa.array([10**6, 5 * 10**12], pa.timestamp("s"))})
    path.write_bytes(parquet(far))

    rows = list(read_rows(path, sniff_parquet(path)))

    assert len(rows) == 2
    assert all(row.fields["at"] for row in rows)


def test_a_broken_row_group_costs_its_own_rows(tmp_path):
    path = tmp_path / "groups.parquet"
    content = bytearray(parquet(table(30), row_group_size=10, compression="gzip"))
    group = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(1).column(0)
    start = group.dictionary_page_offset or group.data_page_offset
    content[start : start + group.total_compressed_size] = b"\xff" * group.total_compressed_size
    path.write_bytes(content)

    rows = list(read_rows(path, sniff_parquet(path)))

    good = [row.line for row in rows if not isinstance(row, BadRow)]
    [bad] = [row for row in rows if isinstance(row, BadRow)]
    assert good == [*range(1, 11), *range(21, 31)]
    assert bad.line == 11
    assert "from 11 to 20 cannot be read" in bad.reason


@pytest.mark.parametrize("keep", [4, 100, -1, -200])
def test_a_file_cut_short_is_refused_with_a_sentence(tmp_path, keep):
    path = tmp_path / "cut.parquet"
    path.write_bytes(parquet()[:keep])

    with pytest.raises(UnreadableFile, match="broken, unfinished or encrypted"):
        sniff_parquet(path)


def test_a_file_that_would_unpack_to_far_more_is_refused(tmp_path):
    path = tmp_path / "bomb.parquet"
    path.write_bytes(
        parquet(pa.table({"id": ["a"], "text": ["a" * 90_000_000]}), compression="zstd")
    )
    assert path.stat().st_size < 400_000

    with pytest.raises(UnreadableFile, match="unpack to far more than it should"):
        sniff_parquet(path)


def test_part_files_in_a_directory_are_one_table(tmp_path):
    for number in range(3):
        (tmp_path / f"part-{number}.parquet").write_bytes(parquet(table(2)))
    (tmp_path / "_SUCCESS").write_bytes(b"")

    with open_bundle(tmp_path) as bundle:
        _, facts = recognise(bundle)
        rows = list(READER.read_rows(bundle, facts))

    assert facts.n_rows == 6
    assert [row.line for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[3].place == "Row 2 of “part-1.parquet”"


def test_a_file_that_ends_the_process_of_the_library_is_refused_with_a_sentence(tmp_path):
    """Found by fuzzing: the library ends its process on this one instead of raising."""
    [content] = break_files({"contacts.parquet": parquet()}, random.Random(23)).values()
    path = tmp_path / "fatal.parquet"
    path.write_bytes(content)
    look = f"p.ParquetFile({str(path)!r}).metadata.row_group(0)"
    program = f"import pyarrow.parquet as p; [{look}.column(n).statistics for n in range(11)]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode < 0

    with pytest.raises(UnreadableFile, match="broken, unfinished or encrypted"):
        sniff_parquet(path)


def test_a_child_is_used_again_unless_it_was_left_in_the_middle(tmp_path):
    good, long = tmp_path / "good.parquet", tmp_path / "long.parquet"
    good.write_bytes(parquet())
    long.write_bytes(parquet(table(300)))

    sniff_parquet(good)
    [child] = parquet_reader._idle
    list(read_rows(good, sniff_parquet(good)))
    assert parquet_reader._idle == [child]
    sniff_parquet(long)  # looks at the first rows only
    assert parquet_reader._idle == []


def test_a_child_that_dies_costs_the_rows_of_its_group(tmp_path, monkeypatch):
    path = tmp_path / "three.parquet"
    path.write_bytes(parquet(table(30), row_group_size=10))
    facts = sniff_parquet(path)
    program = tmp_path / "child.py"
    program.write_text(
        Path(parquet_child.__file__)
        .read_text()
        .replace("    for batch in", "    if group == 1:\n        os.abort()\n    for batch in")
    )
    monkeypatch.setattr(parquet_reader, "_CHILD", program)
    monkeypatch.setattr(parquet_reader, "REUSED_WITHIN_SECONDS", 0)

    rows = list(read_rows(path, facts))

    assert [row.line for row in rows] == [*range(1, 12), *range(21, 31)]
    assert "from 11 to 20 cannot be read" in rows[10].reason


@fuzzed
@given(broken_versions({"contacts.parquet": parquet()}))
def test_no_broken_file_upsets_the_reader(files):
    read_all(READER, files)
