"""What each kind of job does: a few calls of services, in order.

Each takes (database, settings, arguments, actor, report) and returns a small JSON summary that
the jobs page shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from closedloop.adapters import uploads
from closedloop.adapters.bundle import delete_left_unpacked
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.uploads import find_upload, note
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import today
from closedloop.domain.errors import Invalid
from closedloop.domain.identities import MatchRules
from closedloop.domain.jobs import JobKind, Progress
from closedloop.extensions import Database
from closedloop.jobs.impact_work import (
    check_false_alarms,
    check_false_alarms_weekly,
    learn_from_themes,
)
from closedloop.jobs.steps import Steps
from closedloop.queries.site import get_data_span
from closedloop.services.contact_files import measure_extent
from closedloop.services.contacts import close_lost_imports, import_file, preview_file
from closedloop.services.drift import refresh_due_weeks
from closedloop.services.emerging import find_emerging_themes
from closedloop.services.emerging_taking import take_emerging
from closedloop.services.expiry import expire_texts
from closedloop.services.followers import renew_followers
from closedloop.services.identities import link_again, link_customers, undo_link_run
from closedloop.services.impact import measure_due, watch_comebacks
from closedloop.services.jobs import clean_up
from closedloop.services.long_work import Report
from closedloop.services.parts_undoing import undo_parts
from closedloop.services.replays import lines_to_try
from closedloop.services.rollback import roll_back_import
from closedloop.services.rollups import roll_up_due
from closedloop.services.run_parts import accept_parts
from closedloop.services.text_removal import remove_unused_vectors
from closedloop.services.theme_map import renew_theme_map
from closedloop.services.themes import assign_contacts, discover_themes, refresh_theme_stats
from closedloop.services.triage import return_parked
from closedloop.services.watched_folder import PickedUp, pick_up_files

UPLOADS_KEPT_DAYS = 7
COUNTING, LINKING, ASSIGNING = "counting", "linking customers", "giving contacts their themes"
"""Steps of the night that others need."""

Work = Callable[[Database, Settings, dict[str, Any], Actor, Report], dict[str, Any]]


def import_contacts(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Take a file in, then give its contacts their themes."""
    batch = import_file(
        database.transaction,
        settings=settings,
        path=Path(arguments["path"]),
        mapping=Mapping.from_dict(arguments["mapping"]),
        source=arguments["source"],
        file_name=arguments["file_name"],
        batch_id=arguments.get("batch_id"),
        replay_of_id=arguments.get("replay_of_id"),
        by=by,
        report=report,
    )
    assign_new(database, settings, by, report)
    return {"batch_id": batch.id, "added": batch.added, "rejected": batch.rejected}


def try_import(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Look at what an import of a whole file would do; nothing is written."""
    del by
    mapping = Mapping.from_dict(arguments["mapping"])
    path = Path(arguments["path"])
    with database.reading() as session:
        lines = None
        if arguments.get("replay_of_id"):
            sha256 = measure_extent(path).sha256
            first = arguments["replay_of_id"]
            lines = lines_to_try(session, replay_of_id=first, sha256=sha256, mapping=mapping)
        preview = preview_file(
            session,
            settings=settings,
            path=path,
            mapping=mapping,
            source=arguments["source"],
            only_lines=lines,
            report=report,
        )
    if upload := find_upload(settings.uploads, str(arguments.get("token", ""))):
        note(upload, sample=[row.to_dict() for row in preview.sample])
    return {"preview": preview.to_dict()}


def roll_back(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Take an import out, then look at what its contacts leave behind."""
    done = roll_back_import(
        database.transaction,
        settings=settings,
        batch_id=arguments["batch_id"],
        by=by,
        report=report,
    )
    assign_new(database, settings, by, report)
    return {"batch_id": done.batch_id, "contacts": done.contacts, "customers": done.customers}


def pick_up(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Read what lies in the watched folder, then give its contacts their themes."""
    del arguments
    files = pick_up_files(database.transaction, settings=settings, by=by, report=report)
    if any(file.outcome == "done" for file in files):
        assign_new(database, settings, by, report)
    return _picked_up(files)


def _picked_up(files: list[PickedUp]) -> dict[str, int]:
    counts = Counter(file.outcome for file in files)
    return {"files_read": counts["done"], "files_failed": counts["failed"]}


def link(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Link customers, try it out, or take a link run back."""
    values: dict[str, Any] = {"settings": settings, "by": by, "report": report}
    if run_id := arguments.get("undo"):
        return {"parted": undo_link_run(database.transaction, run_id=int(run_id), **values)}
    token = arguments.get("token")
    upload = uploads.find_upload(settings.uploads, token) if token else None
    if token and upload is None:
        raise Invalid("The crosswalk is no longer kept; files wait for a week. Upload it again.")
    dry_run = bool(arguments.get("dry_run"))
    found, run_id = link_customers(
        database.transaction,
        rules=MatchRules.from_dict(arguments["rules"]),
        crosswalk=upload.path if upload else None,
        file_name=arguments["file_name"],
        dry_run=dry_run,
        **values,
    )
    if upload is not None and not dry_run:
        uploads.delete_upload(upload)  # it names people, and its work is done
    return {"run_id": run_id, "report": asdict(found)}


def discover(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Look for themes in the repeat contacts and propose candidates."""
    found = discover_themes(
        database.transaction,
        settings=settings,
        by=by,
        seed=int(arguments.get("seed", 0)),
        finer=int(arguments.get("finer", 0)),
        report=report,
    )
    draw_themes(database, settings, report)
    return {"found": found.found, "candidates": found.candidates, "left_over": found.left_over}


def assign_new(database: Database, settings: Settings, by: Actor, report: Report) -> dict[str, Any]:
    """Give themes to contacts that have none yet, and renew the figures of themes."""
    assigned = assign_contacts(database.transaction, settings=settings, by=by, report=report)
    with database.transaction() as session:
        span = get_data_span(session)
        if span.last_day:
            refresh_theme_stats(session, settings=settings, as_of=span.last_day)
    return {"assigned": assigned.assigned, "with_theme": assigned.with_theme}


def draw_themes(database: Database, settings: Settings, report: Report) -> dict[str, int]:
    """Count which theme follows which, and draw the map of themes where none stands."""
    report(Progress(0, 0, "counting what comes next"))
    with database.transaction() as session:
        pairs = renew_followers(session, settings=settings)
    points = renew_theme_map(database.transaction, settings=settings, report=report)
    return {"pairs": pairs, "points": points}


def look_for_emerging(
    database: Database, settings: Settings, by: Actor, report: Report
) -> dict[str, int]:
    """Look for what emerges among contacts in no theme."""
    found = find_emerging_themes(database.transaction, settings=settings, by=by, report=report)
    return {"emerging": found.found, "newly_emerging": len(found.new)}


def assign(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Give every new contact its theme; or all theirs anew, by what somebody decided."""
    if emerging_id := arguments.get("emerging_id"):
        taken = take_emerging(
            database.transaction,
            settings=settings,
            emerging_id=int(emerging_id),
            typed_count=arguments.get("count"),
            by=by,
            report=report,
        )
        return asdict(taken)
    if part_ids := arguments.get("parts"):
        accepted = accept_parts(
            database.transaction,
            settings=settings,
            part_ids=part_ids,
            exact_count=arguments.get("count"),
            by=by,
            report=report,
        )
        return {"run_id": accepted.run_id, "parts_accepted": accepted.parts}
    if change_id := arguments.get("undo_parts"):
        change = undo_parts(
            database.transaction, settings=settings, change_id=change_id, by=by, report=report
        )
        return {"run_id": change.detail["run"], "moved_back": change.contacts}
    return assign_new(database, settings, by, report)


def data_cut(database: Database, settings: Settings) -> date | None:
    """Return the last reporting day that is complete and holds contacts; None without contacts.

    A day is complete when it is over, so today never counts.
    """
    with database.reading() as session:
        return get_data_span(session).cut(settings.reporting_zone)


def measure(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Measure every intervention in its follow-up, then watch for comebacks.

    Asked for it, check the measuring itself instead, or learn what it starts from.
    """
    as_of = (
        date.fromisoformat(arguments["as_of"])
        if arguments.get("as_of")
        else data_cut(database, settings)
    )
    if as_of is None:
        return {"measured": 0, "came_back": 0}
    if arguments.get("placebos"):
        return check_false_alarms(database, settings, as_of, by, report)
    if arguments.get("learn_prior"):
        return learn_from_themes(database, settings, as_of, by, report)
    summary = measure_due(
        database.transaction, settings=settings, as_of=as_of, by=by, report=report
    )
    came_back = watch_comebacks(
        database.transaction, settings=settings, as_of=as_of, by=by, report=report
    )
    return {"measured": summary.measured, "came_back": came_back, "as_of": as_of.isoformat()}


def nightly_round(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Assign, roll up, bring parked themes back, measure, watch: the loop's own night.

    A step that fails does not stop those that can do without it: what customers said is deleted
    when it is due whatever else happened. A measurement stays for ever, so nothing is measured
    on contacts that were not counted, linked and given their themes.

    Raises
    ------
    PartlyDone
        If a step failed; the result says what the others did.
    """
    night = Steps()
    work = (database, settings, by, report)
    values: dict[str, Any] = {"settings": settings, "by": by, "report": report}
    night.run("closing lost imports", lambda: _close_imports(database, settings, by))
    night.run("reading the watched folder", lambda: _pick_up_at_night(*work))
    night.run(COUNTING, lambda: _count_days(database, report))
    night.run(LINKING, lambda: {"linked": link_again(database.transaction, **values)})
    night.run(ASSIGNING, lambda: assign_new(*work))
    night.run("looking for drift", lambda: _refresh_weeks(database), needs=[ASSIGNING])
    night.run("emerging themes", lambda: look_for_emerging(*work), needs=[ASSIGNING])
    night.run(
        "what comes next and the map",
        lambda: _draw_themes_at_night(database, settings, report),
        needs=[ASSIGNING],
    )
    # behind the themes: a contact that came in late keeps the theme its text gave it
    night.run(
        "deleting old texts",
        lambda: {"expired": expire_at_night(database, settings, by, report)},
    )
    night.run("parked themes", lambda: _bring_back_parked(*work))
    night.run("sizes of tables", database.look_at_sizes)
    ready = [COUNTING, LINKING, ASSIGNING]
    night.run("measuring", lambda: measure(database, settings, arguments, by, report), needs=ready)
    night.run(
        "false alarms",
        lambda: check_false_alarms_weekly(
            database, settings, data_cut(database, settings), by, report
        ),
        needs=ready,
    )
    return night.close()


def _close_imports(database: Database, settings: Settings, by: Actor) -> None:
    with database.transaction() as session:
        close_lost_imports(session, settings=settings, by=by)


def _count_days(database: Database, report: Report) -> None:
    roll_up_due(database.transaction, report=report)


def _draw_themes_at_night(database: Database, settings: Settings, report: Report) -> None:
    draw_themes(database, settings, report)


def _refresh_weeks(database: Database) -> None:
    with database.transaction() as session:
        refresh_due_weeks(session)


def expire_at_night(database: Database, settings: Settings, by: Actor, report: Report) -> int:
    """Delete what was said long ago, also from the log of SQLite; return how many texts went."""
    expired = expire_texts(database.transaction, settings=settings, by=by, report=report)
    if expired.texts or expired.rejects:
        database.compact()
    return expired.texts


def _bring_back_parked(
    database: Database, settings: Settings, by: Actor, report: Report
) -> dict[str, Any]:
    report(Progress(0, 0, "bringing parked themes back"))
    with database.transaction() as session:
        back = return_parked(session, today=today(settings.reporting_zone), by=by)
    return {"back_from_parking": back}


def _pick_up_at_night(
    database: Database, settings: Settings, by: Actor, report: Report
) -> dict[str, Any]:
    """Read what lies in the watched folder; a folder that is away does not stop the night."""
    if not settings.watched_folder:
        return {}
    try:
        files = pick_up_files(database.transaction, settings=settings, by=by, report=report)
    except Invalid as problem:
        return {"watched_folder": problem.sentence}
    return _picked_up(files)


def housekeeping(
    database: Database, settings: Settings, arguments: dict[str, Any], by: Actor, report: Report
) -> dict[str, Any]:
    """Delete old ended jobs, uploads of more than a week ago, and what kills left unpacked.

    Vectors that no text needs any more go, too, and old copies of pages in the log of SQLite.
    """
    del arguments, by, report
    with database.transaction() as session:
        deleted = clean_up(session)
    removed = uploads.delete_old_files(settings.uploads, days=UPLOADS_KEPT_DAYS)
    left = delete_left_unpacked()
    vectors = remove_unused_vectors(database.transaction)
    database.compact()
    return {
        "jobs_deleted": deleted,
        "uploads_removed": removed,
        "unpacked_removed": left,
        "vectors_removed": vectors,
    }


WORK: dict[JobKind, Work] = {
    JobKind.IMPORT_CONTACTS: import_contacts,
    JobKind.TRY_IMPORT: try_import,
    JobKind.ROLL_BACK_IMPORT: roll_back,
    JobKind.PICK_UP_FILES: pick_up,
    JobKind.LINK_CUSTOMERS: link,
    JobKind.DISCOVER_THEMES: discover,
    JobKind.ASSIGN_THEMES: assign,
    JobKind.MEASURE_IMPACT: measure,
    JobKind.NIGHTLY_ROUND: nightly_round,
    JobKind.HOUSEKEEPING: housekeeping,
}
