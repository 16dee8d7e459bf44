"""Workbooks: the right sheet, times as shown, bombs refused."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given

from closedloop.adapters import xlsx
from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.registry import recognise
from closedloop.adapters.types import BadRow, UnreadableFile
from closedloop.adapters.xlsx import READER, read_rows, sniff_xlsx
from tests.adapters.fuzz import broken_versions, fuzzed, read_all


def workbook(rows, *, title="Contacts", before=()) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for name, cells in before:
        sheet.title = name
        for row in cells:
            sheet.append(row)
        sheet = book.create_sheet()
    sheet.title = title
    for row in rows:
        sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


ROWS = [
    ["contact_id", "started_at", "handle_seconds", "vip", "text"],
    ["X-1", datetime(2026, 3, 2, 9, 59, 59, 999_990), time(0, 4, 5), True, "Where is my order?"],
    [1002, date(2026, 3, 3), timedelta(minutes=2), None, "two\nlines"],
    [None, None, None, None, None],
    ["X-3", "2026-03-04T10:00:00Z", 61.5, False, None],
]


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "upload"
    path.write_bytes(workbook(ROWS))
    return path


def changed(path: Path, name: str, change) -> Path:
    """Write a workbook again with one of its parts changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    parts[name] = change(parts.get(name, b"<sst/>"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return path


def test_a_workbook_is_recognised_and_read_row_by_row(path):
    with open_bundle(path) as bundle:
        reader, facts = recognise(bundle)
        first, second, third = reader.read_rows(bundle, facts)

    assert reader is READER
    assert facts.header == ["contact_id", "started_at", "handle_seconds", "vip", "text"]
    assert (first.line, first.place) == (2, "Row 2 of sheet “Contacts”")
    assert first.fields["started_at"] == "2026-03-02T10:00:00"
    assert (first.fields["handle_seconds"], first.fields["vip"]) == ("00:04:05", True)
    assert (second.fields["contact_id"], second.fields["text"]) == (1002, "two\nlines")
    assert second.fields["started_at"].startswith("2026-03-03")
    assert third.line == 5
    assert facts.sample_rows[2] == ["X-3", "2026-03-04T10:00:00Z", "61.5", "False", ""]


def test_titles_above_and_sheets_before_the_table_are_passed_over(tmp_path):
    path = tmp_path / "report.xlsx"
    cover = ("Cover", [["Monthly report"], ["made", datetime(2026, 3, 1)]])
    path.write_bytes(workbook([["All contacts"], [], *ROWS], title="Data", before=[cover]))

    facts = sniff_xlsx(path)
    rows = list(read_rows(path, facts))

    assert facts.header[0] == "contact_id"
    assert "sheet “Data”" in facts.reasons[0]
    assert "row 3" in facts.reasons[1]
    assert rows[0].fields["contact_id"] == "X-1"
    assert rows[0].line == 4


def test_cells_beyond_the_last_name_are_kept_under_a_name(tmp_path):
    path = tmp_path / "stray.xlsx"
    path.write_bytes(workbook([["id", "at"], ["1", "2026-03-02", None, "call back"]]))

    [row] = read_rows(path, sniff_xlsx(path))

    assert row.fields == {"id": "1", "at": "2026-03-02", "column 3": None, "column 4": "call back"}


def test_a_sheet_that_breaks_off_costs_what_follows_and_says_where(path):
    changed(path, "xl/worksheets/sheet1.xml", lambda xml: xml[: xml.index(b'<row r="5"')])

    *good, last = read_rows(path, sniff_xlsx(path))

    assert [row.fields["contact_id"] for row in good] == ["X-1", 1002]
    assert isinstance(last, BadRow)
    assert "breaks off after row 3" in last.reason


@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml"]
)
def test_an_entity_bomb_is_refused_before_it_is_parsed(path, part, monkeypatch):
    lol = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    changed(
        path, part, lambda xml: xml.replace(b"?>", b"?>" + lol, 1) if b"?>" in xml else lol + xml
    )
    monkeypatch.setattr(openpyxl, "load_workbook", lambda *a, **k: pytest.fail("was parsed"))

    with pytest.raises(UnreadableFile, match=r"declares entities.*Save the sheet as CSV"):
        sniff_xlsx(path)


def test_an_entity_bomb_behind_a_long_comment_is_refused(path):
    padding = b"<!--" + b"x" * 10_000 + b'--><!DOCTYPE l [<!ENTITY a "ha">]>'
    changed(path, "xl/worksheets/sheet1.xml", lambda xml: padding + xml)

    with pytest.raises(UnreadableFile, match="declares entities"):
        sniff_xlsx(path)


def test_a_zip_bomb_in_a_workbook_is_refused_by_the_sizes_it_announces(path):
    changed(path, "xl/worksheets/sheet1.xml", lambda xml: xml + b" " * 80_000_000)

    with pytest.raises(UnreadableFile, match="unpack to far more than it should"):
        sniff_xlsx(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("chunk", [97, 1024 * 1024])
def test_a_row_of_more_cells_than_a_sheet_has_columns_is_refused_before_it_is_parsed(
    path, monkeypatch, chunk, encoding
):
    monkeypatch.setattr(xlsx, "_CHUNK", chunk)
    monkeypatch.setattr(xlsx, "MAX_CELLS_OF_ROW", 300)

    def endless(xml: bytes, n: int) -> bytes:
        row = '<x:row r="9">' + "<x:c/>" * (n - 100) + '<x:c r="A1"/>' * 100 + "</x:row>"
        return xml.replace(b"</sheetData>", row.encode() * 2 + b"</sheetData>")

    def encoded(xml: bytes) -> bytes:
        return xml.decode().replace("utf-8", encoding).encode(encoding)

    whole = zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml")
    changed(path, "xl/worksheets/sheet1.xml", lambda _: encoded(endless(whole, 300)))
    assert sniff_xlsx(path) is not None
    changed(path, "xl/worksheets/sheet1.xml", lambda _: encoded(endless(whole, 340)))
    monkeypatch.setattr(openpyxl, "load_workbook", lambda *a, **k: pytest.fail("was parsed"))
    with pytest.raises(UnreadableFile, match=r"more than 300 cells.*Save the sheet as CSV"):
        sniff_xlsx(path)


def test_a_workbook_with_more_text_than_memory_is_refused(path, monkeypatch):
    monkeypatch.setattr(xlsx, "MAX_STRINGS_BYTES", 100)
    changed(path, "xl/sharedStrings.xml", lambda xml: xml + b" " * 200)

    with pytest.raises(UnreadableFile, match="more text than can be kept in memory"):
        sniff_xlsx(path)


def test_a_workbook_that_lies_about_its_sizes_is_no_bomb_but_broken(path):
    """The sizes in the zip are made small; the content stays large."""
    changed(path, "xl/worksheets/sheet1.xml", lambda xml: xml + b" " * 90_000_000)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    for at in _all(content, size.to_bytes(4, "little")):
        content[at : at + 4] = (5_000).to_bytes(4, "little")
    path.write_bytes(content)

    tracemalloc.start()
    with pytest.raises(UnreadableFile):
        list(read_rows(path, sniff_xlsx(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 10_000_000


def _all(content: bytes, needle: bytes) -> list[int]:
    found, at = [], content.find(needle)
    while at >= 0:
        found.append(at)
        at = content.find(needle, at + 1)
    return found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (workbook([]), "holds no rows"),
        (workbook([["1001", "2026-03-01"], ["1002", "2026-03-02"]]), "does not name the columns"),
        (workbook([["one"], ["two"]]), "single column"),
    ],
)
def test_a_workbook_without_a_table_gets_a_sentence(tmp_path, content, words):
    path = tmp_path / "none.xlsx"
    path.write_bytes(content)

    with pytest.raises(UnreadableFile, match=words):
        sniff_xlsx(path)


def test_another_office_file_gets_a_sentence(tmp_path):
    path = tmp_path / "letter.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<document/>")

    with open_bundle(path) as bundle, pytest.raises(UnreadableFile, match="Office file"):
        recognise(bundle)


NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
SHARED = {
    "[Content_Types].xml": f'''<Types xmlns="{PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml" ContentType="{TYPES}.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{TYPES}.worksheet+xml"/>
<Override PartName="/xl/sharedStrings.xml" ContentType="{TYPES}.sharedStrings+xml"/>
<Override PartName="/xl/styles.xml" ContentType="{TYPES}.styles+xml"/></Types>''',
    "_rels/.rels": f'''<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/>
</Relationships>''',
    "xl/workbook.xml": f'''<workbook {NAMESPACE} xmlns:r="{RELATIONS}">
<workbookPr date1904="1"/><sheets><sheet name="Data" sheetId="1" r:id="rId1"/></sheets>
</workbook>''',
    "xl/_rels/workbook.xml.rels": f'''<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="rId2" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>
<Relationship Id="rId3" Type="{RELATIONS}/styles" Target="styles.xml"/></Relationships>''',
    "xl/sharedStrings.xml": f"""<sst {NAMESPACE}><si><t>contact_id</t></si>
<si><t>started_at</t></si><si><r><t>S-</t></r><r><t>1</t></r></si></sst>""",
    "xl/styles.xml": f"""<styleSheet {NAMESPACE}><fonts count="1"><font/></fonts>
<fills count="1"><fill><patternFill/></fill></fills><borders count="1"><border/></borders>
<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/><xf numFmtId="22"/></cellXfs>
</styleSheet>""",
    "xl/worksheets/sheet1.xml": f"""<worksheet {NAMESPACE}><dimension ref="A1"/><sheetData>
<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>
<row r="3"><c r="A3" t="s"><v>2</v></c><c r="B3" s="1"><v>44621.5</v></c></row>
</sheetData></worksheet>""",
}


def test_shared_texts_gaps_between_rows_and_the_other_calendar_are_understood(tmp_path):
    path = tmp_path / "mac.xlsx"
    path.write_bytes(
        _packed({name: part.encode() for name, part in SHARED.items()})["contacts.xlsx"]
    )

    facts = sniff_xlsx(path)
    [row] = read_rows(path, facts)

    assert (row.line, row.fields) == (3, {"contact_id": "S-1", "started_at": "2026-03-02T12:00:00"})
    assert facts.n_rows == 0  # the sheet says that it has one row


@pytest.mark.parametrize("number", ["99999999999", "-5", "x", "1048577"])
def test_a_row_with_an_impossible_number_does_not_go_on_for_ever(tmp_path, number):
    path = tmp_path / "far.xlsx"
    parts = {
        name: part.replace('<row r="3">', f'<row r="{number}">').encode()
        for name, part in SHARED.items()
    }
    path.write_bytes(_packed(parts)["contacts.xlsx"])

    assert len(list(read_rows(path, sniff_xlsx(path)))) <= 1


def _parts() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(workbook(ROWS))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _packed(parts: dict[str, bytes]) -> dict[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return {"contacts.xlsx": stream.getvalue()}


@fuzzed
@given(broken_versions({name: part.encode() for name, part in SHARED.items()}).map(_packed))
def test_no_broken_part_of_an_older_workbook_upsets_the_reader(files):
    read_all(READER, files)


@fuzzed
@given(broken_versions(_parts()).map(_packed))
def test_no_broken_part_of_a_workbook_upsets_the_reader(files):
    read_all(READER, files)


@fuzzed
@given(broken_versions({"contacts.xlsx": workbook(ROWS)}))
def test_no_broken_zip_of_a_workbook_upsets_the_reader(files):
    read_all(READER, files)
