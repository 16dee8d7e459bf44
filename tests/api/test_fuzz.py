"""Whatever is sent to the API about themes, the answer is what was asked for or a sentence."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from closedloop.domain.themes import ThemeStatus
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.leftovers import make_emerging
from tests.factories.runs import make_labels, make_part, make_run
from tests.factories.series import make_definitions
from tests.factories.themes import make_stats, make_theme

FIELDS = (
    "belongs",
    "cause",
    "colour",
    "contacts",
    "demand_type",
    "department",
    "expected_count",
    "goal",
    "into",
    "name",
    "owner",
    "parts",
    "quadrant",
    "reason",
    "scenario",
    "size",
    "strategy",
    "themes",
    "to",
    "until",
)
NUMBERS = st.one_of(
    st.integers(-3, 20),
    st.sampled_from([2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**300]),
)
TEXTS = st.one_of(
    st.sampled_from(["", " ", "eliminate", "failure", "9999-12-31", "0001-01-01"]),
    st.sampled_from(["", " ", "T-001", "T-002", "none", "\x00", "\ud800", "T-\u0661", "x" * 6_000]),
    st.text(max_size=30),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.floats(), st.just(float("1e400")))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.one_of(
    st.dictionaries(
        st.sampled_from(FIELDS), VALUES | st.lists(NUMBERS, max_size=6), max_size=6
    ).map(lambda body: json.dumps(body).encode()),
    st.sampled_from(
        [
            b"",
            b"null",
            b"[]",
            b'"contacts"',
            b"{",
            b"\xff\xfe{}",
            b'{"contacts": [' + b"1" * 6_000 + b"]}",
            b"[" * 200_000,
            b'{"contacts": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
            b'{"name": "\\ud83d"}',
            b'{"size": 1e400, "goal": NaN, "contacts": [-0]}',
        ]
    ),
)
KINDS = st.sampled_from(["application/json", "application/json", "text/plain", None])
PLACES = st.one_of(NUMBERS.map(str), st.sampled_from(["T-001", "T-002", "..", "%", "\x00", "é"]))
QUERIES = st.dictionaries(
    st.sampled_from(["after", "limit", "text", "points", "from", "colour"]),
    TEXTS | NUMBERS.map(str),
    max_size=3,
)


@pytest.fixture
def world(session):
    """Two themes with contacts, a run with parts, something that emerges, contacts in no theme."""
    themes = [
        make_theme(session, ThemeStatus.TRIAGED, key=f"T-00{n}", name=f"Theme {n}") for n in (1, 2)
    ]
    make_definitions(session, themes)
    batch, run = make_batch(session), make_run(session)
    for number in range(12):
        theme = (*themes, None)[number % 3]
        customer = make_customer(session)
        text = f"words {number}"
        make_contact(session, theme=theme, customer=customer, text=text, batch=batch, cluster=0)
    for theme in themes:
        make_stats(session, theme)
        make_part(session, run, theme)
    make_labels(session, run, {"card": ["00" * 32]})
    make_emerging(session)
    session.commit()


def rules(app) -> list[tuple[str, str]]:
    """Return address and method of everything the API says and takes of themes."""
    found = [
        (re.sub(r"<(?:[^<>]+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/api/v1/themes", "/api/v1/contact-drivers"))
        for method in rule.methods - {"HEAD", "OPTIONS"}
    ]
    return sorted(found)


def ask(api, rule: str, method: str, draw: Any) -> Any:
    """Send something to an address; what its gaps hold, the query and the body are drawn."""
    path = re.sub(r"\{\w+\}", lambda _: quote(draw(PLACES), safe="%"), rule)
    sent: dict[str, Any] = {"headers": dict(api.headers), "query_string": draw(QUERIES)}
    if method != "GET":
        sent |= {"data": draw(BODIES), "content_type": draw(KINDS)}
    for name, value in sent["query_string"].items():
        sent["query_string"][name] = value.encode("utf-8", "surrogatepass")
    return api.page.client.open(path, method=method, **sent)


@examples(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_nothing_that_is_sent_breaks_it(api, world, data):
    rule, method = data.draw(st.sampled_from(rules(api.page.app)))

    answer = ask(api, rule, method, data.draw)

    assert answer.status_code < 500, (method, rule, answer.text)
    if answer.status_code >= 400:
        assert answer.mimetype == "application/problem+json", (method, rule, answer.text)
        assert answer.json["detail"], (method, rule)
    elif answer.status_code != 308:
        assert answer.mimetype == "application/json"


def test_every_address_of_themes_is_among_those_tried(app):
    found = rules(app)

    assert len(found) >= 50
    assert {method for _, method in found} == {"GET", "PATCH", "POST"}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"[" * 200_000, 422, "nested too deep"),
        (b'{"name": "' + b"x" * 1_100_000 + b'"}', 413, "at most 1 MiB of JSON"),
        (b'{"name": "\\ud83d"}', 422, "unicode string"),
        (b'{"name": "a\\u0000b"}', 422, "null character"),
        (b'{"name": 7}', 422, "name"),
        (b'{"nom": "Carte"}', 422, "nom"),
        (b"[]", 422, ""),
        (b"{", 400, ""),
    ],
)
def test_a_body_that_does_not_fit_is_told_why(api, world, body, status, words):
    for kind in ("application/json", "text/plain", None):
        sent = {"data": body, "content_type": kind}
        problem = api.problem("/themes/T-001", status, "PATCH", **sent)

        assert words in problem["detail"]


def test_json_of_a_length_nobody_said_is_refused_before_it_is_read(api, world):
    headers = {**api.headers, "Transfer-Encoding": "chunked"}
    answer = api.page.raw(
        "/api/v1/themes/T-001",
        "PATCH",
        headers=headers,
        data=b"{}",
        content_type="application/json",
    )

    assert answer.status_code == 411
    assert "Content-Length" in answer.json["detail"]
