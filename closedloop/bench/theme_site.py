"""A site of many contacts whose texts have their vectors: what the service takes to theme it anew.

Each customer makes two contacts two days apart, so that all of them are repeat contacts; the texts
and vectors are those of `theme_scale.make_many`. The service reads, finds, assigns the whole
history, chains, adds up and picks quotes, as it does for *Look for themes*.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

from closedloop.bench.theme_peer import peak_memory
from closedloop.config import Settings
from closedloop.domain.audit import Actor, ActorKind
from closedloop.extensions import Database
from closedloop.models import Contact, ContactText, Customer, EncodedText, ImportBatch
from closedloop.services.encoding import STORED
from closedloop.services.migrations import upgrade_database
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from closedloop.services.themes import discover_themes
from ml.text.embed import load_encoder

FIRST = datetime(2026, 1, 5, 8, tzinfo=UTC)
DAYS = 170
"""The contacts lie within the days that a run reads."""

BENCH = Actor("Bench", ActorKind.JOB)
ROWS_AT_ONCE = 20_000
AMI_OF = 100_000
_SECONDS = 3 * 3_600

Report = dict[str, Any]


def retheme(directory: Path, n: int, truth: NDArray[np.int64]) -> Report:
    """Make a site of the first n texts, and theme it twice in a process of its own.

    Returns
    -------
    dict
        `first` and `again`: seconds, seconds of processor, peak MB, themes and left-over share
        of a run that finds nothing in force, and of one over what it made; `ami` of what stands
        at the end.
    """
    path = directory / f"site-{n}.sqlite3"
    fill_site(path, directory, n)
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-P", "-m", "closedloop.bench.theme_site", str(path), str(directory)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=_SECONDS,
    )
    report: Report = json.loads(done.stdout.splitlines()[-1])
    labels = np.load(directory / "site-labels.npy")
    some = np.flatnonzero(truth[:n] >= 0)[:AMI_OF]
    path.unlink()
    return {
        "contacts": n,
        **report,
        "ami": float(adjusted_mutual_info_score(truth[some], labels[some])),
    }


def fill_site(path: Path, directory: Path, n: int) -> None:
    """Write a site with n contacts, their texts and vectors; chained and added up."""
    database = Database().open(f"sqlite:///{path}")
    upgrade_database(database.engine)
    settings = settings_of(path)
    encoder = load_encoder().name
    vectors = np.load(directory / "vectors.npy", mmap_mode="r")
    with database.transaction() as session:
        batch = ImportBatch(
            source="bench",
            file_name="bench.csv",
            file_sha256="0" * 64,
            mapping={},
            started_by=BENCH.name,
        )
        session.add(batch)
        session.flush()
        for start, texts in _portions(directory, n):
            _write(session, batch.id, encoder, start, texts, vectors[start : start + len(texts)])
        chain_contacts(session, settings=settings, customer_ids=None)
        roll_up_days(session, days=None)
    database.engine.dispose()


def settings_of(path: Path) -> Settings:
    """Return the settings of the site in a file."""
    return Settings(
        instance=path.parent,
        secret_key="s" * 40,
        customer_key="c" * 40,
        database_url=f"sqlite:///{path}",
        reporting_zone="UTC",
    )


def _portions(directory: Path, n: int) -> Iterator[tuple[int, list[str]]]:
    with (directory / "texts.txt").open(encoding="utf-8") as file:
        for start in range(0, n, ROWS_AT_ONCE):
            yield start, [line.strip() for line in islice(file, min(ROWS_AT_ONCE, n - start))]


def _write(
    session: Any, batch_id: int, encoder: str, start: int, texts: list[str], vectors: Any
) -> None:
    ids = range(start + 1, start + len(texts) + 1)
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    people = range(start // 2 + 1, (start + len(texts) - 1) // 2 + 2)
    keys = [{"id": one, "key_hash": f"{one:064x}"} for one in people]
    session.execute(sa.insert(Customer), keys)
    session.execute(sa.insert(Contact), [_contact(one, batch_id) for one in ids])
    session.execute(
        sa.insert(ContactText),
        [
            {"contact_id": one, "turns": [], "issue_text": text, "text_hash": text_hash}
            for one, text, text_hash in zip(ids, texts, hashes, strict=True)
        ],
    )
    session.execute(
        sa.insert(EncodedText),
        [
            {"encoder": encoder, "text_hash": text_hash, "vector": row.tobytes()}
            for text_hash, row in zip(hashes, np.asarray(vectors, STORED), strict=True)
        ],
    )


def _contact(number: int, batch_id: int) -> dict[str, Any]:
    """Return one of the two contacts of a customer, the second two days after the first."""
    customer, turn = (number + 1) // 2, (number + 1) % 2
    at = FIRST + timedelta(days=customer % DAYS + 2 * turn, seconds=customer % 30_000)
    return {
        "id": number,
        "source": "bench",
        "source_contact_id": f"b{number}",
        "batch_id": batch_id,
        "content_hash": "0" * 64,
        "customer_id": customer,
        "started_at": at,
        "local_day": at.date(),
        "channel": "chat",
        "disposition": "",
    }


def main(path: Path, directory: Path) -> None:
    """Theme a site that is there, twice; print what it took, and keep where each text went."""
    settings = settings_of(path)
    database = Database().open(settings.database_url)
    report: Report = {"mb_before": peak_memory()}
    for name in ("first", "again"):
        wall, cpu = time.perf_counter(), time.process_time()
        found = discover_themes(database.transaction, settings=settings, by=BENCH)
        report[name] = {
            "seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
            "peak_mb": peak_memory(),
            "read": found.texts,
            "themes": found.found,
        }
    with database.reading() as session:
        rows = session.scalars(sa.select(Contact.cluster).order_by(Contact.id))
        labels = np.fromiter((-1 if label is None else label for label in rows), np.int64)
    report["left_over"] = float(np.mean(labels < 0))
    np.save(directory / "site-labels.npy", labels)
    database.engine.dispose()
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
