"""Encoding on a cluster: refused in words when nobody answers, unasked for when all is done."""

from __future__ import annotations

import pytest

from closedloop.domain.errors import Unavailable
from closedloop.services.encoding import encode_texts
from closedloop.services.long_work import tell_nobody
from tests.factories.histories import add_contacts
from tests.factories.theme_maker import WordEncoder

NOWHERE = "tcp://127.0.0.1:9"


def test_nothing_to_encode_asks_no_cluster(database):
    done = encode_texts(
        database.transaction, encoder=WordEncoder(), report=tell_nobody, scheduler=NOWHERE
    )

    assert done == 0


def test_a_cluster_that_is_away_stops_the_work_with_a_sentence(database, settings, monkeypatch):
    pytest.importorskip("distributed", reason="Dask is an extra that is not installed here")
    monkeypatch.setattr("closedloop.adapters.cluster.CONNECT_SECONDS", 1)
    add_contacts(database, settings, {"CARD": 2})

    with pytest.raises(Unavailable, match="No Dask scheduler answers"):
        encode_texts(
            database.transaction, encoder=WordEncoder(), report=tell_nobody, scheduler=NOWHERE
        )
