"""Bad files through the command and the wizard: a sentence for a person, and nothing lost."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from closedloop.cli import main
from closedloop.config import Settings
from closedloop.extensions import Database
from closedloop.models import (
    Contact,
    ContactText,
    Customer,
    DailyRollup,
    ImportBatch,
    ImportReject,
    Model,
)
from closedloop.models.imports import BatchState
from tests.kept import lay_tables
from tests.pages import text_of
from tests.site import ROOT, SERVER

HEADER = "contact_id,started_at,customer_id,channel,text\n"
MB = 1024 * 1024


def line(
    number: object,
    *,
    at: str = "2026-03-02T10:00:00+00:00",
    customer: str = "kunde-1",
    text: str = "My card has not arrived.",
) -> str:
    return f"{number},{at},{customer},phone,{text}\n"


GOOD = HEADER + line(1) + line(2, at="2026-03-04T10:00:00+00:00")


@dataclass
class Shell:
    """The command line on an instance of this test's own."""

    instance: Path
    folder: Path
    database: Database

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; return its status and what it said; nothing may escape it."""
        result = CliRunner().invoke(main, [*arguments, "--instance", str(self.instance)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result.exit_code, result.stdout, result.stderr

    def file(self, content: str | bytes, name: str = "calls.csv") -> Path:
        """Write a file to import."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def take_in(self, content: str | bytes, *options: str, name: str = "calls.csv") -> dict:
        """Import a file that must be taken in; return the counts."""
        status, out, error = self.run("import", str(self.file(content, name)), "--json", *options)
        assert status == 0, error
        return json.loads(out)

    def refuse(self, content: str | bytes, *options: str, name: str = "calls.csv") -> str:
        """Import a file that must be refused, also dry; return the one sentence, no row changed."""
        path, before = str(self.file(content, name)), self.rows()
        for more in (["--dry-run"], []):
            status, out, error = self.run("import", path, *options, *more)
            assert (status, out) == (1, ""), error
            assert error.strip().endswith(".") or "jq" in error
            assert len(error.strip().splitlines()) == 1
        assert self.rows() == before
        return error.strip()

    def rows(self) -> dict[str, int]:
        """Count every table."""
        count = sa.select(sa.func.count())
        with self.database.reading() as session:
            return {
                table.name: session.scalar(count.select_from(table)) or 0
                for table in Model.metadata.sorted_tables
            }

    def ask(self, statement: sa.Select) -> list:
        """Return the first column of what a statement finds."""
        with self.database.reading() as session:
            return list(session.scalars(statement))

    def reasons(self) -> list[str]:
        """Return what the quarantine says, in order of lines."""
        return self.ask(sa.select(ImportReject.reason).order_by(ImportReject.line))


@pytest.fixture
def shell(tmp_path, monkeypatch, database_url, settings) -> Iterator[Shell]:
    for name in [name for name in os.environ if name.startswith("CLOSEDLOOP_")]:
        monkeypatch.delenv(name)
    if SERVER:
        monkeypatch.setenv("CLOSEDLOOP_DATABASE_URL", database_url)
        # the pages of the test look at the same database, whose customers have one key
        monkeypatch.setenv("CLOSEDLOOP_CUSTOMER_KEY", settings.customer_key)
    instance = tmp_path / "site"
    lay_tables(instance, database_url)
    email = ("--admin-email", "ada@example.com", "--admin-password", "a long password")
    result = CliRunner().invoke(main, ["init", *email, "--instance", str(instance)])
    assert result.exit_code == 0, result.output
    database = Database().open(Settings.from_env(instance).url)
    yield Shell(instance, tmp_path, database)
    database.engine.dispose()


def _zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return packed.getvalue()


def _noise() -> bytes:
    return bytes(random.Random(7).choices(range(1, 256), k=5_000))


NO_FILES = {
    "empty": (b"", "The file is empty."),
    "blank lines": (b"\n\n  \r\n", "The file is empty."),
    "a byte order mark alone": (b"\xef\xbb\xbf", "The file is empty."),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "The file is a picture"),
    "a broken spreadsheet": (_zipped(), "The workbook cannot be read: it is broken"),
    "half an archive": (gzip.compress(GOOD.encode() * 99)[:60], "The .gz file cannot be unpacked"),
    "NUL bytes": (b"contact_id,started_at\n\x00\x01\x02\x00" * 50, "The file is binary"),
    "noise": (_noise(), "The file is binary"),
    "a web page": (b"<!doctype html>\n<p>Please sign in\n", "The file has a single column."),
    "no column names": (
        line(1).encode() + line(2).encode(),
        "The first line does not name the columns",
    ),
    "a JSON list of numbers": (b"[1, 2, 3]", "No record of the JSON list can be read."),
    "one JSON object over many lines": (
        json.dumps({"contact_id": 1, "started_at": "2026-03-02"}, indent=2).encode(),
        "The file looks like JSON, but holds neither a list of objects nor one whole object",
    ),
    "a quotation mark never closed": (
        b'"contact_id,started_at\n1,2026-03-02T10:00:00Z\n',
        "The first line of the file cannot be split into columns.",
    ),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_table_is_refused_with_what_to_do(shell, kind):
    content, sentence = NO_FILES[kind]

    assert sentence in shell.refuse(content)


@pytest.mark.parametrize("kind", NO_FILES)
def test_the_wizard_says_the_same_and_keeps_no_file(manager, session, settings, kind):
    content, sentence = NO_FILES[kind]
    before = [session.scalar(sa.select(sa.func.count()).select_from(ImportBatch))]
    session.commit()

    form = {"file": (io.BytesIO(content), "calls.csv")}
    words = text_of(manager.post("/contacts/import", form, 422).text)

    assert f"“calls.csv” was not taken in. {sentence}" in words
    assert list(settings.uploads.iterdir()) == []
    assert before == [session.scalar(sa.select(sa.func.count()).select_from(ImportBatch))]


def test_column_names_without_rows_are_done_and_said(shell):
    status, out, _ = shell.run("import", str(shell.file(HEADER)))

    assert status == 0
    assert "The file has column names but no rows below them." in out
    assert shell.take_in(HEADER)["rows_read"] == 0
    assert shell.ask(sa.select(Contact.id)) == []


def test_missing_columns_are_named_beside_those_the_file_has(shell):
    sentence = shell.refuse("foo,bar\n1,soon\n")

    assert "No column is mapped to contact_id" in sentence
    assert "No column is mapped to started_at" in sentence
    assert "The file has the columns “foo”, “bar”. Say in the mapping which is which." in sentence


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({"columns": {"contact": "contact_id"}}, "a column “contact” that is not known. Known are"),
        ({"columns": {"contact_id": "nr", "started_at": "started_at"}}, "from a column “nr”"),
        ({"columns": {"contact_id": "contact_id"}}, "No column is mapped to started_at"),
        ({"colums": {}}, "a setting “colums” that is not known. Known are: columns"),
        ({"columns": []}, "The mapping has no “columns”."),
        ({"columns": {}, "zone": "Mars/Olympus"}, "There is no time zone “Mars/Olympus”."),
        ({"columns": {}, "date_order": "dym"}, "The date order “dym” is not known."),
        ({"columns": {}, "session_gap_seconds": -1}, "cannot be negative"),
        ({"columns": {}, "session_gap_seconds": 10**30}, "longer than 30 days"),
        ({"columns": {}, "session_gap_seconds": "12h"}, "a value of the wrong kind"),
        ({"columns": {}, "constants": {"contact_id": "1"}}, "cannot be the same for a whole file"),
        ({"columns": {}, "constants": {"queue": "a\x00b"}}, "a character that no text has"),
        ({"columns": {}, "source": "s\ud800"}, "a character that no text has"),
        (["contact_id"], "must be one object"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_where_it_makes_none(shell, mapping, sentence):
    file = shell.file(json.dumps(mapping), "mapping.json")

    assert sentence in shell.refuse(GOOD, "--mapping", str(file))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"{", "mapping.json"),
        (b"\xff\xfe\x00", "mapping.json"),
        (b"columns = [", "mapping.toml"),
        (b"[" * 100_000, "mapping.json"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_named(shell, content, name):
    file = shell.file(content, name)

    assert f"The mapping {name}" in shell.refuse(GOOD, "--mapping", str(file))


@pytest.mark.parametrize("hours", ["nan", "inf", "-1", "1e300"])
def test_a_session_gap_that_is_no_time_is_refused(shell, hours):
    assert "session gap" in shell.refuse(GOOD, f"--session-gap-hours={hours}")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_text_arrives_whole_in_whatever_encoding_it_comes(shell, encoding):
    text = "Où est ma carte? Café à côté; naïve Größe."
    rows = "".join(line(number, text=text) for number in range(5))

    assert shell.take_in((HEADER + rows).encode(encoding))["added"] == 5
    assert set(shell.ask(sa.select(ContactText.issue_text))) == {text}


def test_broken_bytes_cost_their_own_row_and_no_other(shell):
    rows = [line(number, text="Où est ma carte? Le café est fermé.") for number in range(30)]
    content = (HEADER + "".join(rows)).encode() + b"99,2026-03-02T10:00:00Z,k,phone,caf\xe9\n"

    counts = shell.take_in(content)

    assert (counts["added"], counts["rejected"]) == (30, 1)
    (reason,) = shell.reasons()
    assert reason.startswith("Line 32 holds bytes that are not utf-8")
    assert reason.endswith("Save the file as UTF-8.")
    assert "\ufffd" not in "".join(shell.ask(sa.select(ContactText.issue_text)))


def test_text_that_no_database_stores_is_stored_without_what_is_none(shell):
    lines = (
        '{"contact_id":"1\\ud800","started_at":"2026-03-02T10:00:00Z","text":"\\ud83d a\\u0000b"}\n'
        '{"contact_id":"2\\u0000","started_at":"2026-03-02T10:00:00Z","channel":"\\u0000\\udfff"}\n'
        '{"contact_id":3,"started_at":"\\u0000never\\ud800","customer_id":"\\u0000"}\n'
    )

    counts = shell.take_in(lines)

    assert (counts["added"], counts["rejected"]) == (2, 1)
    assert shell.ask(sa.select(ContactText.issue_text)) == ["ab"]


@pytest.mark.skipif(sys.platform == "darwin", reason="this system lets no name hold any byte")
def test_a_file_name_of_odd_bytes_is_no_hindrance(shell):
    path = os.fsencode(shell.folder) + b"/caf\xe9-\xff.csv"
    with open(path, "wb") as file:  # noqa: PTH123 - pathlib knows no bytes
        file.write(GOOD.encode())

    status, out, error = shell.run("import", os.fsdecode(path), "--json")

    assert status == 0, error
    assert json.loads(out)["added"] == 2
    assert shell.ask(sa.select(ImportBatch.file_name)) == ["caf?-?.csv"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (line(7, at="2026-03-02 10:00"), "has no time zone (it looks like 9999-99-99 99:99). Name"),
        (line(7, at="03/04/2026 10:00Z"), "with the day or the month first"),
        (line(7, at="2099-01-01T00:00:00Z"), "more than a day after the time of the import"),
        (line(7, at="2026-02-30T10:00:00Z"), "is no date and time (it looks like 9999-99-99A"),
        (line(7, at="0001-01-01T00:00:00+14:00"), "is no date and time"),
        (line(7, at="9999-12-31T23:59:59-14:00"), "is no date and time"),
        (line(7, at="2026-03-02 10:00 EST"), "abbreviation of a time zone"),
        (line(7, at="1970-01-01T00:00:00Z"), "is before 1990. Correct the year"),
        (line(7, at=""), "is empty. Fill in when the contact started."),
        (line(""), "is empty. Give every contact an id of its own."),
        (line("9" * 300), "holds 300 characters, which is no id"),
        ("7,2026-03-02T10:00:00Z,k,phone,a,b,c\n", "has 7 columns where the header has 5."),
        ("7,2026-03-02T10:00:00Z\n", "is missing: the row ends after 2 columns"),
        ('7,2026-03-02T10:00:00Z,k,phone,"never closed\n', "quotation mark that is never closed"),
    ],
)
def test_a_row_that_is_no_contact_waits_with_line_reason_and_remedy(shell, row, sentence):
    counts = shell.take_in(HEADER + line(1) + row + line(2))

    (reason,) = shell.reasons()
    assert reason.startswith("Line 3")
    assert sentence in reason
    assert (counts["added"], counts["rejected"]) == (2, 1)
    assert sum(shell.ask(sa.select(DailyRollup.contacts))) == 2


def test_a_contact_without_text_is_a_contact(shell):
    counts = shell.take_in(HEADER + line(1, text="") + line(2))

    assert (counts["added"], counts["rejected"]) == (2, 0)
    assert len(shell.ask(sa.select(ContactText.contact_id))) == 1


def test_an_id_that_comes_again_with_other_content_keeps_the_first_and_says_so(shell):
    first, other = line(1, text="My card is lost."), line(1, text="My card is stolen.")

    counts = shell.take_in(HEADER + first + other + first)
    assert (counts["added"], counts["changed"], counts["unchanged"]) == (1, 1, 1)
    status, out, _ = shell.run("import", str(shell.file(HEADER + other)))

    assert status == 0
    assert "In 1 row “calls” brings a known id with other content; the first version stays." in out
    assert shell.ask(sa.select(ContactText.issue_text)) == ["My card is lost."]
    for reason in shell.reasons():
        assert "The first version stays." in reason


def test_the_same_ids_from_another_system_are_other_contacts(shell):
    shell.take_in(HEADER + line(1, text="A call."), name="calls_2026-03.csv")
    shell.take_in(HEADER + line(1, text="A chat."), name="chats_2026-03.csv")
    again = shell.take_in(HEADER + line(1, text="A call."), name="calls_2026-04.csv")

    assert again["unchanged"] == 1
    assert shell.ask(sa.select(Contact.source).order_by(Contact.source)) == ["calls", "chats"]
    assert len(shell.ask(sa.select(Customer.id))) == 1


@pytest.mark.parametrize("depth", [10, 900, 100_000])
@pytest.mark.parametrize("column", ["text", "contact_id", "turns"])
def test_deeply_nested_json_costs_its_own_row_and_no_other(shell, depth, column):
    good = {"contact_id": 1, "started_at": "2026-03-02T10:00:00Z", "customer_id": "k"}
    other = "turns" if column == "turns" else "text"
    nested = "[" * depth + "]" * depth
    bad = {**good, "contact_id": 2, other: "", column: 0}
    broken = json.dumps(bad).replace(f'"{column}": 0', f'"{column}": {nested}')

    counts = shell.take_in(f"{json.dumps({**good, other: 'x'})}\n{broken}\n", name="calls.jsonl")

    assert (counts["added"], counts["rejected"]) == (1, 1)
    (reason,) = shell.reasons()
    assert reason.startswith("Line 2")


def test_numbers_beyond_all_bounds_cost_their_row(shell):
    start = '"started_at":"2026-03-02T10:00:00Z"'
    lines = [
        f'{{"contact_id":1,{start},"csat":4}}',
        f'{{"contact_id":2,{start},"csat":1e400}}',
        f'{{"contact_id":3,{start},"csat":{"9" * 5000}}}',
        f'{{"contact_id":4,{start},"handle_seconds":1e308}}',
        '{"contact_id":5,"started_at":1e300}',
        '{"contact_id":6,"started_at":NaN}',
    ]

    counts = shell.take_in("\n".join(lines), name="calls.jsonl")

    assert (counts["added"], counts["rejected"]) == (1, 5)
    assert [reason.split()[1].rstrip(":") for reason in shell.reasons()] == list("23456")


def test_three_thousand_columns_are_read_and_those_that_count_are_found(shell, manager):
    names = ["contact_id", "started_at", "text", *(f"q{n}" for n in range(2_997))]
    cells = ["1", "2026-03-02T10:00:00Z", "My card is lost.", *("x" for _ in range(2_997))]
    content = f"{','.join(names)}\n{','.join(cells)}\n"

    assert shell.take_in(content)["added"] == 1

    form = {"file": (io.BytesIO(content.encode()), "wide.csv")}
    location = manager.post("/contacts/import", form).headers["Location"]
    html = manager.raw(location).text  # not audited like the narrow ones: it takes its time
    assert html.count('name="becomes_') == 3_000


def test_more_columns_than_any_table_has_are_refused_at_once(shell):
    began = time.process_time()

    sentence = shell.refuse(",".join(f"c{n}" for n in range(200_000)) + "\n1,2\n")

    assert "200,000 columns" in sentence
    assert time.process_time() - began < 20


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from closedloop.cli import main; main()", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def write_rows(path: Path, n_rows: int, text: str = "My card has not arrived.") -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for n in range(n_rows):
            at = f"2026-{n * 6 // n_rows + 1:02}-{n % 28 + 1:02}T{n % 24:02}:00:00Z"
            file.write(line(n, at=at, customer=f"kunde-{n % 997}", text=text))


def wait_until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_an_import_killed_in_the_middle_and_begun_again_loses_and_doubles_nothing(shell):
    path = shell.folder / "calls.csv"
    write_rows(path, 12_000)
    asked = ("import", str(path), "--no-assign", "--instance", str(shell.instance))
    process = subprocess.Popen(
        command(*asked), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: sum(shell.ask(sa.select(ImportBatch.rows_done))) >= 4_000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = len(shell.ask(sa.select(Contact.id)))
    assert 4_000 <= stored < 12_000

    counts = shell.take_in(path.read_bytes(), "--no-assign")

    assert (counts["unchanged"], counts["added"]) == (0, 12_000)  # it went on where it stopped
    for entity in (Contact.id, ContactText.contact_id):
        assert shell.ask(sa.select(sa.func.count(entity))) == [12_000]
    assert sum(shell.ask(sa.select(DailyRollup.contacts))) == 12_000
    assert shell.ask(sa.select(sa.func.count(sa.distinct(Contact.source_contact_id)))) == [12_000]
    states = shell.ask(sa.select(ImportBatch.state).order_by(ImportBatch.id))
    assert states == [BatchState.DONE]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell the peak")
def test_a_large_file_is_read_in_bounded_memory(shell):
    path = shell.folder / "large.csv"
    write_rows(path, 3_000, text="My card has not come although I was told it would. " * 200)
    assert path.stat().st_size > 28 * MB
    asked = ("import", str(path), "--json", "--no-assign", "--instance", str(shell.instance))
    script = (  # not getrusage: its peak is inherited from whoever started the process
        "import sys; from closedloop.cli import main\n"
        "try: main()\n"
        "finally: print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0],"
        " file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, *asked],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["added"] == 3_000
    peak_mb = int(done.stderr.strip().splitlines()[-1]) / 1024
    assert peak_mb < 250


def test_a_file_beyond_the_limit_of_the_wizard_is_told_the_way_round(manager, app, settings):
    app.config["MAX_CONTENT_LENGTH"] = 20_000
    form = {"file": (io.BytesIO(GOOD.encode() + b"x" * 50_000), "large.csv")}

    words = text_of(manager.post("/contacts/import", form, 413).text)

    assert "nothing of it was kept" in words
    assert "closedloop import FILE" in words
    assert list(settings.uploads.iterdir()) == []
