"""The description of the API says everything the API has, and nothing else."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def document(page):
    answer = page.raw("/api/v1/openapi.json")  # needs no token: it holds no data
    assert answer.status_code == 200
    return answer.json


def test_every_route_of_the_api_is_described(document, app):
    routes = {
        (re.sub(r"<(?:[^<>]+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {
        (path, method) for path, operations in document["paths"].items() for method in operations
    }

    assert len(routes) >= 11
    assert described == routes


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_every_operation_says_what_it_does_and_what_it_needs(document):
    for name, operation in operations(document):
        assert operation["summary"], name
        is_open = name.endswith("/openapi.json")
        assert operation["security"] == ([] if is_open else [{"token": []}]), name
        assert ("401" in operation["responses"]) is not is_open, name


def test_every_error_is_a_problem(document):
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if status[0] in "45":
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_everything_that_is_referred_to_is_there(document):
    refs = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(document)))

    assert refs
    assert refs <= set(document["components"]["schemas"])


def test_numbers_say_their_bounds(document):
    limits = [
        parameter["schema"]
        for _, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "limit"
    ]
    assert len(limits) == 20
    assert all(limit["minimum"] == 1 for limit in limits)
    assert sorted(limit["maximum"] for limit in limits) == [100, *[200] * 19]


def test_the_document_is_openapi_3_1(document):
    assert document["openapi"] == "3.1.0"
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
