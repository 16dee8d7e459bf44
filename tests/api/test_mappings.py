"""Saved mappings over the API: kept under a name, listed, given up, renamed, deleted."""

from __future__ import annotations

import io

from closedloop.queries.mappings import list_mappings

MAPPING = {"source": "dialler", "columns": {"contact_id": "id", "started_at": "at"}}


def brought(api, content: bytes = b"id,at\n1,2026-03-01T10:00:00Z\n") -> str:
    sent = {"file": (io.BytesIO(content), "march.csv")}
    return api.post("/imports/preview", 200, data=sent).json["upload"]


def test_a_mapping_is_saved_listed_renamed_and_deleted(api, session):
    body = {"upload": brought(api), "mapping": MAPPING}
    saved = api.send("/mappings/Help desk", body, method="PUT")
    assert (saved["name"], saved["format"], saved["last_used_at"]) == ("Help desk", "csv", None)
    assert api.get("/mappings/Help desk")["mapping"] == MAPPING

    assert api.send("/mappings/Help desk", {"name": "Desk"}, method="PATCH")["name"] == "Desk"
    assert [known["name"] for known in api.get("/mappings")["items"]] == ["Desk"]

    gone = api.page.raw("/api/v1/mappings/Desk", "DELETE", headers=api.headers)
    assert (gone.status_code, gone.data) == (204, b"")
    assert list_mappings(session) == []
    api.problem("/mappings/Desk", 404, "DELETE")


def test_another_mapping_of_the_name_is_given_up_only_when_that_is_said(api):
    body = {"upload": brought(api), "mapping": MAPPING}
    api.send("/mappings/Desk", body, method="PUT")
    other = {**body, "mapping": {**MAPPING, "zone": "UTC"}}

    assert "another mapping" in api.problem("/mappings/Desk", 409, "PUT", json=other)["detail"]
    api.send("/mappings/Desk", {**other, "replace": True}, method="PUT")

    assert api.get("/mappings/Desk")["mapping"]["zone"] == "UTC"


def test_a_name_that_is_none_is_not_found(api):
    for name in ("a%0Ab", "..", "x" * 300):
        api.problem(f"/mappings/{name}", 404)
        api.problem(f"/mappings/{name}", 404, "DELETE")
        api.problem(f"/mappings/{name}", 404, "PATCH", json={"name": "Desk"})


def test_what_could_read_no_file_is_not_saved(api, session):
    token = brought(api)
    columns = {"contact_id": "number", "started_at": "at"}
    for name, mapping, words in (
        ("Desk", {"columns": columns}, "a column “number”"),
        ("Desk", {"colour": 1, "columns": {}}, "a setting “colour”"),
        ("done", MAPPING, "the name of a folder"),
    ):
        body = {"upload": token, "mapping": mapping}
        assert words in api.problem(f"/mappings/{name}", 422, "PUT", json=body)["detail"]
    body = {"upload": "0" * 32, "mapping": MAPPING}
    assert "no longer kept" in api.problem("/mappings/Desk", 404, "PUT", json=body)["detail"]
    assert list_mappings(session) == []


def test_a_bad_name_is_told_under_the_field_that_the_api_has(api):
    body = {"upload": brought(api), "mapping": MAPPING}
    api.send("/mappings/Desk", body, method="PUT")
    for method, path, sent in (
        ("PUT", "/mappings/done", body),
        ("PATCH", "/mappings/Desk", {"name": "a/b"}),
    ):
        problem = api.problem(path, 422, method, json=sent)
        assert problem["errors"] == {"name": problem["detail"]}
