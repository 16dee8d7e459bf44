"""Vectors of texts: each distinct text is encoded once per encoder and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from closedloop.adapters.cluster import open_executor
from closedloop.domain.jobs import Progress
from closedloop.models import ContactText, EncodedText
from closedloop.services.long_work import Report, Transactions
from ml.text.clean import wording
from ml.text.embed import Encoder
from ml.text.spread import SpreadEncoder

TEXTS_PER_CHUNK = 2_000
# Enough tasks at once for the workers of a cluster.
TEXTS_PER_ROUND = 20_000
HASHES_PER_QUERY = 500
STORED = np.dtype("<f2")

Vectors = NDArray[np.float32]


def encode_texts(
    transactions: Transactions,
    *,
    encoder: Encoder,
    report: Report,
    chunk: int | None = None,
    scheduler: str = "",
) -> int:
    """Encode every text that has no vector yet; a second run goes on where the first stopped.

    Parameters
    ----------
    transactions : Transactions
        One short one reads a chunk, one writes it; none is open while the encoder works.
    encoder : Encoder
    report : Report
    chunk : int, optional
        Distinct texts per transaction; by default 2,000, on a cluster 20,000.
    scheduler : str
        Address of the Dask scheduler whose workers encode; empty is this process.

    Returns
    -------
    int
        Texts encoded now.

    Raises
    ------
    Unavailable
        If there is something to encode and the cluster cannot be reached.
    """
    with transactions() as session:
        total = _count_missing(session, encoder.name)
    if total == 0:
        return 0
    with open_executor(scheduler) as executor:
        if executor is None:
            return _encode_missing(transactions, encoder, report, chunk or TEXTS_PER_CHUNK, total)
        spread = SpreadEncoder(encoder, executor)
        return _encode_missing(transactions, spread, report, chunk or TEXTS_PER_ROUND, total)


def _encode_missing(
    transactions: Transactions, encoder: Encoder, report: Report, chunk: int, total: int
) -> int:
    done, after = 0, ""
    while True:
        with transactions() as session:
            missing = _read_missing(session, encoder.name, after, chunk)
        if not missing:
            return done
        vectors = encode_plain(encoder, [text for _, text in missing])
        with transactions() as session:
            _keep(session, encoder.name, [text_hash for text_hash, _ in missing], vectors)
        after = missing[-1][0]
        done += len(missing)
        report(Progress(done, max(total, done), "Reading what customers said"))


def encode_plain(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Encode what the texts say, whatever their case, punctuation and spacing (`wording`).

    So texts that say the same word for word have one vector, and one label under any definition:
    a label stays a function of the definition and of the text alone. Where no word is left the
    vector is zero; it is like nothing, so no theme claims the contact.
    """
    plain = [wording(text) for text in texts]
    vectors = np.zeros((len(texts), encoder.dimensions), np.float32)
    places = [place for place, text in enumerate(plain) if text]
    if places:
        vectors[places] = encoder.encode([plain[place] for place in places])
    return vectors


def _missing(encoder: str) -> sa.ColumnElement[bool]:
    has_vector = sa.exists().where(
        EncodedText.encoder == encoder, EncodedText.text_hash == ContactText.text_hash
    )
    return sa.and_(ContactText.issue_text != "", ~has_vector)


def _count_missing(session: Session, encoder: str) -> int:
    distinct = sa.func.count(sa.distinct(ContactText.text_hash))
    return session.scalar(sa.select(distinct).where(_missing(encoder))) or 0


def _read_missing(session: Session, encoder: str, after: str, n: int) -> list[tuple[str, str]]:
    rows = session.execute(
        sa.select(ContactText.text_hash, sa.func.min(ContactText.issue_text))
        .where(ContactText.text_hash > after, _missing(encoder))
        .group_by(ContactText.text_hash)
        .order_by(ContactText.text_hash)
        .limit(n)
    )
    return [(text_hash, text) for text_hash, text in rows]


def _keep(session: Session, encoder: str, hashes: Sequence[str], vectors: Vectors) -> None:
    rows = [
        {"encoder": encoder, "text_hash": text_hash, "vector": vector.astype(STORED).tobytes()}
        for text_hash, vector in zip(hashes, vectors, strict=True)
    ]
    # Another worker may have encoded the same text in between; both vectors are equal.
    dialect: Any = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    session.execute(dialect.insert(EncodedText).on_conflict_do_nothing(), rows)


def unpack(stored: Sequence[bytes]) -> Vectors:
    """Return stored vectors as float32 (n, dimensions), rows scaled back to length 1."""
    if not stored:
        return np.zeros((0, 0), np.float32)
    rows = np.frombuffer(b"".join(stored), STORED).reshape(len(stored), -1).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-9), np.float32)


def load_vectors(session: Session, *, encoder: str, hashes: Sequence[str]) -> Vectors:
    """Return the vectors of texts that have been encoded, in the order asked for.

    Parameters
    ----------
    encoder : str
        Its exact name.
    hashes : sequence of str, length n
        May repeat.

    Returns
    -------
    array of float32 (n, dimensions)

    Raises
    ------
    KeyError
        If one of them has no vector.
    """
    distinct = sorted(set(hashes))
    stored: dict[str, bytes] = {}
    for start in range(0, len(distinct), HASHES_PER_QUERY):
        wanted = distinct[start : start + HASHES_PER_QUERY]
        rows = session.execute(
            sa.select(EncodedText.text_hash, EncodedText.vector).where(
                EncodedText.encoder == encoder, EncodedText.text_hash.in_(wanted)
            )
        )
        stored.update((text_hash, vector) for text_hash, vector in rows)
    place = {text_hash: i for i, text_hash in enumerate(distinct)}
    vectors = unpack([stored[text_hash] for text_hash in distinct])
    return vectors[[place[text_hash] for text_hash in hashes]] if hashes else vectors


def walk_vectors(
    transactions: Transactions,
    *,
    encoder: str,
    condition: sa.ColumnElement[bool] | None = None,
    chunk: int = TEXTS_PER_CHUNK,
) -> Iterator[tuple[list[str], Vectors]]:
    """Yield the encoded texts in use, in order of their hash, in chunks that fit the memory.

    Parameters
    ----------
    encoder : str
    condition : SQL condition, optional
        On `ContactText`, to walk fewer of them.
    chunk : int

    Yields
    ------
    hashes : list of str, length n
        Distinct.
    vectors : array of float32 (n, dimensions)
    """
    after = ""
    while True:
        query = (
            sa.select(ContactText.text_hash)
            .where(ContactText.text_hash > after, ContactText.issue_text != "")
            .group_by(ContactText.text_hash)
            .order_by(ContactText.text_hash)
            .limit(chunk)
        )
        if condition is not None:
            query = query.where(condition)
        page = query.subquery()
        is_it = (EncodedText.text_hash == page.c.text_hash) & (EncodedText.encoder == encoder)
        with transactions() as session:
            # with those that have no vector yet: the last one says where the next chunk begins
            found = session.execute(
                sa.select(page.c.text_hash, EncodedText.vector)
                .outerjoin(EncodedText, is_it)
                .order_by(page.c.text_hash)
            ).all()
        if not found:
            return
        after = found[-1][0]
        rows = [row for row in found if row[1] is not None]
        if rows:
            yield [row[0] for row in rows], unpack([row[1] for row in rows])
