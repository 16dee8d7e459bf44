"""Serving: the process that runs jobs is there as long as the pages are."""

from __future__ import annotations

import os
import signal
import subprocess
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

    time.sleep(0.2)  # long enough to be started again, were it watched over still
    assert kept.process.poll() is not None


def test_a_job_that_does_not_end_does_not_hold_the_pages_up(tmp_path):
    ready = tmp_path / "deaf to SIGTERM"
    deaf = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    )
    kept = KeptProcess([sys.executable, "-c", deaf, str(ready)], patience=0.1)
    kept.start()
    assert wait_for(ready.exists)

    kept.stop()

    assert kept.process.returncode == -signal.SIGKILL


def test_a_second_ctrl_c_ends_a_worker_that_is_in_the_middle_of_a_job():
    script = (
        "import time; from closedloop.cli.serve import _stop_on_signals; "
        "stop = _stop_on_signals(); print('ready', flush=True); "
        "stop.wait(); print('asked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"ready\n"
        worker.send_signal(signal.SIGINT)
        assert worker.stdout.readline() == b"asked\n"
        worker.send_signal(signal.SIGINT)

        assert worker.wait(10) == -signal.SIGINT
