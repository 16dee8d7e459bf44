"""Whether the contacts of a file are here already under the name of another system.

Ids are unique within a source, so a file that comes again as another source's counts twice. Where
the source was named by a person that is meant; where it was only taken from the file's name it is
asked about.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.contacts import read_contacts
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import ParsedContact
from closedloop.config import Settings
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Invalid
from closedloop.models import ImportBatch
from closedloop.services.contact_files import measure_extent, open_contacts
from closedloop.services.contact_rows import RowCleaner
from closedloop.services.intake import known_hashes

ROWS_COMPARED = 50
"""First rows of a file that are looked up; half of them known elsewhere are no accident."""


def find_other_source(
    session: Session, *, settings: Settings, path: Path, mapping: Mapping, source: str
) -> str | None:
    """Return the source that has brought the contacts of a file before, if it is another one.

    Parameters
    ----------
    session : Session
    settings : Settings
    path : Path
    mapping : Mapping
    source : str
        Under which the file is to come; a file that came under it before is no new matter.

    Returns
    -------
    str or None
        Of an import of the very file that was not taken out again, or else the one that knows half
        of the first rows with the same content: a copy that is packed, renamed or grown.
    """
    sha256 = measure_extent(path).sha256
    of_file = sa.select(ImportBatch.source).where(
        ImportBatch.file_sha256 == sha256,
        ImportBatch.rolled_back_by == "",
        ImportBatch.rows_done > 0,
    )
    same_file = session.scalars(of_file.order_by(ImportBatch.id)).all()
    if same_file:
        return None if source in same_file else same_file[0]
    sources = session.scalars(
        sa.select(ImportBatch.source)
        .where(ImportBatch.rolled_back_by == "")
        .group_by(ImportBatch.source)
        .order_by(sa.func.min(ImportBatch.id))
    ).all()
    others = [other for other in sources if other != source]
    own = _first_rows(path, mapping, settings) if others else {}
    for other in others if own else ():
        known = known_hashes(session, other, list(own))
        if 2 * sum(known.get(i) == content for i, content in own.items()) >= len(own):
            return other
    return None


def _first_rows(path: Path, mapping: Mapping, settings: Settings) -> dict[str, str]:
    """Return the content hash by id of the first contacts; none where the mapping does not fit."""
    with open_contacts(path) as opened:
        if mapping.problems_with(opened.facts.header):
            return {}
        outcomes = read_contacts(opened.bundle, opened.facts, mapping, now=utc_now())
        found = islice((o for o in outcomes if isinstance(o, ParsedContact)), ROWS_COMPARED)
        return RowCleaner(settings, opened.facts, mapping).content_by_id(list(found))


def refuse_second_source(
    session: Session, *, settings: Settings, path: Path, mapping: Mapping, source: str
) -> None:
    """Refuse a file whose contacts another source has brought, where nobody named the source.

    Raises
    ------
    Invalid
        Naming both sources, and how to say which is meant.
    """
    other = find_other_source(session, settings=settings, path=path, mapping=mapping, source=source)
    if other is None:
        return
    sentence = (
        f"Nobody said which system this file comes from. Its contacts are here already as those of "
        f"“{other}”; as those of “{source}” they would count twice. Name the source, in the "
        f"mapping or with --source: “{other}” if they are the same contacts, another name if they "
        "are not."
    )
    raise Invalid(sentence, {"source": sentence})
