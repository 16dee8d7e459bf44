"""Texts that mean no good, from the file to the themes: no run dies of them, memory is bounded."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.extensions import Database
from closedloop.models import Contact, ContactText, ImportReject, Theme
from closedloop.services.discovery import SAMPLE
from closedloop.services.themes import assign_contacts, discover_themes
from tests.factories.contacts import make_batch
from tests.factories.theme_maker import make_maker
from tests.site import ROOT

MB = 1_000_000
LONGEST = 4 * 1024 * 1024
"""Characters that a row of a file may have."""

COMPLAINT = "My card has not arrived and nobody tells me why. "
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SUBJECTS = (
    "My card has not arrived, it is number {} that I wait for",
    "I forgot the passcode of the app and tried it {} times",
    "The refund of order {} does not show in my account",
)
HOSTILE = {
    "emoji": [("😀" * (n % 7 + 1)) + "💳📦🔥"[n % 3] for n in range(40)],
    "right to left": [
        f"البطاقة لم تصل بعد {n}" if n % 2 else f"הכרטיס לא הגיע {n}" for n in range(40)
    ],
    "one word": ["refund " * (n % 300 + 1) for n in range(40)],
    "nothing left": [f"ann{n}@example.org" for n in range(40)],
    "odd characters": [f"a\u200d\u202e\ufeff{chr(0x300) * 50}\ud800{n}\x00" for n in range(20)],
    "one long word": ["x" * (10_000 + n) for n in range(10)],
    "identical": ["Where is my parcel?"] * 1_000,
}
SCRIPT = """
import sys
from closedloop.cli import main
path, instance = sys.argv[1:]
for words in (["init"], ["import", path], ["themes", "discover"], ["themes", "discover"]):
    main([*words, "--instance", instance], standalone_mode=False)
print("peak", open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


def write_hostile(path: Path) -> Counter[str]:
    """Write contacts about ordinary subjects among hostile ones; return how many of each kind."""
    texts = [("ordinary", SUBJECTS[n % 3].format(n)) for n in range(300)]
    texts += [(kind, text) for kind, many in HOSTILE.items() for text in many]
    texts.append(("as long as may be", COMPLAINT * (LONGEST // len(COMPLAINT) - 10)))
    texts.append(("ten megabytes", COMPLAINT * (10 * MB // len(COMPLAINT))))
    with path.open("w", encoding="utf-8") as file:
        for number, (kind, text) in enumerate(texts):
            row = {
                "contact_id": f"{kind} {number}",
                "started_at": (START + timedelta(minutes=number)).isoformat(),
                "customer_id": f"c{number % 700}",
                "text": text,
            }
            file.write(json.dumps(row) + "\n")
    return Counter(kind for kind, _ in texts)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell the peak")
def test_hostile_texts_are_imported_themed_and_themed_again_in_bounded_memory(
    tmp_path, database_url
):
    path = tmp_path / "hostile.jsonl"
    written = write_hostile(path)
    instance = tmp_path / "site"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CLOSEDLOOP_")}
    environment |= {"PYTHONPATH": str(ROOT), "CLOSEDLOOP_DATABASE_URL": database_url}

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(instance)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split("peak")[1].split()[0]) / 1024 < 900
    database = Database().open(database_url)
    with database.reading() as session:
        rows = session.execute(
            sa.select(Contact.source_contact_id, Contact.cluster, Contact.theme_id)
        ).all()
        names = session.scalars(sa.select(Theme.name)).all()
        reasons = session.scalars(sa.select(ImportReject.reason)).all()
    database.engine.dispose()
    kinds = Counter(contact.rpartition(" ")[0] for contact, _, _ in rows)
    assert written - kinds == Counter({"ten megabytes": 1})
    (reason,) = reasons
    assert "holds more than 4,194,304 characters" in reason
    assert all(cluster is not None for _, cluster, _ in rows)  # everything was looked at
    same = {theme for contact, _, theme in rows if contact.startswith("identical")}
    assert len(same) == 1
    assert all(0 < len(name) <= 160 for name in names)


@pytest.mark.slow
def test_more_identical_texts_than_a_run_reads_are_read_as_one(database, settings, actor):
    text = "PARCEL where is it"
    with database.transaction() as session:
        batch = make_batch(session)
        session.execute(sa.insert(Contact), [_contact(batch.id, n) for n in range(SAMPLE + 5_000)])
        said = {
            "turns": [["customer", text]],
            "issue_text": text,
            "text_hash": hashlib.sha256(text.encode()).hexdigest(),
        }
        ids = session.scalars(sa.select(Contact.id)).all()
        session.execute(sa.insert(ContactText), [{"contact_id": one, **said} for one in ids])
    maker = make_maker()

    found = discover_themes(database.transaction, settings=settings, by=actor, maker=maker)
    again = assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)

    assert (found.found, found.texts, again.assigned) == (1, SAMPLE, 0)
    with database.reading() as session:
        count = sa.select(Contact.theme_id, sa.func.count()).group_by(Contact.theme_id)
        assert [n for _, n in session.execute(count)] == [SAMPLE + 5_000]
    assert len(maker.load_encoder("").encoded) == 1


def _contact(batch_id: int, number: int) -> dict[str, object]:
    at = START + timedelta(seconds=number)
    return {
        "source": "same",
        "source_contact_id": f"s{number}",
        "batch_id": batch_id,
        "content_hash": "0" * 64,
        "started_at": at,
        "local_day": at.date(),
    }
