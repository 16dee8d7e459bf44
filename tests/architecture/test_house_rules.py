"""The house rules that a linter cannot say. Each was seen to fail before it was kept."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from closedloop.config import Settings

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(p for room in ("closedloop", "ml") for p in (ROOT / room).rglob("*.py"))
MAY_COMMIT = {"closedloop/extensions.py"}


def rel(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=rel)
def test_only_the_transaction_helper_commits(path):
    commits = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "commit"
    ]
    assert not commits or rel(path) in MAY_COMMIT


def test_queries_do_not_write():
    for path in (ROOT / "closedloop/queries").glob("*.py"):
        attributes = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in {"session", "sa"}
        ]
        written = {node.attr for node in attributes} & {
            "add",
            "add_all",
            "delete",
            "flush",
            "merge",
            "insert",
            "update",
        }
        assert not written, path.name


def test_only_the_clock_asks_what_time_it_is():
    asks = re.compile(r"\b(datetime\.now|datetime\.utcnow|date\.today)\(")
    found = [rel(path) for path in SOURCES if asks.search(path.read_text())]
    assert found == ["closedloop/domain/clock.py"]


def test_every_blueprint_has_its_template_folder_and_no_folder_is_orphaned(app):
    shared = {"components", "errors", "layouts"}
    folders = {p.name for p in (ROOT / "templates").iterdir() if p.is_dir()} - shared
    pages = {
        name for name, bp in app.blueprints.items() if bp.import_name.startswith("closedloop.web")
    }
    assert folders == pages


def test_every_template_is_used_or_included(app):
    text = "".join(p.read_text() for p in SOURCES) + "".join(
        p.read_text() for p in (ROOT / "templates").rglob("*.html")
    )
    for name in app.jinja_env.list_templates():
        assert f'"{name}"' in text, name


def test_importing_the_application_loads_no_language_model():
    code = (
        "import sys, closedloop.factory; "
        "print([m for m in ('torch', 'sentence_transformers', 'onnxruntime', 'hdbscan', 'sklearn') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_setting_is_explained_in_the_example_and_in_the_readme():
    example = (ROOT / ".env.example").read_text()
    readme = (ROOT / "README.md").read_text()
    for name, spec in Settings.__dataclass_fields__.items():
        variable = f"CLOSEDLOOP_{name.upper()}"
        assert spec.metadata["meaning"], name
        assert f"{variable}=" in example, variable
        assert f"`{variable}`" in readme, variable


def test_every_dependency_says_why_it_is_there():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    inside = False
    for line in lines:
        if re.match(r"(dependencies|dev) = \[", line):
            inside = True
        elif inside and line.startswith("]"):
            inside = False
        elif inside and line.strip().startswith('"'):
            assert "#" in line, line


def test_no_file_names_a_machine_or_says_what_is_left_to_do():
    words = re.compile(r"/work/|/root/|/home/\w+/|\bTO" r"DO\b|\bFIX" r"ME\b|\bXX" r"X\b")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        path = ROOT / name
        if (
            "/vendor/" in name
            or path == Path(__file__)
            or path.suffix not in {".py", ".html", ".md", ".js", ".css", ".toml"}
        ):
            continue
        found = words.search(path.read_text(errors="replace")) if path.exists() else None
        assert not found, f"{name}: {found[0]}"
