"""Imports at the command line: preview, saved mappings, replays, stopping, taking out, pick-up."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from closedloop.adapters.uploads import note, save_upload
from closedloop.cli.contacts import _stoppable
from closedloop.cli.options import Ticker
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Conflict
from closedloop.domain.jobs import JobKind, Progress
from closedloop.services.jobs import queue_job
from closedloop.services.long_work import Cancelled
from tests.site import ROOT

FILE = (
    "id,at,who,via,note\n"
    "1,2026-03-01 10:00,ann,phone,mail ann@example.org\n"
    "2,2026-03-02 10:00,ann,chat,again\n"
    "3,soon,bob,chat,when\n"
)


@pytest.fixture
def ready(run_on_new):
    return run_on_new


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "desk.csv"
    path.write_text(FILE)
    return path


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "desk.json"
    columns = {"contact_id": "id", "started_at": "at", "customer_id": "who", "text": "note"}
    path.write_text(json.dumps({"source": "desk", "columns": columns, "zone": "UTC"}))
    return path


def answer(result):
    return json.loads(result.stdout)


def test_a_preview_shows_rows_beside_contacts_and_stores_nothing(ready, file, mapping):
    said = ready("import", str(file), "--mapping", str(mapping), "--preview").stdout
    assert "separated by a comma" in said
    assert "Line 2: id=1" in said
    assert "contact 1, 2026-03-01 10:00 UTC" in said
    assert "no contact: Line 4" in said
    assert "ann@example.org" not in said
    shown = answer(ready("import", str(file), "--mapping", str(mapping), "--preview", "--json"))
    assert [row["line"] for row in shown["rows"]] == [2, 3, 4]
    assert answer(ready("imports", "list", "--json")) == []


@pytest.mark.parametrize(("yes", "no"), [("inbound", "OUTBOUND"), ("1", "0")])
def test_rows_that_are_not_from_customers_are_left_out_and_said(ready, tmp_path, yes, no):
    calls = tmp_path / "calls.csv"
    column = "inbound" if yes == "1" else "direction"
    rows = [f"{n},2026-03-0{n}T10:00:00Z,c{n},{yes if n < 3 else no}" for n in range(1, 6)]
    calls.write_text("\n".join([f"call_id,start_time,caller,{column}", *rows]))

    said = ready("import", str(calls), "--dry-run").stdout
    assert "Would add 2, change 0, reject 0, leave 3 out" in said
    assert (
        f"Only rows with “{yes}” in “{column}”" in ready("import", str(calls), "--preview").stdout
    )
    said = ready("import", str(calls), "--no-assign").stdout
    assert ", 3 left out, not from customers." in said
    (found,) = answer(ready("imports", "list", "--json"))
    assert (found["added"], found["left_out"]) == (2, 3)


def test_a_date_and_a_time_are_joined_and_dates_alone_are_warned_of(ready, tmp_path):
    file = tmp_path / "visits.csv"
    file.write_text("id,date,time,customer\n1,2026-03-04,14:05,a\n2,2026-03-04,,b\n")
    said = ready("import", str(file), "--zone", "UTC", "--preview").stdout
    assert "contact 1, 2026-03-04 14:05 UTC" in said
    assert "column “time” (started_time) is empty" in said or "column “time” is empty" in said
    assert "midnight" not in said

    file.write_text("id,date,customer\n1,2026-03-04,a\n")
    for how in ("--preview", "--dry-run"):
        said = ready("import", str(file), "--zone", "UTC", how).stdout
        assert "each contact starts at midnight. Export it with the time" in said


def test_a_dry_run_says_it_in_one_line(ready, file, mapping):
    said = ready("import", str(file), "--mapping", str(mapping), "--dry-run").stdout
    assert "Would add 2, change 0, reject 1, no identity 0.0%." in said


def test_a_mapping_is_saved_listed_used_by_name_and_deleted(ready, file, mapping, tmp_path):
    ready("import", str(file), "--mapping", str(mapping), "--save-mapping", "Desk", "--no-assign")
    (known,) = answer(ready("mappings", "list", "--json"))
    assert (known["name"], known["source"], bool(known["last_used_at"])) == ("Desk", "desk", True)

    again = answer(ready("import", str(file), "--mapping", "Desk", "--no-assign", "--json"))
    assert (again["unchanged"], again["source"]) == (2, "desk")
    assert answer(ready("imports", "list", "--json"))[0]["mapping"] == "Desk"

    out = tmp_path / "out.toml"
    ready("mappings", "export", "Desk", str(out))
    ready("import", str(file), "--mapping", str(out), "--dry-run")
    assert json.loads(ready("mappings", "show", "Desk").stdout)["columns"]["contact_id"] == "id"
    ready("mappings", "rename", "Desk", "Help desk")
    ready("mappings", "delete", "Help desk")
    refused = ready("import", str(file), "--mapping", "Desk", code=1)
    assert "no saved mapping “Desk”. None has been saved yet." in refused.output


def test_a_mapping_that_cannot_read_the_file_is_not_saved(ready, tmp_path):
    file = tmp_path / "odd.csv"
    file.write_text("id,a,b\n1,x,y\n")
    refused = ready("import", str(file), "--save-mapping", "Odd", "--zone", "UTC", code=1)
    assert "No column is mapped to started_at" in refused.output
    assert "Odd" not in ready("mappings", "list").stdout


def test_another_mapping_of_the_name_needs_yes(ready, file, mapping):
    ready("import", str(file), "--mapping", str(mapping), "--save-mapping", "Desk", "--no-assign")
    save = ("import", str(file), "--mapping", str(mapping), "--zone", "Asia/Jakarta")
    refused = ready(*save, "--save-mapping", "Desk", code=1)
    assert "another mapping called “Desk”" in refused.output

    ready(*save, "--save-mapping", "Desk", "--yes", "--no-assign")
    assert json.loads(ready("mappings", "show", "Desk").stdout)["zone"] == "Asia/Jakarta"


def test_refused_rows_are_shown_and_tried_again(ready, file, mapping, tmp_path):
    said = ready("import", str(file), "--mapping", str(mapping), "--no-assign").stdout
    assert "closedloop import FILE --replay-of 1" in said
    shown = answer(ready("imports", "show", "1", "--json"))
    assert [(r["line"], r["settled_by"]) for r in shown["rejects"]] == [(4, None)]

    mended = tmp_path / "mended.csv"
    mended.write_text("id,at,who,via,note\n3,2026-03-03 10:00,bob,chat,when\n")
    again = answer(ready("import", str(mended), "--replay-of", "1", "--no-assign", "--json"))

    assert (again["source"], again["added"]) == ("desk", 1)
    assert answer(ready("imports", "show", "1", "--json"))["rejects"][0]["settled_by"] == 2


def test_refused_rows_are_written_to_a_file_corrected_and_brought_again(
    ready, file, mapping, tmp_path
):
    ready("import", str(file), "--mapping", str(mapping), "--no-assign")
    out = tmp_path / "rows.csv"
    ready("imports", "rejects", "1", str(out))
    assert "[CUSTOMER]" in out.read_text()
    assert "bob" not in out.read_text()
    assert "no longer kept" in ready("imports", "rejects", "1", str(out), "--kept", code=1).output
    other = tmp_path / "other.csv"
    other.write_text(FILE + "4,soon,eve,chat,hm\n")
    refused = ready("imports", "rejects", "1", str(out), "--to-correct", str(other), code=1)
    assert "other.csv is not the file that import 1 read" in refused.output

    same = ready("imports", "rejects", "1", str(file), "--to-correct", str(file), code=1)
    assert "OUT must be another file" in same.output
    assert "Line" not in file.read_text()

    ready("imports", "rejects", "1", str(out), "--to-correct", str(file))
    assert out.read_text().splitlines()[1].startswith('4,"Line 4')
    out.write_text(out.read_text().replace("soon", "2026-03-03 10:00"))
    again = answer(ready("import", str(out), "--replay-of", "1", "--no-assign", "--json"))

    assert (again["rows_read"], again["added"]) == (1, 1)
    shown = answer(ready("imports", "show", "1", "--json"))
    assert (shown["replays"], shown["rejects_settled"], shown["reasons"]) == ([2], 1, [])
    assert shown["redactions"] == {"EMAIL": 1}
    assert "tried again by: 2" in ready("imports", "show", "1").stdout


def test_the_kept_file_of_an_import_is_read_again_without_naming_it(ready, file, mapping):
    assert "Name the FILE" in ready("import", code=2).output
    ready("import", str(file), "--mapping", str(mapping), "--no-assign")
    assert "no longer kept" in ready("import", "--replay-of", "1", code=1).output
    with file.open("rb") as stream:
        kept = save_upload(ready.instance / "uploads", stream, file_name="desk.csv")
    note(kept, batch_id=1)

    again = answer(ready("import", "--replay-of", "1", "--no-assign", "--json"))

    assert (again["rows_read"], again["rejected"], again["source"]) == (1, 1, "desk")
    assert answer(ready("imports", "list", "--json"))[0]["file_name"] == "desk.csv"


def test_pauses_are_given_by_channel(ready, file, mapping):
    export = ROOT / "tests/adapters/fixtures/intercom/conversations.json"
    read = ("import", str(export), "--preview", "--json", "--pause")
    shown = answer(ready(*read, "Email=48"))
    assert shown["mapping"]["pauses"] == {"email": 172_800}
    assert "1002#2" in [row["contact"]["contact_id"] for row in shown["rows"] if row["contact"]]
    assert "“often” is no pause" in ready(*read, "often", code=1).output


def test_an_import_that_a_job_reads_is_cancelled_by_its_number(ready, file, mapping):
    ready("import", str(file), "--mapping", str(mapping), "--no-assign")
    assert "nothing to cancel" in ready("imports", "cancel", "1", code=1).output
    with ready.database.transaction() as session:
        queue_job(
            session,
            kind=JobKind.ROLL_BACK_IMPORT,
            arguments={"batch_id": 1, "file_name": "desk.csv"},
            by=COMMAND_LINE,
        )

    assert "Job 1 was asked to stop" in ready("imports", "cancel", "1").stdout
    assert answer(ready("jobs", "list", "--json"))[0]["state"] == "cancelled"


def test_a_mapping_is_guessed_looked_through_saved_and_named_for_the_next_file(
    ready, file, tmp_path
):
    file.write_text(FILE.replace(",at,", ",created,"))
    guessed = ready("mappings", "guess", str(file))
    assert "usual name for contact_id" in guessed.stderr
    mapping = json.loads(guessed.stdout)
    assert mapping["columns"]["contact_id"] == "id"
    assert (mapping["source"], mapping["zone"]) == ("desk", "UTC")

    out = tmp_path / "desk.toml"
    ready("mappings", "guess", str(file), str(out))
    out.write_text(out.read_text().replace('source = "desk"', 'source = "help desk"'))
    ready("mappings", "save", "Desk", str(out), str(file))
    assert "From the saved mapping “Desk”." in ready("mappings", "guess", str(file)).stderr
    assert "Saved for these columns: Desk." in ready("import", str(file), "--preview").stdout
    shown = answer(ready("import", str(file), "--preview", "--json"))
    assert shown["saved_mappings"] == ["Desk"]

    out.write_text(out.read_text().replace("help desk", "desk"))
    refused = ready("mappings", "save", "Desk", str(out), str(file), code=1)
    assert "another mapping called “Desk”" in refused.output
    ready("mappings", "save", "Desk", str(out), str(file), "--yes")
    other = tmp_path / "other.csv"
    other.write_text("number,at\n1,2026-03-01\n")
    assert "a column “id”" in ready("mappings", "save", "B", str(out), str(other), code=1).output


def test_an_import_is_taken_out_only_when_it_is_meant(ready, file, mapping):
    ready("import", str(file), "--mapping", str(mapping), "--no-assign")
    assert answer(ready("imports", "roll-back", "1", "--dry-run", "--json"))["contacts"] == 2
    refused = ready("imports", "roll-back", "1", code=1, typed="n\n")
    assert "Nothing was taken out." in refused.output

    done = answer(ready("imports", "roll-back", "1", "--yes", "--json"))

    assert (done["contacts"], done["customers"]) == (2, 1)
    assert answer(ready("imports", "list", "--json"))[0]["state"] == "taken out"
    assert "taken out before" in ready("imports", "roll-back", "1", "--yes", code=1).output


def test_a_folder_is_watched_and_the_doctor_looks_at_it(
    ready, file, mapping, tmp_path, monkeypatch
):
    assert "No folder is watched" in ready("imports", "pick-up", code=1).output
    folder = tmp_path / "drop"
    monkeypatch.setenv("CLOSEDLOOP_WATCHED_FOLDER", str(folder))
    assert "is no directory" in ready("doctor", code=1).output
    (folder / "Desk").mkdir(parents=True)
    ready("import", str(file), "--mapping", str(mapping), "--save-mapping", "Desk", "--no-assign")
    (folder / "Desk" / "march.csv").write_text(FILE)
    monkeypatch.setattr("closedloop.services.watched_folder.QUIET_SECONDS", 0)

    (found,) = answer(ready("imports", "pick-up", "--json"))

    assert (found["file"], found["outcome"]) == ("march.csv", "done")
    assert "0 waiting, 0 that could not be read" in ready("doctor").output
    assert "Nothing is waiting." in ready("imports", "pick-up").stdout


def test_the_progress_line_has_a_bar_a_rate_and_the_time_left():
    line = Ticker.line(Progress(30, 120, "30 rows read, 30 new · 10 rows a second"), 3)
    assert line == "▕█████               ▏ 25% 30 rows read, 30 new · 10 rows a second · 9 s left"
    assert Ticker.line(Progress(50, 100, "adding the days up"), 10, begun=40).endswith(
        "· 1 a second · 50 s left"
    )
    assert Ticker.line(Progress(0, 0, "reading"), 1) == "reading"


def test_without_a_terminal_a_long_import_does_not_fill_the_log_with_its_counts(capsys):
    ticker = Ticker(quiet=True)
    for rows in range(1000, 3000):
        ticker(Progress(rows, 3000, f"{rows:,} rows read · {rows % 7} rows a second"))
    ticker(Progress(1, 2, "adding the days up"))
    ticker.last -= 11
    ticker(Progress(2, 2, "2 days"))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["1,000 rows read · 6 rows a second …", "adding the days up …", "2 days …"]

    ticker(Progress(3, 9, "3 days"))
    ticker.last -= 11
    ticker(Progress(4, 9, "4 days"))
    assert capsys.readouterr().err.splitlines() == ["4 days …"]


def test_what_ends_the_work_does_not_stand_on_the_line_of_its_progress(capsys):
    ticker = Ticker()
    ticker.quiet, ticker.last = False, 0.0

    def work() -> None:
        with ticker as report:
            report(Progress(1, 2, "reading"))
            raise Conflict("Somebody else reads it.")

    with pytest.raises(Conflict):
        work()
    assert capsys.readouterr().err.endswith(" reading\r")  # the terminal's own signs are left out


def test_an_interrupt_stops_at_the_next_step_and_leaves_the_handler_as_it_was():
    before = signal.getsignal(signal.SIGINT)
    with _stoppable(Ticker(quiet=True)) as report:
        report(Progress(1, 3, "reading"))
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Cancelled, match="the same command goes on"):
            report(Progress(2, 3, "reading"))
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_in_the_middle_and_the_same_command_lose_and_double_nothing(ready, tmp_path):
    big = tmp_path / "big.csv"
    rows = (f"{n},2026-03-01 10:00,c{n % 97},phone,Message {n}\n" for n in range(10_000))
    big.write_text("id,created,who,via,note\n" + "".join(rows))
    log = tmp_path / "said.txt"
    command = ("import", str(big), "--instance", str(ready.instance), "--zone", "UTC")
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", "from closedloop.cli import main; main()", *command],
            cwd=ROOT,
            stderr=stream,
        )
        while "rows read" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
    assert "the same command goes on there" in log.read_text()
    (half,) = answer(ready("imports", "list", "--json"))
    assert (half["state"], 0 < half["added"] < 10_000) == ("failed", True)

    done = answer(ready("import", str(big), "--zone", "UTC", "--no-assign", "--json"))

    assert (done["id"], done["rows_read"], done["added"]) == (half["id"], 10_000, 10_000)


def test_a_later_version_is_taken_in_when_asked_for_and_gives_way_again(
    ready, file, mapping, tmp_path
):
    read = ("import", "--mapping", str(mapping), "--no-assign")
    ready(*read, str(file))
    later = tmp_path / "later.csv"
    later.write_text(file.read_text().replace(",ann,", ",eve,", 1))

    assert "the first version stays" in ready(*read, str(later)).stdout
    asked = (*read, str(later), "--on-change", "replace")
    assert "change 1," in ready(*asked, "--dry-run").stdout
    assert "Replaced 1 contact that" in ready(*asked).stdout

    shown = answer(ready("imports", "list", "--json"))[0]
    assert (shown["changed"], shown["renewed"]) == (1, 1)
    done = answer(ready("imports", "roll-back", str(shown["id"]), "--yes", "--json"))
    assert (done["contacts"], done["restored"]) == (0, 1)


def test_a_changed_message_is_not_told_to_be_replaced_where_that_cannot_help(
    ready, file, mapping, tmp_path
):
    later = tmp_path / "later.csv"
    later.write_text(file.read_text().replace("again", "once more"))
    read = ("import", "--mapping", str(mapping), "--no-assign")
    ready(*read, str(file))
    assert "--on-change replace. If" in ready(*read, str(later)).stdout

    messages = (*read, "--session-gap-hours", "1", "--source", "chat")
    ready(*messages, str(file))
    for more in ((), ("--on-change", "replace")):
        said = ready(*messages, str(later), *more).stdout
        assert "Messages that were gathered into contacts stay as they came in." in said
        assert "--on-change replace" not in said


def test_a_file_under_a_second_name_is_no_second_source_unless_it_is_said_to_be(
    ready, file, mapping, tmp_path
):
    settings = json.loads(mapping.read_text())
    del settings["source"]
    mapping.write_text(json.dumps(settings))
    how = ("--mapping", str(mapping), "--no-assign")
    assert answer(ready("import", str(file), *how, "--json"))["source"] == "desk"
    packed = tmp_path / "desk.csv.gz"
    packed.write_bytes(gzip.compress(FILE.encode()))
    again = answer(ready("import", str(packed), *how, "--json"))
    assert (again["source"], again["added"], again["unchanged"]) == ("desk", 0, 2)

    copy = tmp_path / "desk_final.csv"
    copy.write_text(FILE)
    for more in ((), ("--dry-run",)):
        refused = ready("import", str(copy), *how, *more, code=1)
        assert "“desk”; as those of “desk-final” they would count twice" in refused.output
    assert answer(ready("import", str(copy), *how, "--json", "--source", "desk"))["added"] == 0
    assert answer(ready("import", str(copy), *how, "--json", "--source", "shop"))["added"] == 2
    assert (
        answer(ready("import", str(copy), *how, "--json", "--replay-of", "1"))["source"] == "desk"
    )


def test_tickets_that_are_here_and_were_deleted_since_are_told(ready, tmp_path):
    path = tmp_path / "tickets.json"
    ticket = {
        **{"id": 7, "requester_id": 5, "submitter_id": 5, "brand_id": 1, "status": "open"},
        **{"created_at": "2026-03-02T10:00:00Z", "generated_timestamp": 1},
        **{"via": {"channel": "email"}, "subject": "Card", "description": "It is lost."},
    }
    for status in ("open", "deleted"):
        path.write_text(json.dumps({"tickets": [{**ticket, "status": status}]}))
        tried = ready("import", str(path), "--source", "desk", "--dry-run").stdout
        said = ready("import", str(path), "--source", "desk", "--no-assign").stdout

    assert "Would add 0, change 0, reject 0" in tried
    assert (
        "1 contact that is here is deleted or spam in the source by now; it still counts" in tried
    )
    assert "1 contact that is here is deleted or spam in “desk” by now, and still counted." in said
    assert "The contact 7 is deleted or spam" in ready("imports", "show", "2").stdout
