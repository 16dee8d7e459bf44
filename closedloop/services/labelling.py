"""Which label each text has under a model: worked out in chunks, outside any transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from closedloop.adapters.cluster import open_executor
from closedloop.domain.jobs import Progress
from closedloop.models import ContactText
from closedloop.services.definitions import Model
from closedloop.services.encoding import TEXTS_PER_CHUNK, Vectors, walk_vectors
from closedloop.services.long_work import Report, Transactions

TEXTS_PER_TASK = TEXTS_PER_CHUNK
TILE = 64
"""Rows that are multiplied together: a multiple of what any processor takes at once."""


@dataclass(frozen=True)
class TextLabels:
    """Labels of distinct texts: `hashes` (n,), `labels` (n,) and `confidence` (n,)."""

    hashes: NDArray[np.bytes_]
    labels: NDArray[np.int32]
    confidence: NDArray[np.float32]


def label_texts(
    transactions: Transactions,
    *,
    encoder: str,
    model: Model,
    report: Report,
    condition: sa.ColumnElement[bool] | None = None,
    scheduler: str = "",
) -> TextLabels:
    """Give each encoded text in use its label.

    Parameters
    ----------
    encoder : str
        Exact name.
    model : Model
    report : Report
    condition : SQL condition, optional
        On `ContactText`: only these.
    scheduler : str
        Address of the Dask scheduler whose workers assign; empty is this process. Labels are the
        same. What fits one task is done here.

    Raises
    ------
    Unavailable
        If the cluster cannot be reached.
    """
    count = sa.select(sa.func.count(sa.distinct(ContactText.text_hash)))
    with transactions() as session:
        total = session.scalar(count if condition is None else count.where(condition)) or 0
    blocks = walk_vectors(transactions, encoder=encoder, condition=condition, chunk=TEXTS_PER_TASK)
    hashes, labels, confidences, done = [], [], [], 0
    with open_executor(scheduler if total > TEXTS_PER_TASK else "") as executor:
        for chunk, (label, confidence) in _assign_each(model, executor, blocks):
            hashes.append(np.array(chunk, "S64"))
            labels.append(np.asarray(label, np.int32))
            confidences.append(np.asarray(confidence, np.float32))
            done += len(chunk)
            report(Progress(done, max(total, done), "Assigning contacts to themes"))
    if not hashes:
        return TextLabels(np.zeros(0, "S64"), np.zeros(0, np.int32), np.zeros(0, np.float32))
    return TextLabels(np.concatenate(hashes), np.concatenate(labels), np.concatenate(confidences))


def assign_rows(model: Model, vectors: Vectors) -> tuple[Any, Any]:
    """Return what `model.assign` says of each vector, whatever stands beside it.

    Rows that are equal get the same answer to the last bit, in any company: only whole tiles are
    multiplied, as the rows at the rim of a table are summed in another order.
    """
    labels, confidence = model.assign(_whole_tiles(vectors))
    return labels[: len(vectors)], confidence[: len(vectors)]


def _whole_tiles(vectors: Vectors) -> Vectors:
    rim = -len(vectors) % TILE
    return np.pad(vectors, ((0, rim), (0, 0))) if rim else vectors


def _assign_each(
    model: Model, executor: Executor | None, blocks: Iterable[tuple[list[str], Vectors]]
) -> Iterator[tuple[list[str], tuple[Any, Any]]]:
    if executor is None:
        yield from ((chunk, assign_rows(model, vectors)) for chunk, vectors in blocks)
        return
    # Imported here: it brings scipy, which web workers need not load.
    from ml.themes.spread import assign_spread

    whole = ((chunk, _whole_tiles(vectors)) for chunk, vectors in blocks)
    for chunk, (labels, confidence) in assign_spread(model, executor, whole):
        yield chunk, (labels[: len(chunk)], confidence[: len(chunk)])
