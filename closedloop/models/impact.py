"""Interventions and what was measured of them. Measurements are never rewritten."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from closedloop.domain.clock import utc_now
from closedloop.domain.impact import Verdict
from closedloop.models.accounts import User
from closedloop.models.actions import Action
from closedloop.models.base import Model, by_value, int_pk
from closedloop.models.themes import Theme


class Intervention(Model):
    """The dated go-live of an action's change, with the plan as it stood that day.

    What was taken back stays, with all that was measured of it; of the others an action has one.
    """

    __tablename__ = "interventions"
    __table_args__ = (
        sa.CheckConstraint("rollout_days >= 0", name="rollout_not_negative"),
        sa.Index(
            "uq_interventions_action_standing",
            "action_id",
            unique=True,
            sqlite_where=sa.text("taken_back_at IS NULL"),
            postgresql_where=sa.text("taken_back_at IS NULL"),
        ),
    )

    id: Mapped[int_pk]
    action_id: Mapped[int] = mapped_column(ForeignKey("actions.id"))
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"), index=True)
    went_live_on: Mapped[date] = mapped_column(comment="First day of the roll-out.")
    rollout_days: Mapped[int] = mapped_column(
        default=0, comment="Days from go-live on that are not counted."
    )
    stages: Mapped[list[Any]] = mapped_column(
        default=list, comment="Share of customers reached from a day on; empty is all of them."
    )
    driver: Mapped[str] = mapped_column(
        String(60), default="", comment="Driver volume that effects are held against; or none."
    )
    plan: Mapped[dict[str, Any]] = mapped_column(comment="Frozen at ship; see services/actions.py.")
    recorded_at: Mapped[datetime] = mapped_column(default=utc_now)
    taken_back_at: Mapped[datetime | None]
    taken_back_by: Mapped[str] = mapped_column(String(120), default="")
    taken_back_reason: Mapped[str] = mapped_column(sa.Text, default="")

    action: Mapped[Action] = relationship()
    theme: Mapped[Theme] = relationship()


class ImpactMeasurement(Model):
    """One estimate of the contacts an intervention avoided, as of one day (append-only).

    A later look, a later data cut or another definition is a new row, so that what was claimed,
    and when, can always be read back.
    """

    __tablename__ = "impact_measurements"
    __table_args__ = (
        sa.UniqueConstraint("intervention_id", "as_of", "definition_set_id", "input_sha256"),
        sa.CheckConstraint("observed >= 0", name="observed_not_negative"),
        sa.CheckConstraint("avoided_low <= avoided_high", name="interval_ordered"),
    )

    id: Mapped[int_pk]
    intervention_id: Mapped[int] = mapped_column(ForeignKey("interventions.id"), index=True)
    as_of: Mapped[date] = mapped_column(comment="Last day of data used, inclusive.")
    look: Mapped[int] = mapped_column(comment="0 before the first look, then 1 and up.")
    is_look: Mapped[bool] = mapped_column(comment="This is the measurement of that look.")
    definition_set_id: Mapped[int] = mapped_column(ForeignKey("definition_sets.id"))
    definition_number: Mapped[int] = mapped_column(comment="Of the theme.")
    method_version: Mapped[str] = mapped_column(String(20))
    n_pre: Mapped[int] = mapped_column(comment="Days before go-live.")
    n_post: Mapped[int] = mapped_column(comment="Days counted after the roll-out.")
    observed: Mapped[int] = mapped_column(comment="Contacts over the counted days.")
    expected: Mapped[float] = mapped_column(comment="Contacts over them without the change.")
    avoided: Mapped[float] = mapped_column(comment="Expected minus observed.")
    avoided_low: Mapped[float] = mapped_column(comment="Contacts; 2.5th percentile.")
    avoided_high: Mapped[float] = mapped_column(comment="Contacts; 97.5th percentile.")
    p_value: Mapped[float]
    q_value: Mapped[float | None] = mapped_column(
        comment="Of a look, adjusted for the other themes looked at that night."
    )
    verdict: Mapped[Verdict] = mapped_column(by_value(Verdict))
    reasons: Mapped[list[Any]] = mapped_column(comment="Sentences for a layman.")
    handle_seconds: Mapped[float] = mapped_column(comment="Mean per contact before go-live.")
    pence_per_minute: Mapped[float] = mapped_column(comment="Rate in force when measured.")
    detail: Mapped[dict[str, Any]] = mapped_column(comment="Checks, own-history figures, paths.")
    inputs: Mapped[bytes] = mapped_column(
        sa.LargeBinary, deferred=True, comment="npz: counts, controls, calendar; to reproduce."
    )
    input_sha256: Mapped[str] = mapped_column(String(64))
    measured_at: Mapped[datetime] = mapped_column(default=utc_now)

    intervention: Mapped[Intervention] = relationship()


class Comeback(Model):
    """An alarm of the comeback watch: contacts about a theme that had fallen are back."""

    __tablename__ = "comebacks"
    __table_args__ = (sa.UniqueConstraint("intervention_id", "alarm_on"),)

    id: Mapped[int_pk]
    intervention_id: Mapped[int] = mapped_column(ForeignKey("interventions.id"), index=True)
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"), index=True)
    alarm_on: Mapped[date] = mapped_column(comment="Day whose contacts raised the alarm.")
    since_on: Mapped[date] = mapped_column(comment="Day on which the rise is thought to begin.")
    excess: Mapped[float] = mapped_column(comment="Contacts above the path since then.")
    reasons: Mapped[list[Any]]
    raised_at: Mapped[datetime] = mapped_column(default=utc_now)
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[str] = mapped_column(String(120), default="")
    outcome: Mapped[str] = mapped_column(String(40), default="", comment="Of the case review.")
    review_note: Mapped[str] = mapped_column(sa.Text, default="")

    intervention: Mapped[Intervention] = relationship()
    theme: Mapped[Theme] = relationship()


class SignOff(Model):
    """Somebody who does not own the action has read a measurement and stands by it."""

    __tablename__ = "sign_offs"
    __table_args__ = (sa.UniqueConstraint("measurement_id", "user_id"),)

    id: Mapped[int_pk]
    measurement_id: Mapped[int] = mapped_column(ForeignKey("impact_measurements.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    note: Mapped[str] = mapped_column(String(500), default="")
    signed_at: Mapped[datetime] = mapped_column(default=utc_now)

    measurement: Mapped[ImpactMeasurement] = relationship()
    user: Mapped[User] = relationship()


class PlaceboCheck(Model):
    """How often the method would have cried wolf on dates on which nothing shipped."""

    __tablename__ = "placebo_checks"
    __table_args__ = (sa.UniqueConstraint("as_of", "method_version"),)

    id: Mapped[int_pk]
    as_of: Mapped[date] = mapped_column(comment="Last day of data used, inclusive.")
    method_version: Mapped[str] = mapped_column(String(20))
    n_placebos: Mapped[int]
    n_false: Mapped[int] = mapped_column(comment="Of them those that claimed a fall or a rise.")
    sd_z: Mapped[float | None] = mapped_column(comment="1 if the ranges are as wide as they say.")
    detail: Mapped[dict[str, Any]]
    made_at: Mapped[datetime] = mapped_column(default=utc_now)


class ImpactPrior(Model):
    """Weights of the model's settings, learnt from a site's own themes; the newest row holds."""

    __tablename__ = "impact_priors"

    id: Mapped[int_pk]
    as_of: Mapped[date] = mapped_column(comment="Last day of data used, inclusive.")
    method_version: Mapped[str] = mapped_column(String(20))
    n_themes: Mapped[int]
    weights: Mapped[list[Any]] = mapped_column(comment="Empty is back to those delivered.")
    learnt_by: Mapped[str] = mapped_column(String(120))
    learnt_at: Mapped[datetime] = mapped_column(default=utc_now)
