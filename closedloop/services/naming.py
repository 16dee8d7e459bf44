"""Names that a language model suggests: asked with redacted quotes alone, decided by people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.naming import Namer, open_namer
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import ChangedMeanwhile, Invalid, NotFound, Unavailable
from closedloop.domain.jobs import Progress
from closedloop.domain.naming import (
    INSTRUCTION,
    OFF,
    BadAnswer,
    NoAnswer,
    Question,
    Suggestion,
    read_answer,
)
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import Theme, ThemeChange, ThemeSuggestion
from closedloop.queries.naming import list_nameable, list_unnamed_ids
from closedloop.queries.theme_figures import QUOTE_LENGTH, Quote, figures_of, list_quotes, shorten
from closedloop.services.audit import record_event, record_on_theme
from closedloop.services.definitions import get_theme_to_change
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.redaction import site_redactor
from closedloop.services.themes import rename_theme
from ml.text.redact import Redactor

KEYWORDS_SENT = 10
LOOKED_AT = 20_000
"""Characters of a quote that are redacted before it is cut: a cut e-mail is none any more."""

FOR = ("typical", "boundary")
"""Quotes that are sent; the contrary one is of another theme."""


@dataclass(frozen=True)
class NamingPlan:
    """What would be sent, and why nothing is sent about other themes: key and reason."""

    questions: tuple[Question, ...]
    passed_by: tuple[tuple[str, str], ...]
    where: str
    model: str


@dataclass(frozen=True)
class NamingResult:
    """What came of asking: keys with the name suggested, and keys with why there is none."""

    suggested: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, str], ...]
    passed_by: tuple[tuple[str, str], ...]


def plan_names(
    session: Session,
    *,
    settings: Settings,
    theme_ids: Sequence[int] = (),
    namer: Namer | None = None,
) -> NamingPlan:
    """Return exactly what asking for names would send; sends and changes nothing.

    Parameters
    ----------
    settings : Settings
    theme_ids : sequence of int
        None given: the themes in use that nobody has named and no machine was asked about.
    namer : Namer, optional
        Whoever is asked; the one of the settings if none is given.

    Raises
    ------
    Invalid
        If naming is off, or the site's redaction rules cannot be used.
    """
    namer = _whom_to_ask(settings, namer)
    ids = list(theme_ids) or list_unnamed_ids(session)
    questions, passed_by = _questions(session, settings, ids)
    return NamingPlan(tuple(questions), tuple(passed_by), namer.where, namer.model)


def suggest_names(
    transactions: Transactions,
    *,
    settings: Settings,
    theme_ids: Sequence[int] = (),
    by: Actor,
    report: Report = tell_nobody,
    namer: Namer | None = None,
) -> NamingResult:
    """Ask a language model for names of themes, and keep what it suggests beside them.

    No theme is renamed. What is sent is written down in the audit log before it is sent. An
    answer that is not as asked for is refused, and the theme keeps what it had.

    Parameters
    ----------
    transactions : callable
        Opens short transactions: none is open while an answer is awaited.
    settings, theme_ids, namer
        As for `plan_names`.
    by : Actor
    report : callable
        Told about each theme.

    Raises
    ------
    Invalid
        If naming is off, or the site's redaction rules cannot be used.
    Unavailable
        If nobody answers; what was suggested before stays, and no other theme is asked about.
    """
    namer = _whom_to_ask(settings, namer)
    with transactions() as session:
        plan = plan_names(session, settings=settings, theme_ids=theme_ids, namer=namer)
    suggested: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    passed_by = list(plan.passed_by)
    for done, planned in enumerate(plan.questions):
        report(Progress(done, len(plan.questions), f"asking {namer.where}"))
        with transactions() as session:
            question = _take_question(session, settings, planned, namer, by, passed_by)
        if question is None:
            continue
        try:
            answer = _ask(namer, question, settings)
        except BadAnswer as error:
            refused.append((question.key, str(error)))
            continue
        except NoAnswer as error:
            raise Unavailable(_said_of(question.key, error, len(suggested))) from None
        with transactions() as session:
            if _keep(session, question, answer, namer, by):
                suggested.append((question.key, answer.name))
            else:
                passed_by.append((question.key, "a person named it meanwhile"))
    return NamingResult(tuple(suggested), tuple(refused), tuple(passed_by))


def _whom_to_ask(settings: Settings, namer: Namer | None) -> Namer:
    found = namer or open_namer(settings)
    if found is None:
        raise Invalid(OFF)
    return found


def _questions(
    session: Session, settings: Settings, theme_ids: Sequence[int]
) -> tuple[list[Question], list[tuple[str, str]]]:
    redactor = site_redactor(settings)
    passed_by: list[tuple[str, str]] = []
    asked: list[Theme] = []
    for theme in list_nameable(session, theme_ids):
        reason = _why_not(theme, settings.privacy_k)
        if reason:
            passed_by.append((theme.key, reason))
        else:
            asked.append(theme)
    quotes = list_quotes(session, [theme.id for theme in asked], length=LOOKED_AT)
    found = [_question(theme, quotes[theme.id], redactor) for theme in asked]
    passed_by += [(one.key, "it has no quotes yet") for one in found if not one.quotes]
    return [one for one in found if one.quotes], passed_by


def _why_not(theme: Theme, k: int) -> str:
    """Return why nothing is sent about a theme; empty where it may be."""
    if theme.status in GONE_STATUSES:
        return f"it is {theme.status.value}"
    if theme.is_named_by_person:
        return "a person has named it"
    if theme.stats is None:
        return "it is not counted yet"
    if figures_of(theme.stats, k) is None:
        return f"it has fewer than {k} customers"
    return ""


def _question(theme: Theme, quotes: Sequence[Quote], redactor: Redactor) -> Question:
    """Return what is sent about a theme: every piece redacted once more, then cut."""
    for_it = [one for kind in FOR for one in quotes if one.kind == kind]
    said = [redactor.redact(one.text).text for one in for_it]
    words = [redactor.redact(str(word)).text for word in theme.keywords[:KEYWORDS_SENT]]
    return Question(
        theme_id=theme.id,
        key=theme.key,
        name=redactor.redact(theme.name).text,
        keywords=tuple(words),
        quotes=tuple(shorten(text, QUOTE_LENGTH) for text in said if text.strip()),
    )


def _take_question(
    session: Session,
    settings: Settings,
    planned: Question,
    namer: Namer,
    by: Actor,
    passed_by: list[tuple[str, str]],
) -> Question | None:
    """Write down what is sent about a theme as it stands now; None if it may not be by now."""
    questions, reasons = _questions(session, settings, [planned.theme_id])
    passed_by += reasons
    if not questions:
        return None
    question = questions[0]
    count = len(question.quotes)
    words = f"{count} redacted {'quote' if count == 1 else 'quotes'}"
    record_event(
        session,
        by=by,
        verb="themes.quotes_sent",
        target_kind="theme",
        target_id=question.theme_id,
        summary=f"gave {words} of {question.key} to {namer.where} to ask for a name",
        detail={"quotes": count, "to": namer.where, "model": namer.model},
    )
    return question


def _ask(namer: Namer, question: Question, settings: Settings) -> Suggestion:
    answer = read_answer(namer.ask(INSTRUCTION, question.to_json()))
    redactor = site_redactor(settings)
    for text in (answer.name, answer.summary):
        if redactor.redact(text).text != text:
            raise BadAnswer("the answer names a person, a number or an address")
    return answer


def _said_of(key: str, error: NoAnswer, suggested: int) -> str:
    kept = f" What was suggested before it ({suggested}) is kept." if suggested else ""
    return f"No name for {key}: {error}. Nothing more was sent.{kept}"


def _keep(
    session: Session, question: Question, answer: Suggestion, namer: Namer, by: Actor
) -> bool:
    theme = get_theme_to_change(session, question.theme_id)
    if theme.is_named_by_person or theme.status in GONE_STATUSES:
        return False
    found = session.get(ThemeSuggestion, theme.id)
    if found is None:
        found = ThemeSuggestion(theme_id=theme.id)
        session.add(found)
    found.name, found.summary = answer.name, answer.summary
    found.model, found.asked_by, found.written_at = namer.model, by.name, utc_now()
    found.dismissed_by, found.dismissed_at = "", None
    _record(session, theme, by, "themes.name_suggested", f"let {namer.model} suggest a name for")
    session.flush()
    return True


def accept_suggestion(session: Session, *, theme_id: int, name: str, by: Actor) -> ThemeChange:
    """Give a theme the name that a machine suggested, as its person: undone like any renaming.

    Parameters
    ----------
    theme_id : int
    name : str
        The suggestion that was seen.
    by : Actor

    Raises
    ------
    NotFound
        If nothing is suggested.
    ChangedMeanwhile
        If another name is suggested by now, a person has named the theme.
    Conflict
        If it was merged.
    """
    theme = get_theme_to_change(session, theme_id)
    found = _standing(session, theme)
    if theme.is_named_by_person:
        raise ChangedMeanwhile(f"A person has named {theme.key} meanwhile; that name stays.")
    if found.name != name:
        sentence = f"Another name is suggested for {theme.key} by now. Look at it first."
        raise ChangedMeanwhile(sentence)
    rename_theme(session, theme_id=theme.id, name=found.name, by=by)
    newest = sa.select(ThemeChange).where(ThemeChange.theme_id == theme.id)
    return session.scalars(newest.order_by(ThemeChange.id.desc()).limit(1)).one()


def dismiss_suggestion(session: Session, *, theme_id: int, by: Actor) -> None:
    """Put away what a machine wrote about a theme; no run over all themes asks again.

    Raises
    ------
    NotFound
        If nothing is suggested.
    """
    theme = get_theme_to_change(session, theme_id)
    found = _standing(session, theme)
    found.dismissed_by, found.dismissed_at = by.name, utc_now()
    _record(session, theme, by, "themes.suggestion_dismissed", "dismissed a machine's words on")
    session.flush()


def bring_back_suggestion(session: Session, *, theme_id: int, by: Actor) -> None:
    """Show again what a machine wrote about a theme.

    Raises
    ------
    NotFound
        If nothing was dismissed.
    """
    theme = get_theme_to_change(session, theme_id)
    found = session.get(ThemeSuggestion, theme.id)
    if found is None or found.dismissed_at is None:
        raise NotFound(f"No suggestion for {theme.key} was dismissed, so nothing had to change.")
    found.dismissed_by, found.dismissed_at = "", None
    _record(session, theme, by, "themes.suggestion_taken_back", "brought back a machine's words on")
    session.flush()


def _standing(session: Session, theme: Theme) -> ThemeSuggestion:
    found = session.get(ThemeSuggestion, theme.id)
    if found is None or found.dismissed_at is not None:
        raise NotFound(f"No name is suggested for {theme.key} (any more).")
    return found


def _record(session: Session, theme: Theme, by: Actor, verb: str, did: str) -> None:
    record_on_theme(session, by, theme, verb, f"{did} {theme.key} {theme.name}")
