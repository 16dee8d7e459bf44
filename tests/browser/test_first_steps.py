"""The way in: a new site's first visitor, and a file with rows that cannot be read."""

from __future__ import annotations

import csv
import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EMPTY_PAGES = ["/contacts/", "/themes/", "/triage/", "/actions/", "/impact/", "/reports/", "/jobs/"]


def test_the_first_visitor_of_a_new_site_is_led_to_the_first_import(stranger, new_site):
    visitor = stranger(new_site)
    page = visitor.open("/")
    assert page.url == f"{new_site}/first-run"
    wrong = visitor.look_closely("first-run")
    page.get_by_label("Your name").fill("Marta Quill")
    page.get_by_label("E-mail address").fill("marta@northbank.example")
    page.get_by_label("Password").fill("four unrelated words")
    page.get_by_role("button", name="Set up the site").click()
    page.wait_for_url(f"{new_site}/")
    expect(page.locator("#toasts")).to_contain_text("The site is yours.")
    wrong += visitor.look_closely("new-home")
    for path in EMPTY_PAGES:
        visitor.open(path)
        wrong += visitor.look_closely(f"new-{path.strip('/')}")
    assert not wrong, "\n".join(wrong)
    page = visitor.open("/")
    page.locator("main").get_by_role("link", name=re.compile("[Ii]mport")).first.click()
    expect(page.locator("h1")).to_have_text("Import contacts")
    visitor.check()


def write_file(path) -> None:
    """Write 40 contacts of which lines 4, 9 and 15 cannot be read."""
    rows = [
        {
            "Case number": f"C-{n:04}",
            "Opened": f"2026-05-{n % 9 + 1:02} 10:{n:02}:00",
            "Customer ID": f"K{n % 12}",
            "Channel": "phone",
            "Wrap-up code": "General enquiry",
            "Comment": f"I called on 0161 496 0{n:03} about the PIN that is blocked.",
        }
        for n in range(40)
    ]
    rows[2]["Opened"] = ""
    rows[7]["Opened"] = "2026-02-31 10:00:00"
    rows[13]["Case number"] = ""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_file_with_bad_rows_is_tried_out_read_in_and_its_rejects_named(visit, tmp_path):
    write_file(tmp_path / "phone-desk.csv")
    visitor = visit("cx_manager")
    page = visitor.open("/contacts/import")
    page.get_by_label("A table").set_input_files(tmp_path / "phone-desk.csv")
    page.get_by_role("button", name="Upload and recognise").click()
    expect(page.locator("h1")).to_have_text("Check how it will be read")
    becomes = page.get_by_label("Case number becomes").locator("option:checked").inner_text()
    assert becomes.lower() == "contact number"
    rows = page.locator(".cl-columns tbody tr")
    assert all(row.bounding_box()["height"] < 70 for row in rows.all()), "columns stand close"
    wrong = visitor.look_closely("import-map")

    page.get_by_role("button", name="Try it out").click()
    expect(page.locator("h1")).to_have_text("Check what will be stored")
    visitor.settle()
    rejects = page.locator("#rejects tbody tr")
    said = rejects.all_inner_texts()  # by reason, each with the line of its first row
    assert sorted(re.search(r"Line (\d+)", row)[1] for row in said) == ["15", "4", "9"]
    wrong += visitor.look_closely("import-try")

    # the page asks how far it is every two seconds; while it is looked at, nobody answers
    polls = "**/contacts/imports/job/*"
    page.route(polls, lambda route: route.continue_() if is_page(route.request) else None)
    page.get_by_role("button", name="Read in 37 contacts").click()
    page.wait_for_url(re.compile(r"/contacts/imports/job/\d+"))
    job_id = page.url.rsplit("/", 1)[1]
    expect(page.locator("#import-progress")).to_contain_text("You can leave this page")
    wrong += visitor.look_closely("import-job")
    page.unroute(polls)
    page.reload()
    page.wait_for_url(re.compile(r"/contacts/imports/\d+$"), timeout=180_000)

    expect(page.locator("h1")).to_have_text("Import of phone-desk.csv")
    said = visitor.say()
    assert "37 new rows read in, 3 could not be read." in said
    lines = page.locator("#rejects tbody tr").all_inner_texts()
    assert [line.split("\t")[0] for line in lines] == ["4", "9", "15"]
    assert "0161 496" not in page.content()
    wrong += visitor.look_closely("import-result")
    visitor.open(f"/jobs/{job_id}")
    wrong += visitor.look_closely("job")
    assert not wrong, "\n".join(wrong)
    visitor.check()


def is_page(request) -> bool:
    return request.resource_type == "document"
