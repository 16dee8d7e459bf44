"""What README, CHANGELOG and docs name is there: files, headings, commands, options, checks."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from closedloop.cli import COMMANDS, main
from closedloop.config import Settings
from closedloop.domain.impact_words import CHECK_TITLES
from ml.text.language import LANGUAGES
from ml.text.stop_words import stop_words

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
SPAN = re.compile(r"`([^`]+)`")
UNSPACED = {"ja", "th", "zh"}


def rel(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def headings(path: Path) -> frozenset[str]:
    """Return the anchors of a page, as its readers' browsers make them."""
    found = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return frozenset(anchor(heading) for heading in found)


def anchor(heading: str) -> str:
    kept = (c for c in heading.lower() if c in " -_" or unicodedata.category(c)[0] in "LN")
    return "".join(kept).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=rel)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def commands_of(page: Path) -> Iterator[list[str]]:
    """Yield the words after each `closedloop` that a page tells to type."""
    text = page.read_text()
    for block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from words_of(line)
    for span in SPAN.findall(FENCE.sub("", text)):
        yield from words_of(" ".join(span.split()))


def words_of(line: str) -> Iterator[list[str]]:
    """Yield the words of each command in a line, up to what the shell reads otherwise."""
    for part in re.split(r"\s(?:\||>|&&)\s", re.split(r"\s#\s", line)[0]):
        found = re.match(r"(?:\.venv/bin/|\w+=\S+ )*closedloop (.+)", part.strip())
        if found:
            yield shlex.split(re.sub(r"[\[\]]", "", found[1]))


def check_command(words: list[str]) -> None:
    """Follow the words from group to command; every option has to be one of it."""
    command: click.Command = main
    rest = list(words)
    context = click.Context(main)
    while isinstance(command, click.Group) and rest and not rest[0].startswith(("-", "…")):
        name = rest.pop(0)
        for one in name.split("|"):
            found = command.get_command(context, one)
            assert found is not None, f"There is no command {one} in: closedloop {words}"
        command = found
    known = {"--help", "--version"}
    for parameter in command.params:
        known |= {*parameter.opts, *parameter.secondary_opts}
    for word in rest:
        if word.startswith("--"):
            assert word.partition("=")[0] in known, f"There is no {word} in: closedloop {words}"


@pytest.mark.parametrize("page", PAGES, ids=rel)
def test_every_command_and_option_is_there(page):
    for words in commands_of(page):
        check_command(words)


def test_every_slow_proof_that_pages_name_is_there():
    text = " ".join(" ".join(page.read_text().split()) for page in PAGES)
    named = set(re.findall(r"python -m benchmarks[. ](\w+)", text))

    assert len(named) > 5
    assert {name for name in named if not (ROOT / f"benchmarks/{name}.py").is_file()} == set()


def test_commands_are_found_where_pages_name_them():
    told = [words for page in PAGES for words in commands_of(page)]

    assert len(told) > 100
    assert ["measure", "--reproduce", "42"] in told
    for wrong in (["measured"], ["impact", "money"], ["impact", "list", "--departement", "Cards"]):
        with pytest.raises(AssertionError):
            check_command(wrong)


def test_the_readme_lists_every_command():
    text = (ROOT / "README.md").read_text()
    listed = next(
        span for span in SPAN.findall(FENCE.sub("", text)) if span.startswith("demo, init,")
    )

    assert [name.strip() for name in listed.split(",")] == list(COMMANDS)


def test_every_setting_means_the_same_in_the_example_and_in_the_readme():
    example, readme = (ROOT / ".env.example").read_text(), (ROOT / "README.md").read_text()
    for name, spec in Settings.__dataclass_fields__.items():
        meaning = spec.metadata["meaning"]
        assert f"# {meaning}" in example, name
        assert f"`CLOSEDLOOP_{name.upper()}` | {meaning[:60]}" in readme, name


def test_the_page_for_readers_explains_every_check():
    text = (ROOT / "docs/impact/reading.md").read_text()
    told = re.findall(r"^\| ([^|]+?)(?: \*)? \| [^|]+ \|$", text, re.MULTILINE)

    missing = {title.rstrip(".") for title in CHECK_TITLES.values()} - set(told)
    assert not missing


def test_the_number_of_languages_with_small_words_is_the_same_everywhere():
    spaced = set(LANGUAGES.split()) - UNSPACED
    listed = {code for code in spaced if stop_words(code)}

    page = (ROOT / "docs/themes/languages.md").read_text()
    assert f"Lists are there for {len(listed)} of the {len(spaced)} languages" in page
    assert f"in {len(listed)} languages" in (ROOT / "CHANGELOG.md").read_text()
