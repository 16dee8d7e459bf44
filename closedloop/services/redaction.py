"""The redactor of a site: what every site hides, and what its own rules add or allow."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from closedloop.config import Settings
from closedloop.domain.errors import Invalid
from ml.text.redact import RedactionRules, Redactor, UnusableRules
from ml.text.redact_listed import is_list_installed

_NO_FILE = ("", 0)


def site_redactor(settings: Settings, *, with_names: bool = True) -> Redactor:
    """Return the redactor under the rules of a site, made once for each version of its file.

    The countries of phone numbers are those of the rules and of the settings. Names stay with
    `with_names` false: in a label they are those of teams and agents, who would become one.

    Raises
    ------
    Invalid
        If the file cannot be read or a rule cannot be used; the sentence names it.
    """
    path = settings.redaction_file
    try:
        version = (str(path), path.stat().st_mtime_ns) if path else _NO_FILE
    except OSError as error:
        raise Invalid(f"The redaction rules {path} cannot be opened: {error.strerror}.") from error
    return _redactor(*version, settings.phone_regions, with_names)


@lru_cache(maxsize=8)
def _redactor(path: str, _version: int, countries: tuple[str, ...], with_names: bool) -> Redactor:
    rules = _read_rules(Path(path)) if path else RedactionRules()
    known = tuple(dict.fromkeys((*countries, *rules.countries)))
    names = rules.names if with_names else "off"
    try:
        return Redactor.from_rules(replace(rules, countries=known, names=names))
    except UnusableRules as error:
        raise Invalid(f"The redaction rules {Path(path).name}: {error}") from error


def _read_rules(path: Path) -> RedactionRules:
    try:
        return RedactionRules.from_dict(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (UnusableRules, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Invalid(f"The redaction rules {path.name}: {error}") from error
    except OSError as error:
        raise Invalid(f"The redaction rules {path} cannot be opened: {error.strerror}.") from error


def describe_redaction(settings: Settings) -> tuple[bool, str]:
    """Return whether the site's rules can be used, and a sentence on what is looked for."""
    try:
        site_redactor(settings)
    except Invalid as error:
        return False, error.sentence
    path = settings.redaction_file
    rules = f"rules of {path.name}" if path else "no rules of the site's own"
    names = (
        "names by the list (the extra “names” is installed)"
        if is_list_installed()
        else "names by how they are introduced; the extra “names” would add a list"
    )
    return True, f"{rules}; {names}"
