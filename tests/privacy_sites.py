"""A site with real imports, for tests of what happens to personal data afterwards."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.uploads import Upload, note, save_upload
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.extensions import Database
from closedloop.models import (
    Contact,
    ContactLink,
    Customer,
    DailyRollup,
    DailySlice,
    EncodedText,
    ImportBatch,
    Message,
    Model,
)
from closedloop.services.contacts import import_file

COLUMNS = (
    *("contact_id", "started_at", "customer_id", "channel", "queue", "agent", "disposition"),
    *("text", "handle_seconds", "csat"),
)
MAPPING = Mapping({name: name for name in COLUMNS})
START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def row(contact_id: str, *, hours: float = 0, customer: str = "cust-1", **values) -> dict:
    """One line of a file."""
    return {
        "contact_id": contact_id,
        "started_at": (START + timedelta(hours=hours)).isoformat(),
        "customer_id": customer,
        "channel": "phone",
        "text": "My card has not arrived.",
        "handle_seconds": "300",
        **values,
    }


class PrivacySite:
    """Imports files as the upload page does, and shows everything that is stored."""

    def __init__(self, database: Database, settings: Settings, actor: Actor) -> None:
        self.database, self.settings, self.actor = database, settings, actor
        settings.uploads.mkdir(parents=True, exist_ok=True)

    def upload(
        self, rows: list[dict], name: str = "contacts.csv", *, packed: bool = False
    ) -> Upload:
        """Keep a file as the upload page does."""
        path = self.settings.instance / "being-sent.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        content = path.read_bytes()
        path.unlink()
        path = self.settings.instance / "being-sent"
        path.write_bytes(gzip.compress(content) if packed else content)
        with path.open("rb") as stream:
            upload = save_upload(self.settings.uploads, stream, file_name=name)
        path.unlink()
        return upload

    def take_in(
        self, rows: list[dict], *, source: str = "crm", name: str = "contacts.csv", mapping=MAPPING
    ) -> ImportBatch:
        """Upload rows and import them."""
        upload = self.upload(rows, name)
        batch = self.import_path(upload.path, source=source, name=name, mapping=mapping)
        note(upload, batch_id=batch.id)
        return batch

    def import_path(
        self, path: Path, *, source: str = "crm", name: str = "contacts.csv", mapping=MAPPING
    ) -> ImportBatch:
        """Import a file."""
        return import_file(
            self.database.transaction,
            settings=self.settings,
            path=path,
            mapping=mapping,
            source=source,
            file_name=name,
            by=self.actor,
        )

    def encode_all(self) -> None:
        """Give every text a vector, as the encoder would."""
        from closedloop.models import ContactText

        with self.database.transaction() as session:
            for digest in session.scalars(sa.select(ContactText.text_hash).distinct()).all():
                session.add(
                    EncodedText(encoder="test", text_hash=digest, vector=digest[:8].encode())
                )

    def read(self, statement) -> list:
        """Run a SELECT."""
        with self.database.reading() as session:
            return list(session.scalars(statement))

    def count(self, model) -> int:
        """Count the rows of a table."""
        return self.read(sa.select(sa.func.count()).select_from(model))[0]

    def everything(self) -> str:
        """All cells of all tables, and the bytes of every file of the instance and the database."""
        parts = []
        with self.database.engine.connect() as connection:
            for table in Model.metadata.sorted_tables:
                parts += [str(tuple(found)) for found in connection.execute(sa.select(table))]
        paths = [p for p in self.settings.instance.rglob("*") if p.is_file()]
        if self.database.engine.dialect.name == "sqlite":
            file = Path(self.database.engine.url.database)
            paths += file.parent.glob(f"{file.name}*")
        parts += [path.read_bytes().decode("utf-8", "replace") for path in paths]
        return "\n".join(parts)

    def chains(self) -> list[tuple]:
        """What matters of contacts and where they stand, by their ids in the source."""
        with self.database.reading() as session:
            names = dict(session.execute(sa.select(Contact.id, Contact.source_contact_id)).all())
            rows = session.execute(
                sa.select(
                    Contact.source,
                    Contact.source_contact_id,
                    Contact.id,
                    Contact.customer_id,
                    ContactLink.previous_gap_seconds,
                    ContactLink.next_gap_seconds,
                    ContactLink.chain_position,
                    ContactLink.chain_id,
                ).outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
            )
            return sorted((*found[:-1], names.get(found[-1])) for found in rows)

    def figures(self) -> list:
        """The roll-ups, whole."""
        with self.database.reading() as session:
            columns = [c for c in DailyRollup.__table__.c if c.name != "id"]
            every = session.execute(sa.select(*columns)).all()
            slices = session.execute(sa.select(*DailySlice.__table__.c)).all()
        return [sorted(map(str, every)), sorted(map(str, slices))]

    def counts(self) -> tuple[int, int, int]:
        """Contacts, customers and messages."""
        return self.count(Contact), self.count(Customer), self.count(Message)
