"""Settings: read once, from the environment and the instance directory; frozen and typed.

Every `CLOSEDLOOP_*` variable is described here, in `.env.example` and in the README's table; a
test compares the three. A bad value stops the start with the variable's name.
"""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

INSTANCE_FILE = "closedloop.env"
_HEADING = "# Made by `closedloop init`. Keep it secret and back it up."
DEFAULT_INSTANCE = Path("instance")
_OTHERS = ("ADMIN_EMAIL", "ADMIN_PASSWORD", "PASSWORD")
"""Read by single commands; no settings of a site."""

_OF_TESTS = ("CLOSEDLOOP_TEST_", "CLOSEDLOOP_FUZZ_", "CLOSEDLOOP_ORACLE_", "CLOSEDLOOP_KILLS")


class SettingsError(Exception):
    """A setting is missing or malformed; the process must not start."""


def _setting(default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set, `CLOSEDLOOP_` before the name in capitals in the environment."""

    instance: Path = field(metadata={"meaning": "Directory of database, uploads, keys and cache."})
    secret_key: str = field(
        metadata={"meaning": "Signs cookies and forms. Made by `closedloop init`; no default."}
    )
    customer_key: str = field(
        metadata={
            "meaning": "Key of the hash that stands for a customer. Made by `closedloop init`; "
            "lose it and returning customers look new."
        }
    )
    customer_keys_before: str = _setting(
        "",
        "Keys that were in use before the customer key, comma-separated, oldest first. Kept "
        "by `closedloop keys rotate`; as secret and as needed as the customer key.",
    )
    database_url: str = _setting(
        "", "SQLAlchemy URL; empty is a SQLite file in the instance directory."
    )
    site_name: str = _setting("closedloop", "Shown in titles.")
    reporting_zone: str = _setting(
        "UTC",
        "IANA time zone whose midnights bound a reporting day. Set it before the first import: "
        "days stay as they were stored.",
    )
    holiday_country: str = _setting("", "Country code of the public holidays, e.g. GB or GB-ENG.")
    currency: str = _setting("GBP", "ISO code of the money shown.")
    pence_per_minute: float = _setting(
        0.0, "Cost of an agent minute in minor units until finance sets it in Admin; 0 is unset."
    )
    repeat_window_days: int = _setting(7, "Days within which contacts join one episode.")
    session_gap_hours: float = _setting(
        12.0, "Hours of silence after which a message opens a new contact."
    )
    phone_countries: str = _setting(
        "",
        "Countries whose phone numbers are written without +, e.g. GB,DE; the first that fits "
        "counts. Empty: only numbers with + identify a customer.",
    )
    text_days: int = _setting(
        0,
        "Days after which what was said is deleted, while counts, themes and measurements stay; "
        "0 keeps it.",
    )
    redaction_rules: str = _setting(
        "",
        "TOML file with this site's redaction rules; empty is redaction.toml in the instance "
        "directory, if there is one.",
    )
    privacy_k: int = _setting(5, "Fewest distinct customers a cell, quote or export describes.")
    encoder: str = _setting(
        "default",
        "Sentence encoder: default, multilingual, onnx:FOLDER or sentence-transformers:MODEL.",
    )
    dask_scheduler: str = _setting(
        "",
        "Dask scheduler whose workers encode texts, assign them to themes and compute impact, e.g. "
        "tcp://host:8786; empty is this process.",
    )
    naming_url: str = _setting(
        "",
        "OpenAI-compatible endpoint that suggests names of themes, e.g. https://host/v1; https, or "
        "http on this machine. Empty: nothing is sent.",
    )
    naming_model: str = _setting(
        "", "Model that is asked there; shown beside what it wrote. Needed with a naming URL."
    )
    naming_key: str = field(
        default="",
        repr=False,
        metadata={"meaning": "Secret key of that endpoint; empty where it asks for none."},
    )
    naming_command: str = _setting(
        "",
        "Local command that suggests names instead: question on standard input, answer on standard "
        "output. Empty is none.",
    )
    max_upload_mb: int = _setting(256, "Largest file the upload page takes, in megabytes.")
    api_per_minute: int = _setting(
        1200,
        "Questions a token of the API may ask of one process within a minute; 0 does not count.",
    )
    watched_folder: str = _setting(
        "", "Folder whose files the nightly round reads, in folders named after saved mappings."
    )
    nightly_at: str = _setting("02:15", "Local time of the nightly round, HH:MM.")
    secure_cookies: bool = _setting(False, "Cookies over HTTPS only; set to true behind HTTPS.")
    trusted_proxies: int = _setting(0, "Proxies in front whose X-Forwarded headers are believed.")
    demo_today: date | None = _setting(  # noqa: RUF009 - a field, not a shared value
        None, "Day a demonstration site lives on; empty is real."
    )
    log_level: str = _setting("INFO", "Least severe log message written.")

    def __post_init__(self) -> None:
        """Refuse values that would only fail later."""
        for name in ("secret_key", "customer_key"):
            if len(getattr(self, name)) < 32:
                raise SettingsError(
                    f"CLOSEDLOOP_{name.upper()} is missing or shorter than 32 characters. "
                    f"Run `closedloop init --instance {self.instance}` to make one."
                )
        try:
            ZoneInfo(self.reporting_zone)
        except (KeyError, ValueError, OSError):
            raise SettingsError(
                f"CLOSEDLOOP_REPORTING_ZONE is {self.reporting_zone!r}, which is no time zone; "
                "write one like Europe/London."
            ) from None
        if self.privacy_k < 1 or self.repeat_window_days < 1 or self.session_gap_hours < 0:
            raise SettingsError(
                "CLOSEDLOOP_PRIVACY_K and CLOSEDLOOP_REPEAT_WINDOW_DAYS must be 1 or more, "
                "CLOSEDLOOP_SESSION_GAP_HOURS 0 or more."
            )
        if self.api_per_minute < 0:
            raise SettingsError("CLOSEDLOOP_API_PER_MINUTE must be 0 or more; 0 does not count.")
        if self.text_days < 0:
            raise SettingsError("CLOSEDLOOP_TEXT_DAYS must be 0 or more; 0 keeps texts for ever.")
        for number, key in enumerate(self.customer_keys[:-1], 1):
            if len(key) < 32:
                raise SettingsError(
                    f"Key {number} of CLOSEDLOOP_CUSTOMER_KEYS_BEFORE is shorter than 32 letters. "
                    "Restore the value that `closedloop keys rotate` wrote."
                )
        if self.dask_scheduler and not self.dask_scheduler.startswith(("tcp://", "tls://")):
            raise SettingsError(
                f"CLOSEDLOOP_DASK_SCHEDULER is {self.dask_scheduler!r}; write an address like "
                "tcp://host:8786, or leave it empty."
            )
        self._check_naming()
        for code in self.phone_regions:
            if len(code) != 2 or not code.isascii() or not code.isalpha():
                raise SettingsError(
                    f"CLOSEDLOOP_PHONE_COUNTRIES has {code!r}, which is no country code; write "
                    "two letters each, such as GB,DE."
                )
        hours, _, minutes = self.nightly_at.partition(":")
        if not (hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
            raise SettingsError(f"CLOSEDLOOP_NIGHTLY_AT is {self.nightly_at!r}; write HH:MM.")

    def _check_naming(self) -> None:
        """Refuse a way to ask for names that is half set, set twice, or open to listeners."""
        if self.naming_url and self.naming_command:
            raise SettingsError(
                "CLOSEDLOOP_NAMING_URL and CLOSEDLOOP_NAMING_COMMAND are both set; keep one."
            )
        if self.naming_url and not self.naming_model:
            raise SettingsError("CLOSEDLOOP_NAMING_URL is set; name the CLOSEDLOOP_NAMING_MODEL.")
        if self.naming_url and not _is_private(self.naming_url):
            raise SettingsError(
                "CLOSEDLOOP_NAMING_URL must be an address like https://host/v1, or "
                "http://localhost:PORT/v1 on this machine, without a name, password, ? or #."
            )
        if not self.naming_key.isascii() or not self.naming_key.isprintable():
            raise SettingsError("CLOSEDLOOP_NAMING_KEY holds characters that no key has.")
        try:
            words = shlex.split(self.naming_command)
        except ValueError as error:
            raise SettingsError(
                f"CLOSEDLOOP_NAMING_COMMAND cannot be split into words: {error}."
            ) from None
        if self.naming_command and not (words and words[0]):
            raise SettingsError(
                "CLOSEDLOOP_NAMING_COMMAND names no program; empty it to have none."
            )

    @property
    def customer_keys(self) -> tuple[str, ...]:
        """Every key a customer's hash is made with, one upon the other, oldest first."""
        return (*_listed(self.customer_keys_before), self.customer_key)

    @property
    def phone_regions(self) -> tuple[str, ...]:
        """Country codes in capitals, in the order they are tried."""
        return tuple(code.upper() for code in _listed(self.phone_countries))

    @property
    def redaction_file(self) -> Path | None:
        """The site's redaction rules, None where it has none."""
        if self.redaction_rules:
            return Path(self.redaction_rules)
        path = self.instance / "redaction.toml"
        return path if path.is_file() else None

    @property
    def url(self) -> str:
        """The database that is used."""
        return self.database_url or f"sqlite:///{self.instance / 'closedloop.sqlite3'}"

    @property
    def uploads(self) -> Path:
        """Where uploaded files wait to be read."""
        return self.instance / "uploads"

    @classmethod
    def from_env(
        cls, instance: Path | str | None = None, environ: Mapping[str, str] | None = None
    ) -> Settings:
        """Read the instance's `closedloop.env`, then the environment, which wins.

        Raises
        ------
        SettingsError
            Naming the variable that is missing or malformed.
        """
        environ = os.environ if environ is None else environ
        directory = Path(instance or environ.get("CLOSEDLOOP_INSTANCE") or DEFAULT_INSTANCE)
        values = {**read_env_file(directory / INSTANCE_FILE), **environ}
        given: dict[str, Any] = {"instance": directory.resolve()}
        for spec in fields(cls):
            raw = values.get(f"CLOSEDLOOP_{spec.name.upper()}", "").strip()
            if spec.name != "instance" and raw:
                given[spec.name] = _convert(spec.name, str(spec.type), raw)
        for name in ("secret_key", "customer_key"):
            given.setdefault(name, "")
        return cls(**given)


_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


def _is_private(url: str) -> bool:
    """Return whether what is sent there cannot be read on the way."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.query or parts.fragment:
        return False
    if any(c.isspace() or not c.isprintable() for c in url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _THIS_MACHINE)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _convert(name: str, kind: str, raw: str) -> Any:
    try:
        if kind == "bool":
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                raw.lower()
            ]
        if kind == "int":
            return int(raw)
        if kind == "float":
            return float(raw)
        if kind.startswith("date"):
            return date.fromisoformat(raw)
    except (KeyError, ValueError):
        wants = {"bool": "true or false", "int": "a whole number", "float": "a number"}
        raise SettingsError(
            f"CLOSEDLOOP_{name.upper()} is {raw!r}; it must be {wants.get(kind, 'YYYY-MM-DD')}."
        ) from None
    return raw


def read_env_file(path: Path) -> dict[str, str]:
    """Return the NAME=value lines of a file; empty when there is no file.

    As a shell reads them: a value may stand in quotes, and `export` before a name.

    Raises
    ------
    SettingsError
        If it cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}. Run this as the user to whom it belongs."
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no UTF-8 text. Save it as UTF-8.") from None
    pairs = (line.strip().partition("=") for line in text.splitlines())
    found = {}
    for written, sign, value in pairs:
        if sign and written[:1] != "#":
            name = written.removeprefix("export ").strip()
            found[name] = _bare(name, value.strip())
    return found


def _bare(name: str, value: str) -> str:
    """Take quotes off a value, but off no key that customers may be hashed with as it stands."""
    is_quoted = value[:1] in ('"', "'") and value.find(value[0], 1) == len(value) - 1
    is_key = name in ("CLOSEDLOOP_CUSTOMER_KEY", "CLOSEDLOOP_CUSTOMER_KEYS_BEFORE")
    return value[1:-1].strip() if is_quoted and not is_key else value


def find_unknown(instance: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return a sentence for each `CLOSEDLOOP_*` that is set, in vain, as there is none such."""
    environ = os.environ if environ is None else environ
    known = {"INSTANCE", *_OTHERS, *(spec.name.upper() for spec in fields(Settings))}
    names = sorted({*read_env_file(instance / INSTANCE_FILE), *environ})
    strange = [name for name in names if name.startswith("CLOSEDLOOP_")]
    strange = [name for name in strange if name.removeprefix("CLOSEDLOOP_") not in known]
    return [_unknown(name) for name in strange if not name.startswith(_OF_TESTS)]


def make_instance(directory: Path, values: Mapping[str, str]) -> Path:
    """Create an instance directory with fresh keys, readable by its owner only.

    An instance that exists keeps its keys and what it was set to, a directory that exists keeps
    who may read it.

    Raises
    ------
    SettingsError
        If a value is no setting, or makes no sense; nothing was written.
    """
    path = directory / INSTANCE_FILE
    standing = read_env_file(path)
    known = {
        "CLOSEDLOOP_SECRET_KEY": secrets.token_urlsafe(48),
        "CLOSEDLOOP_CUSTOMER_KEY": secrets.token_urlsafe(48),
        **values,
        **standing,
    }
    if values:
        _refuse_unknown(values)
        Settings.from_env(directory, known)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "uploads").mkdir(mode=0o700, exist_ok=True)
    if missing := [f"{name}={known[name]}" for name in sorted(known.keys() - standing.keys())]:
        before = path.read_text("utf-8").rstrip() if path.exists() else _HEADING
        write_private(path, "\n".join((before, *missing, "")))
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads: all of it or, after an accident, none of it.

    Whose a file is that was there before stays: what an administrator writes, the service reads.
    """
    path = path.resolve()
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        if path.exists():
            with suppress(PermissionError):
                os.chown(fresh, path.stat().st_uid, path.stat().st_gid)
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _refuse_unknown(names: Iterable[str]) -> None:
    for name in names:
        if name.removeprefix("CLOSEDLOOP_") not in _names():
            raise SettingsError(_unknown(name))


def _names() -> list[str]:
    # the instance is where the file is, so the file cannot say it
    return [spec.name.upper() for spec in fields(Settings) if spec.name != "instance"]


def _unknown(name: str) -> str:
    alike = get_close_matches(name.removeprefix("CLOSEDLOOP_"), _names(), n=1)
    meant = f"Did you mean CLOSEDLOOP_{alike[0]}?" if alike else ".env.example lists all."
    return f"There is no setting {name}. {meant}"
