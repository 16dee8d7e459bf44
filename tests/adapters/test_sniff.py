"""The first look at a file: is it recognised, and refused in words one can act on?"""

from __future__ import annotations

import codecs
import json
import zipfile
from pathlib import Path

import pytest

from closedloop.adapters import contacts
from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.registry import recognise
from closedloop.adapters.types import BadRow, FileFacts, RawRow, UnreadableFile

TABLE = "contact_id,started_at,text\n1,2026-03-01T10:00:00Z,Où est ma carte – déjà ?\n"


def sniff_file(path: Path) -> FileFacts:
    with open_bundle(path) as bundle:
        return recognise(bundle)[1]


def read_rows(path: Path, facts: FileFacts) -> list[RawRow]:
    with open_bundle(path) as bundle:
        return list(contacts.read_rows(bundle, facts))


@pytest.fixture
def write(tmp_path):
    def write_file(content: bytes | str, encoding: str = "utf-8"):
        path = tmp_path / "upload"
        path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
        return path

    return write_file


@pytest.mark.parametrize(
    ("content", "encoding", "has_bom"),
    [
        (TABLE.encode(), "utf-8", False),
        (codecs.BOM_UTF8 + TABLE.encode(), "utf-8-sig", True),
        (codecs.BOM_UTF16_LE + TABLE.encode("utf-16-le"), "utf-16", True),
        (codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"), "utf-16", True),
        (TABLE.encode("utf-16-le"), "utf-16-le", False),
        (TABLE.encode("cp1252"), "cp1252", False),
    ],
    ids=["utf-8", "utf-8 bom", "utf-16-le bom", "utf-16-be bom", "utf-16-le", "windows-1252"],
)
def test_sniff_file_recognises_the_encoding_and_the_text_survives(
    write, content, encoding, has_bom
):
    path = write(content)

    facts = sniff_file(path)

    assert (facts.encoding, facts.has_bom) == (encoding, has_bom)
    assert facts.header == ["contact_id", "started_at", "text"]
    [row] = read_rows(path, facts)
    assert row.fields["text"] == "Où est ma carte – déjà ?"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Ich möchte wissen, wann die Überweisung kommt – schöne Grüße", "cp1252"),
        ("I was charged £25 – that isn’t right", "cp1252"),
        ("Proszę o informację, kiedy karta zostanie wysłana. Łukasz", "cp1250"),
        ("Моя карта не пришла. Когда будет перевод?", "cp1251"),
        ("Η κάρτα μου δεν έχει φτάσει ακόμα. Πότε θα γίνει η μεταφορά;", "cp1253"),
        ("Kartım hâlâ gelmedi. Ne zaman gönderilecek? Teşekkürler", "cp1254"),
        ("Mano kortelė dar neatėjo. Kada bus išsiųsta? Ačiū", "cp1257"),
        ("カードがまだ届いていません。いつ届きますか。", "shift_jis"),
        ("我的卡还没有到，请帮帮我。什么时候可以转账？谢谢", "gb18030"),
    ],
)
def test_sniff_file_tells_national_encodings_apart_from_one_sentence(write, text, encoding):
    path = write(f'contact_id,started_at,text\n1,2026-03-01,"{text}"\n', encoding)

    [row] = read_rows(path, sniff_file(path))

    assert row.fields["text"] == text


def test_sniff_file_sees_accented_letters_far_behind_an_ascii_beginning(write):
    rows = [f"{n},2026-03-01T10:00:00Z,plain words only\n" for n in range(60_000)]
    rows[30_000:59_000] = [f"{n},2026-03-01T10:00:00Z,déjà reçu\n" for n in range(29_000)]

    facts = sniff_file(write("contact_id,started_at,text\n" + "".join(rows), "cp1252"))

    assert facts.encoding == "cp1252"


def test_sniff_file_keeps_utf8_when_one_character_is_broken(write):
    good = "".join(f"{n},2026-03-01,déjà vu\n" for n in range(30))

    facts = sniff_file(write(b"contact_id,started_at,text\n" + good.encode() + b"31,2026,\xe9\n"))

    assert facts.encoding == "utf-8"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_sniff_file_finds_the_delimiter_although_texts_hold_others(write, delimiter):
    rows = [
        ["contact_id", "started_at", "text"],
        *([str(n), "2026-03-01", f'"well, yes; no | or\tperhaps{n}"'] for n in range(9)),
    ]

    facts = sniff_file(write("\n".join(delimiter.join(row) for row in rows)))

    assert facts.delimiter == delimiter
    assert len(facts.header) == 3
    assert len(facts.sample_rows) == 9


def test_sniff_file_follows_the_separator_line_of_spreadsheets(write):
    path = write("sep=;\r\ncontact_id;started_at\r\n1;2026-03-01\r\n")

    facts = sniff_file(path)

    assert (facts.delimiter, facts.header) == (";", ["contact_id", "started_at"])
    assert [row.line for row in read_rows(path, facts)] == [3]


def test_sniff_file_makes_names_of_columns_differ(write):
    facts = sniff_file(write("category,,category\na,b,c\n"))

    assert facts.header == ["category", "column 2", "category (2)"]


def test_sniff_file_keeps_twenty_sample_rows_and_whole_quoted_cells(write):
    rows = "".join(f'{n},2026-03-01,"two\nlines"\n' for n in range(50))

    facts = sniff_file(write("contact_id,started_at,text\n" + rows))

    assert len(facts.sample_rows) == 20
    assert facts.sample_rows[19] == ["19", "2026-03-01", "two\nlines"]


def test_sniff_file_reads_json_lines_and_joins_their_keys(write):
    lines = [{"id": 1, "created_at": "2026-03-01"}, {"id": 2, "text": "hello"}]

    facts = sniff_file(write("\n".join(json.dumps(line) for line in lines)))

    assert (facts.format, facts.header) == ("jsonl", ["id", "created_at", "text"])
    assert facts.sample_rows == [["1", "2026-03-01", ""], ["2", "", "hello"]]


@pytest.mark.parametrize("n_rows", [1, 400])
@pytest.mark.parametrize("as_json", [False, True], ids=["csv", "jsonl"])
def test_a_nul_character_costs_its_row_and_not_the_file(write, n_rows, as_json):
    row = {"contact_id": "7", "started_at": "2026-03-01", "text": "hello"}
    line = json.dumps(row) if as_json else ",".join(row.values())
    lines = [line.replace("hello", "hel\x00lo"), *[line] * n_rows]
    path = write("\n".join(lines if as_json else [",".join(row), *lines]))

    facts = sniff_file(path)

    bad, *good = read_rows(path, facts)
    assert (facts.encoding, len(good)) == ("utf-8", n_rows)
    assert isinstance(bad, BadRow)
    assert "\x00" not in bad.raw
    assert all(isinstance(found, RawRow) for found in good)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \r\n\n\t\n", "is empty"),
        (codecs.BOM_UTF8, "is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "old Excel .* save as CSV"),
        (b"\x89PNG\r\n\x1a\nrest", "picture"),
        (b"%PDF-1.7 rest", "PDF"),
        (b"a,b\n1,\x00\x01\x02\x03\x05", "binary .* save as CSV"),
        (b"contact_id\n1\n2\n", "single column"),
        (b"Calls of March\n\nid,start\n1,2026-03-01\n", "a title, must go"),
        (b'{"id": 1}\n{"id": 2}\n', "single column"),
        (b"1001,2026-03-01 10:00,hello\n1002,2026-03-02 11:00,bye\n", "does not name the columns"),
        (b"ann@example.org,hello\nbob@example.org,bye\n", "does not name the columns"),
        (b"17,12,hello\n18,13,bye\n", "does not name the columns"),
        (b'{\n  "id": 1,\n  "text": "a"\n}\n', "one whole object on each line.*jq -c"),
        (b'"contact_id,started_at\n1,2\n', "cannot be split"),
    ],
)
def test_sniff_file_refuses_what_is_no_table_and_says_what_to_do(write, content, words):
    with pytest.raises(UnreadableFile, match=words) as refusal:
        sniff_file(write(content))

    assert refusal.value.sentence.endswith((".", ".jsonl"))


def test_sniff_file_refuses_a_broken_spreadsheet_whatever_it_is_called(tmp_path):
    path = tmp_path / "contacts.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")

    with pytest.raises(UnreadableFile, match=r"workbook cannot be read.*save the sheet as CSV"):
        sniff_file(path)


def test_sniff_file_accepts_names_without_rows_and_says_so(write):
    facts = sniff_file(write("contact_id,started_at\n"))

    assert facts.sample_rows == []
    assert any("no rows" in reason for reason in facts.reasons)
