"""How fast the pages of contacts and metrics are over whatever history lies in the database."""

from __future__ import annotations

import gc
import importlib
import math
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from closedloop.bench.places import Place

TIMES = 20
"""How often each page is asked for, after once that does not count."""

PAGES = (
    "/contacts/",
    "/contacts/?channel=phone",
    "/contacts/?theme=7",
    "/contacts/?queue=queue+3&disposition=disposition+13",
    "/contacts/?chain=repeats",
    "/contacts/?language=lt",
    "/contacts/?who=unknown",
    "/contacts/?team=team+7&language=lt&channel=messaging",
    "/contacts/?chain=followed-any-7d&channel=chat&from=2022-03-01&to=2022-03-28",
    "/contacts/?chain=repeats&language=lt",
    "/contacts/?batch=1",
    "/contacts/?after=1670000000.1",
    "/contacts/?q=c4711",
    "/contacts/?q=refund+parcel",
    "/contacts/?q=xylophone",
    "/contacts/?q=xylophone&language=lt",
    "/contacts/?q=refund&from=2022-03-01&to=2022-12-31&channel=phone",
    "/contacts/4711",
    "/contacts/repeats",
    "/contacts/repeats?window=30d&by=theme",
    "/contacts/repeats?channel=chat",
    "/contacts/repeats?channel=chat&by=theme",
    "/contacts/contacts.csv",
    "/contacts/contacts.csv?channel=messaging&language=lt",
    "/contacts/repeats.csv",
    "/contacts/repeats.csv?window=30d&by=theme",
    "/contacts/import",
    "/contacts/imports/1",
    "/contacts/imports/1/rejects.csv",
    "/contacts/imports/1/roll-back",
    "/contacts/identities",
    "/contacts/mappings",
    "/metrics/",
    "/metrics/?channel=phone",
    "/metrics/?channel=phone&queue=queue+3",
    "/metrics/?from=2024-01-01&to=2024-11-30",
    "/metrics/repeat_rate_any",
    "/metrics/repeat_rate_any?by=theme&step=week",
    "/metrics/repeat_rate_same?theme=7&by=queue",
    "/metrics/fcr?channel=phone&by=theme",
    "/metrics/aht?by=team&step=month",
    "/metrics/customers",
    "/metrics/customers?channel=phone",
    "/metrics/customers?by=channel",
    "/metrics/customers?by=theme",
    "/metrics/cost_per_contact?by=channel",
    "/metrics/contact_rate?by=channel",
    "/metrics/resolution_team_repeats?by=theme",
    "/metrics/fcr_net?by=theme",
    "/metrics/failure_share?by=queue",
    "/metrics/metrics.csv",
    "/metrics/fcr/groups.csv?by=theme",
    "/metrics/repeat_rate_any/trend.csv?step=week",
    "/metrics/settings",
    "/metrics/settings/costs",
    "/metrics/settings/drivers",
    "/metrics/settings/lists",
)

_PASSWORD = "only for measuring 1"  # noqa: S105 - of a site that holds nothing but made-up contacts

Report = list[dict[str, Any]]


def measure_pages(place: Place, *, tell: Callable[[str], None] = print) -> Report:
    """Return median and 95th percentile of each page in milliseconds, and its queries."""
    # the site stands above this room, and only here is it looked at from below
    app: Any = importlib.import_module("closedloop.factory").create_app(place.settings)
    engine = app.extensions["closedloop_database"].engine
    client = app.test_client()
    _sign_in(client)
    gc.collect()
    gc.freeze()  # as a process that serves does; see create_served_app
    found = []
    for page in PAGES:
        with _counting(engine) as queries:
            status = client.get(page).status_code
        n_queries = len(queries)
        times = []
        for _ in range(TIMES):
            began = time.perf_counter()
            client.get(page).get_data()
            times.append(1000 * (time.perf_counter() - began))
        found.append(
            {
                "page": page,
                "status": status,
                "median ms": round(statistics.median(times), 1),
                "p95 ms": round(percentile(times, 0.95), 1),
                "queries": n_queries,
            }
        )
        tell("{page}: median {median ms} ms, p95 {p95 ms} ms".format(**found[-1]))
    engine.dispose()
    gc.unfreeze()
    return found


def percentile(times: list[float], share: float) -> float:
    """Return the smallest of the times that at least such a share of them do not exceed."""
    return sorted(times)[math.ceil(share * len(times)) - 1]


@contextmanager
def _counting(engine: sa.Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def _sign_in(client: Any) -> None:
    """Make the first administrator, as a person would, or sign in where there is one."""
    person = {"email": "bench@example.com", "password": _PASSWORD}
    address, page = "/first-run", client.get("/first-run")
    if page.status_code == 200:
        person["name"] = "Bench"
    else:
        address, page = "/sign-in", client.get("/sign-in")
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    if token is None:
        raise RuntimeError(f"The page {address} has no form.")
    client.post(address, data={**person, "csrf_token": token[1]})
