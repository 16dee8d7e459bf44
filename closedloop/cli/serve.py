"""`closedloop serve`, `worker` and `scheduler`."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import click
from gunicorn.app.base import BaseApplication
from gunicorn.util import import_app

from closedloop.cli.options import PORT, Number, Site, instance_option, open_site, speaks_plainly
from closedloop.config import Settings
from closedloop.jobs.runner import work_until
from closedloop.jobs.schedule import Clock

logger = logging.getLogger(__name__)
REQUEST_SECONDS = 10
"""That a request has to come to its end when the site stops."""

RESTART_SECONDS = 15.0
"""Between the end of the process that runs jobs and its new start: longer than `REQUEST_SECONDS`.

One signal may reach the whole site; until the last request is done nobody knows that it stops.
"""

STOP_SECONDS = 10.0
"""That a job has to come to its end when the site stops."""

_CHILD = (
    "import sys; from pathlib import Path; from closedloop.cli.serve import run_worker; "
    "run_worker(Path(sys.argv[1]), with_clock=True, parent=int(sys.argv[2]))"
)


def start_logging(level: str) -> None:
    """Write log lines to standard error: time, process, level, where, what."""
    logging.basicConfig(
        level=level, format="%(asctime)s %(process)d %(levelname)s %(name)s %(message)s"
    )
    for name in ("apscheduler", "alembic"):  # a line per tick or start says nothing
        logging.getLogger(name).setLevel(logging.WARNING)


def _stop_on_signals() -> threading.Event:
    """Return what the first signal sets; a second Ctrl+C ends the process there and then."""
    stop = threading.Event()

    def ask(number: int, _frame: object) -> None:
        stop.set()
        if number == signal.SIGINT:  # a service manager may well send SIGTERM twice
            signal.signal(number, signal.SIG_DFL)

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, ask)
    return stop


def run_worker(instance: Path, *, with_clock: bool, parent: int | None = None) -> None:
    """Run jobs in this process, and the schedule too when asked, until told to stop."""
    site = open_site(instance)
    start_logging(site.settings.log_level)
    stop = _stop_on_signals()
    if parent is not None:
        threading.Thread(target=_stop_with, args=(parent, stop), daemon=True).start()
    if with_clock:
        clock = Clock(site.database, site.settings)
        threading.Thread(target=clock.run_until, args=(stop,), name="clock", daemon=True).start()
    work_until(site.database, site.settings, stop=stop)


def _stop_with(parent: int, stop: threading.Event) -> None:
    """Stop when the process that started us is gone, so that nothing is left behind."""
    while not stop.wait(1.0):
        if os.getppid() != parent:
            stop.set()


class KeptProcess:
    """A child process that is started again when it ends by itself, as when memory ran out."""

    def __init__(
        self,
        command: list[str],
        *,
        pause: float = RESTART_SECONDS,
        patience: float = STOP_SECONDS,
    ) -> None:
        self.command, self.pause, self.patience = command, pause, patience
        self.stopping = threading.Event()
        self.process = self._begin()

    def start(self) -> None:
        """Watch over it in a thread of this process."""
        threading.Thread(target=self._watch, name="jobs' keeper", daemon=True).start()

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command)  # noqa: S603 - this very program

    def _watch(self) -> None:
        while True:
            self.process.wait()
            if self.stopping.wait(self.pause):
                return
            logger.error("the process that runs jobs and the schedule ended; it is started again")
            self.process = self._begin()

    def stop(self) -> None:
        """End it for good; a job that does not end in time is taken up again at the next start."""
        self.stopping.set()
        self.process.terminate()
        try:
            self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            logger.warning(
                "a job still runs and is broken off; it is taken up again a minute after the next "
                "start"
            )
            self.process.kill()
            self.process.wait()


class WebServer(BaseApplication):  # type: ignore[misc]
    """gunicorn, told what to serve without a file of its own."""

    def __init__(self, settings: Settings, host: str, port: int, threads: int) -> None:
        self.site_settings, self.host, self.port, self.threads = settings, host, port, threads
        super().__init__()

    def load_config(self) -> None:
        """Hand gunicorn its settings."""
        for name, value in {
            "bind": f"{self.host}:{self.port}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": self.threads,
            "timeout": 120,
            "graceful_timeout": REQUEST_SECONDS,
            "loglevel": "warning",
            "proc_name": "closedloop",
            "control_socket_disable": True,
        }.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the application inside the serving process, as `gunicorn` itself would."""
        os.environ["CLOSEDLOOP_INSTANCE"] = str(self.site_settings.instance)
        return import_app("closedloop.factory:create_served_app()")


def serve_site(site: Site, *, host: str, port: int, threads: int = 8) -> None:
    """Serve pages here, and run jobs and the schedule in a child process."""
    start_logging(site.settings.log_level)
    ours = os.getpid()
    child = KeptProcess([sys.executable, "-c", _CHILD, str(site.settings.instance), str(ours)])
    site.database.engine.dispose()
    child.start()
    try:
        WebServer(site.settings, host, port, threads).run()
    finally:
        if os.getpid() == ours:  # gunicorn's own children leave through here as well
            child.stop()


@click.command("serve")
@instance_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=PORT, default=8000, show_default=True)
@click.option(
    "--threads",
    type=Number(most=1_000),
    default=8,
    show_default=True,
    help="Requests answered at a time.",
)
@speaks_plainly
def serve(instance: Path | None, host: str, port: int, threads: int) -> None:
    """Serve the site: pages here, jobs and the schedule in a child process.

    For more than one web process use `gunicorn app:app`, `closedloop worker` and `closedloop
    scheduler`.
    """
    site = open_site(instance)
    click.echo(f"closedloop is at http://{host}:{port}/ (stop with Ctrl+C)")
    sys.stdout.flush()
    serve_site(site, host=host, port=port, threads=threads)


@click.command("worker")
@instance_option
@speaks_plainly
def worker(instance: Path | None) -> None:
    """Run jobs in this process until stopped; start as many as you like."""
    run_worker(open_site(instance).settings.instance, with_clock=False)


@click.command("scheduler")
@instance_option
@speaks_plainly
def scheduler(instance: Path | None) -> None:
    """Keep the schedule in this process; of several, one leads and the others stand by."""
    site = open_site(instance)
    start_logging(site.settings.log_level)
    Clock(site.database, site.settings).run_until(_stop_on_signals())
