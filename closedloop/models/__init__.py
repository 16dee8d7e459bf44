"""The tables, a module per feature; no queries, no rules."""

from closedloop.models.accounts import (
    ApiToken,
    Department,
    SignIn,
    SignInAttempt,
    SiteSetting,
    User,
)
from closedloop.models.actions import Action
from closedloop.models.audit import AuditEvent
from closedloop.models.base import Model, UtcDateTime, seconds_between
from closedloop.models.contacts import (
    BatchState,
    Contact,
    ContactText,
    Customer,
    DailyRollup,
    EncodedText,
    ImportBatch,
    ImportReject,
    Message,
)
from closedloop.models.impact import Comeback, ImpactMeasurement, Intervention
from closedloop.models.jobs import Job, Leader
from closedloop.models.themes import (
    DefinitionSet,
    EvidenceKind,
    Theme,
    ThemeDefinition,
    ThemeEvidence,
    ThemeLikeness,
    ThemeRun,
    ThemeStats,
)
from closedloop.models.triage import TriageDecision

__all__ = [
    "Action",
    "ApiToken",
    "AuditEvent",
    "BatchState",
    "Comeback",
    "Contact",
    "ContactText",
    "Customer",
    "DailyRollup",
    "DefinitionSet",
    "Department",
    "EncodedText",
    "EvidenceKind",
    "ImpactMeasurement",
    "ImportBatch",
    "ImportReject",
    "Intervention",
    "Job",
    "Leader",
    "Message",
    "Model",
    "SignIn",
    "SignInAttempt",
    "SiteSetting",
    "Theme",
    "ThemeDefinition",
    "ThemeEvidence",
    "ThemeLikeness",
    "ThemeRun",
    "ThemeStats",
    "TriageDecision",
    "User",
    "UtcDateTime",
    "seconds_between",
]
