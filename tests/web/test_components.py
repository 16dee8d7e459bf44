"""The macros pages are built from: words and shapes, ids that hang together, safe text."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import html5lib
import pytest
from flask import Flask
from jinja2 import nodes

from closedloop.domain.actions import ActionStatus
from closedloop.domain.impact import Verdict
from closedloop.domain.themes import ThemeStatus
from closedloop.web.filters import register_filters
from tests.pages import text_of

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
SPRITE = (ROOT / "closedloop/static/img/icons.svg").read_text(encoding="utf-8")
PAGES = sorted(TEMPLATES.rglob("*.html"))


@pytest.fixture
def app() -> Flask:
    app = Flask(
        "closedloop",
        template_folder=str(TEMPLATES),
        static_folder=str(ROOT / "closedloop/static"),
    )
    app.config["SETTINGS"] = SimpleNamespace(reporting_zone="UTC", currency="GBP")
    app.jinja_env.globals["csrf_token"] = lambda: "token"
    register_filters(app)
    return app


@pytest.fixture
def say(app):
    """Render one expression with every macro of a file at hand, as ``m``."""

    def render(file: str, expression: str, **context: object) -> str:
        with app.test_request_context():
            source = f'{{% import "components/{file}.html" as m %}}{{{{ {expression} }}}}'
            return app.jinja_env.from_string(source).render(**context)

    return render


def ids_in(text: str) -> set[str]:
    return set(re.findall(r' id="([^"]+)"', text))


def test_every_verdict_has_a_word_and_a_shape_of_its_own(say):
    said = [say("marks", "m.verdict(v)", v=v) for v in Verdict]
    shapes = [re.findall(r"#(v-[a-z]+)", text)[0] for text in said]
    words = [re.sub(r"<[^>]+>", "", text).strip() for text in said]
    assert len(set(shapes)) == len(set(words)) == len(Verdict)
    assert all(f'id="{shape}"' in SPRITE for shape in shapes)


def test_every_state_is_written_in_plain_words(say):
    for value in [*ThemeStatus, *ActionStatus]:
        words = re.sub(r"<[^>]+>", "", say("marks", "m.status(v)", v=value)).strip()
        assert words
        assert "_" not in words
    assert "came back" in say("marks", "m.status('reopened')")


def test_a_rule_is_tied_to_its_word(say):
    text = say("marks", "m.rule('Repeats', 'Same customer, same theme, within 7 days.')")
    assert set(re.findall(r'aria-describedby="([^"]+)"', text)) == ids_in(text)


def test_an_interval_stays_on_its_axis_however_far_its_ends_lie(say):
    text = say("numbers", "m.interval(-900, 120, 5000, -200, 600, 'inconclusive', 'wide')")
    bar = re.search(r'cl-interval-bar" x="([\d.]+)%" width="([\d.]+)%"', text)
    assert bar is not None
    assert float(bar[1]) == 0
    assert float(bar[1]) + float(bar[2]) == 100


def test_an_interval_is_placed_by_its_ends_and_not_by_its_middle(say):
    text = say("numbers", "m.interval(100, 150, 300, 0, 400, 'fell', '100 to 300')")
    assert 'cl-interval-bar" x="25.0%" width="50.0%"' in text
    assert 'cl-interval-mid" x1="37.5%"' in text


def test_an_unknown_interval_is_hatched_and_has_no_middle(say):
    text = say("numbers", "m.interval(none, none, none, 0, 400, 'too_early', 'not yet known')")
    assert "cl-interval-early" in text
    assert "cl-interval-mid" not in text


@pytest.mark.parametrize("values", [[], [0], [0, 0], [5], [1, 9, 4]])
def test_a_spark_line_draws_any_series(say, values):
    assert "nan" not in say("numbers", "m.spark(v, mark=0)", v=values).lower()


def test_what_customers_say_cannot_become_markup(say):
    text = say(
        "evidence",
        "m.quote('typical', '<script>alert(1)</script>', day, 'chat')",
        day=date(2026, 5, 12),
    )
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_link_of_a_quote_says_to_a_screen_reader_what_it_opens(say):
    text = say(
        "evidence",
        "m.quote('typical', 'Where is it?', day, 'chat', url='/contacts/7')",
        day=date(2026, 5, 12),
    )
    assert "open the contact of 12 May 2026" in text_of(text)


def test_chart_data_cannot_end_its_script(say):
    text = say("charts", "m.chart('c', 'bars', 'T', 'S', 'Say', d)", d={"label": "</script><b>"})
    assert text.count("</script>") == 1
    assert "<b>" not in text


def test_a_field_with_an_error_says_so_to_everybody(say):
    text = say("forms", "m.form_field('due', 'Due', 'date', hint='A day.', error='Give a day.')")
    described = re.search(r'aria-describedby="([^"]+)"', text)
    assert described is not None
    assert set(described[1].split()) < ids_in(text)
    assert 'aria-invalid="true"' in text
    assert '<label class="form-label" for="f-due">' in text
    assert "Give a day." in text


def test_a_password_is_never_sent_back(say):
    assert "secret" not in say("forms", "m.form_field('p', 'Password', 'password', value='secret')")


def test_a_select_keeps_a_number_chosen_as_text(say):
    text = say("forms", "m.form_field('d', 'D', 'select', value='2', options=[(1, 'A'), (2, 'B')])")
    assert re.findall(r'value="(\d)" selected', text) == ["2"]


def test_each_line_of_an_error_summary_leads_to_its_field(say):
    summary = say("forms", "m.error_summary({'due': 'Give a day.', 'kind': 'Choose a kind.'})")
    fields = say(
        "forms",
        "m.form_field('due', 'Due') ~ m.choice('kind', 'Kind', [('a', 'A', ''), ('b', 'B', '')])",
    )
    assert set(re.findall(r'href="#([^"]+)"', summary)) <= ids_in(fields)


def test_a_toast_with_undo_posts_with_a_token(say):
    message = {"text": "Merged <2> themes.", "undo_url": "/undo/7"}
    text = say("feedback", "m.toasts([('done', message), ('error', 'No.')])", message=message)
    assert '<form method="post" action="/undo/7"><input type="hidden" name="csrf_token"' in text
    assert "Merged &lt;2&gt; themes." in text
    assert "No." not in text
    assert "No." in say("feedback", "m.notices([('error', 'No.')])")


def test_progress_without_a_total_claims_no_share(say):
    assert " value=" not in say("feedback", "m.progress('Starting')")
    assert 'max="2043" value="1200"' in say("feedback", "m.progress('Reading', 1200, 2043)")


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 418, 422, 429, 500, 503])
def test_each_error_page_is_valid_and_says_what_to_do(app, status):
    with app.test_request_context():
        page = app.jinja_env.get_template("errors/error.html").render(status=status)
    parser = html5lib.HTMLParser(strict=True)
    parser.parse(page)
    title = re.search(r"<h1[^>]*>([^<]+)</h1>", page)
    assert title is not None
    assert f"<title>{title[1]} · " in page
    assert "Go to Home" in page


def test_only_what_somebody_else_changed_is_put_down_to_somebody_faster(app):
    with app.test_request_context():
        template = app.jinja_env.get_template("errors/error.html")
        pages = [template.render(status=409, cause=cause) for cause in ("", "changed")]

    assert ["Somebody was faster</h1>" in page for page in pages] == [False, True]
    assert "This cannot be done now</h1>" in pages[0]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(TEMPLATES).as_posix())
def test_no_template_holds_what_the_content_security_policy_forbids(path):
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.S)
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|hx-on|javascript:", text)
    for script in re.findall(r"<script\b[^>]*>", text):
        assert " src=" in script or 'type="application/json"' in script


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(TEMPLATES).as_posix())
def test_every_icon_a_template_names_is_in_the_sprite(path):
    text = path.read_text(encoding="utf-8")
    names = set(re.findall(r"""icon(?:\(|_name=)["']([a-z0-9-]+)["']""", text))
    assert {name for name in names if f'id="{name}"' not in SPRITE} <= {"v-"}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(TEMPLATES).as_posix())
def test_no_template_imports_a_macro_that_it_does_not_use(app, path):
    tree = app.jinja_env.parse(path.read_text(encoding="utf-8"))
    imported = {
        name[-1] if isinstance(name, tuple) else name
        for node in tree.find_all(nodes.FromImport)
        for name in node.names
    }
    assert imported - {name.name for name in tree.find_all(nodes.Name)} == set()


def test_every_symbol_of_the_sprite_is_drawn_somewhere():
    said = {word for text in _sources() for word in re.findall(r"""["'#]([a-z0-9-]+)["']""", text)}
    symbols = set(re.findall(r'<symbol id="([^"]+)"', SPRITE))

    assert [name for name in sorted(symbols - said) if not name.startswith("v-")] == []


def test_every_class_of_ours_has_a_rule_and_every_rule_a_user():
    ours = r"(?<![\w-])cl-[\w-]+"
    used = {name for text in _sources() for name in re.findall(ours, text)}
    beginnings = tuple(name for name in used if name.endswith("-"))  # of a class put together
    sheets = (ROOT / "closedloop/static/css").glob("*.css")
    plain = re.sub(r"/\*.*?\*/", "", "".join(map(Path.read_text, sheets)), flags=re.S)
    drawn = set(re.findall(r"\.(cl-[\w-]+)", plain))

    assert sorted(used - drawn - set(beginnings)) == []
    assert [name for name in sorted(drawn - used) if not name.startswith(beginnings)] == []


def _sources() -> list[str]:
    """Return all that may name a class or an icon: templates, scripts of ours, pages."""
    scripts = [p for p in (ROOT / "closedloop/static/js").rglob("*.js") if "vendor" not in p.parts]
    paths = [*PAGES, *scripts, *(ROOT / "closedloop").rglob("*.py")]
    return [path.read_text(encoding="utf-8") for path in paths]


def test_a_state_reads_the_same_as_a_mark_and_in_histories(say):
    for state in (*ThemeStatus, *ActionStatus):
        assert text_of(say("marks", f"m.status('{state.value}')")).strip() == state.label


def test_a_heading_that_sorts_keeps_its_rule(say):
    text = say(
        "tables",
        "m.heading_cell({'text': 'Minutes', 'url': '?sort=minutes', 'rule': 'Handle time.'})",
    )
    assert '<a href="?sort=minutes"' in text
    assert "Handle time." in text
    assert set(re.findall(r'aria-describedby="([^"]+)"', text)) == ids_in(text) != set()
    plain = say("tables", "m.heading_cell({'text': 'Minutes', 'url': '?sort=minutes'})")
    assert "cl-rule" not in plain


_KEY = (
    r"(?:line|box|mark|area|bar|band|circle|square|dia|tri|dots|hatch|hol|target)(?:-[a-z0-9-]+)?"
)


def test_every_key_of_a_legend_is_drawn():
    styles = "".join(
        path.read_text() for path in (ROOT / "closedloop" / "static" / "css").glob("*.css")
    )
    pages = [*TEMPLATES.rglob("*.html"), *(ROOT / "closedloop" / "web").glob("*.py")]
    said = {
        key for path in pages for key in re.findall(rf"""\(["\']({_KEY})["\'],""", path.read_text())
    }

    assert {"mark-dash", "line-ink", "hatch"} <= said
    assert [key for key in sorted(said) if f".cl-key--{key}" not in styles] == []
