"""A Dask cluster: the same vectors, also when a worker is killed; its lack is a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor

import numpy as np
import pytest

from closedloop.adapters.cluster import open_executor
from closedloop.domain.errors import Unavailable
from closedloop.services.encoding import encode_texts
from closedloop.services.labelling import label_texts
from closedloop.services.long_work import tell_nobody
from ml.text.embed import load_encoder
from ml.text.spread import SpreadEncoder
from ml.themes import ThemeModel
from ml.themes.vectors import DenseSpace
from tests.factories.histories import add_contacts
from tests.factories.theme_maker import WordEncoder

TEXTS = [f"my parcel number {i} has not arrived and nobody answers" for i in range(480)]


@pytest.fixture
def cluster(tmp_path):
    """Give the address of a scheduler with two workers, and the workers' processes."""
    pytest.importorskip("distributed", reason="Dask is an extra that is not installed here")
    from distributed import Client

    port = tmp_path / "scheduler.json"
    common = ["--no-dashboard", "--scheduler-file", str(port)]
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "20s"}

    def run(*arguments):
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=tmp_path,
        )

    scheduler = run("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common)
    workers = [
        run("distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *common)
        for _ in range(2)
    ]
    try:
        deadline = time.monotonic() + 60
        while not port.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        with Client(scheduler_file=str(port), timeout=30, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            address = client.scheduler.address
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


class KillsOnTheWay(Executor):
    """Hands tasks on, and kills a worker once the fourth was handed on."""

    def __init__(self, executor, worker):
        self._executor, self._worker, self.n_tasks = executor, worker, 0

    def submit(self, *arguments, **named):
        task = self._executor.submit(*arguments, **named)
        self.n_tasks += 1
        if self.n_tasks == 4:
            os.kill(self._worker.pid, signal.SIGKILL)
        return task


@pytest.mark.slow
def test_vectors_are_the_same_though_a_worker_is_killed_on_the_way(cluster):
    address, workers = cluster
    encoder = load_encoder()

    with open_executor(address) as executor:
        killing = KillsOnTheWay(executor, workers[0])
        spread = SpreadEncoder(encoder, killing, texts_per_task=40)
        vectors = spread.encode(TEXTS)

    assert killing.n_tasks == 12
    assert workers[0].wait(timeout=10) == -signal.SIGKILL
    assert workers[1].poll() is None
    assert spread.name == encoder.name
    assert np.array_equal(vectors, encoder.encode(TEXTS))


@pytest.mark.slow
def test_assignment_is_the_same_though_a_worker_is_killed_on_the_way(
    cluster, database, settings, monkeypatch
):
    monkeypatch.setattr("closedloop.services.labelling.TEXTS_PER_TASK", 20)
    address, workers = cluster
    add_contacts(database, settings, {"CARD": 200, "PIN": 200})
    encoder = WordEncoder()
    encode_texts(database.transaction, encoder=encoder, report=tell_nobody)
    vectors = encoder.encode([f"{topic} a{n} turn0" for topic in ("card", "pin") for n in range(9)])
    model = ThemeModel.fit(vectors, np.repeat([0, 1], 9), DenseSpace.fit(vectors))
    done = []

    def kill(progress):
        done.append(progress.done)
        if len(done) == 2:
            os.kill(workers[0].pid, signal.SIGKILL)

    given = {"encoder": encoder.name, "model": model}
    alone = label_texts(database.transaction, report=tell_nobody, **given)
    spread = label_texts(database.transaction, report=kill, scheduler=address, **given)

    assert workers[0].wait(timeout=10) == -signal.SIGKILL
    assert workers[1].poll() is None
    assert done == list(range(20, 801, 20))
    assert {0, 1} <= set(alone.labels.tolist())
    for one, other in zip(vars(alone).values(), vars(spread).values(), strict=True):
        assert np.array_equal(one, other)


def test_without_a_scheduler_there_is_no_executor():
    with open_executor("") as executor:
        assert executor is None


def test_a_scheduler_that_does_not_answer_is_a_sentence(monkeypatch):
    pytest.importorskip("distributed", reason="Dask is an extra that is not installed here")
    monkeypatch.setattr("closedloop.adapters.cluster.CONNECT_SECONDS", 1)

    with (
        pytest.raises(Unavailable, match=r"No Dask scheduler answers at tcp://127.0.0.1:9\."),
        open_executor("tcp://127.0.0.1:9"),
    ):
        pass
