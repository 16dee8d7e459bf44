"""Bring the whole history under new definitions: plan them, label every text, write it all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Conflict
from closedloop.domain.jobs import Progress
from closedloop.services.assignment import TRIES, bring_up_to_date
from closedloop.services.definitions import Model, ThemeMaker
from closedloop.services.evidence import renew_evidence
from closedloop.services.labelling import TextLabels, label_texts
from closedloop.services.long_work import Report, Transactions


class Planned(Protocol):
    """Definitions to put in force: their model, and the encoder whose vectors it reads."""

    @property
    def model(self) -> Model:
        """What gives each text its label."""

    @property
    def encoder(self) -> str:
        """Exact name."""


Plan = TypeVar("Plan", bound=Planned)
Done = TypeVar("Done")


def remake_history(
    transactions: Transactions,
    *,
    settings: Settings,
    plan: Callable[[Session], Plan],
    apply: Callable[[Session, Plan, TextLabels], Done | None],
    doing: str,
    refusal: str,
    by: Actor,
    report: Report,
    maker: ThemeMaker,
) -> Done:
    """Plan new definitions, label all texts by them outside any transaction, and write it all.

    Parameters
    ----------
    settings : Settings
    plan : callable
        Returns what to put in force; changes nothing.
    apply : callable
        Writes it with the labels; returns None, having written nothing, when somebody decided
        about themes since it was planned. Then it is planned anew, some times.
    doing : str
        What is reported while it is written.
    refusal : str
        The sentence of the Conflict, if people keep deciding.
    by : Actor
    report : Report
    maker : ThemeMaker

    Raises
    ------
    Conflict
        Also whatever `plan` and `apply` raise.
    """
    bring_up_to_date(transactions, settings=settings, by=by, report=report, maker=maker)
    for _ in range(TRIES):
        with transactions() as session:
            planned = plan(session)
        texts = label_texts(
            transactions,
            encoder=planned.encoder,
            model=planned.model,
            report=report,
            scheduler=settings.dask_scheduler,
        )
        report(Progress(0, 0, doing))
        with transactions() as session:
            done = apply(session, planned, texts)
        if done is not None:
            renew_evidence(transactions, settings=settings, report=report, maker=maker)
            return done
    raise Conflict(refusal)
