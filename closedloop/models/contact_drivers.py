"""Contact drivers above themes, and what people did to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from closedloop.domain.clock import utc_now
from closedloop.domain.contact_drivers import DriverChangeKind, DriverState
from closedloop.models.base import Model, TimestampMixin, by_value, int_pk


class ContactDriver(TimestampMixin, Model):
    """A coarse reason for contacts, above themes; no driver volume, see ADR 15."""

    __tablename__ = "contact_drivers"
    __table_args__ = (
        sa.CheckConstraint(
            "(state = 'merged') = (merged_into_id IS NOT NULL)", name="merged_says_into_what"
        ),
    )

    id: Mapped[int_pk]
    key: Mapped[str] = mapped_column(String(20), unique=True, comment="D-004; lasts for ever.")
    name: Mapped[str] = mapped_column(String(80))
    is_named_by_person: Mapped[bool] = mapped_column(default=False)
    keywords: Mapped[list[Any]] = mapped_column(default=list)
    state: Mapped[DriverState] = mapped_column(by_value(DriverState), default=DriverState.IN_USE)
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("contact_drivers.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(
        ForeignKey("theme_runs.id"), comment="The run that proposed it."
    )

    merged_into: Mapped[ContactDriver | None] = relationship(remote_side="ContactDriver.id")


class DriverChange(Model):
    """One change of contact drivers; undoing it fills `undone_at` and restores `detail`."""

    __tablename__ = "driver_changes"

    id: Mapped[int_pk]
    driver_id: Mapped[int | None] = mapped_column(
        ForeignKey("contact_drivers.id"), index=True, comment="Null: themes were put under none."
    )
    other_id: Mapped[int | None] = mapped_column(
        ForeignKey("contact_drivers.id"), index=True, comment="The driver it was merged into."
    )
    kind: Mapped[DriverChangeKind] = mapped_column(by_value(DriverChangeKind))
    themes: Mapped[int] = mapped_column(default=0, comment="How many it moved.")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    changed_by: Mapped[str] = mapped_column(String(120))
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)
    undone_by: Mapped[str] = mapped_column(String(120), default="")
    undone_at: Mapped[datetime | None]

    driver: Mapped[ContactDriver | None] = relationship(foreign_keys=[driver_id])
    other: Mapped[ContactDriver | None] = relationship(foreign_keys=[other_id])
