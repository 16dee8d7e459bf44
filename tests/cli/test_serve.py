"""Serving: the process that runs jobs is there as long as the pages are."""

from __future__ import annotations

import os
import signal
import sys
import time

from closedloop.cli.serve import KeptProcess

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def wait_for(condition) -> bool:
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_the_process_that_runs_jobs_is_started_again_when_it_is_killed():
    kept = KeptProcess(SLEEP, pause=0.05)
    kept.start()
    first = kept.process
    try:
        os.kill(first.pid, signal.SIGKILL)

        assert wait_for(lambda: kept.process is not first)
        assert kept.process.poll() is None
    finally:
        kept.stop()


def test_the_process_that_runs_jobs_ends_with_the_pages():
    kept = KeptProcess(SLEEP, pause=0.05)
    kept.start()

    kept.stop()

    time.sleep(0.2)
    assert kept.process.poll() is not None
