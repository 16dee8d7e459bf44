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
from closedloop.models.base import Model, UtcDateTime
from closedloop.models.contacts import (
    BatchState,
    Contact,
    ContactLink,
    ContactText,
    Customer,
    CustomerKey,
    DailyRollup,
    DailySlice,
    DueDay,
    EncodedText,
    ImportBatch,
    ImportReject,
    LinkMove,
    LinkRun,
    Message,
    RollupFigures,
    SavedMapping,
)
from closedloop.models.impact import Comeback, ImpactMeasurement, Intervention
from closedloop.models.jobs import Job, Leader
from closedloop.models.metrics import ChannelCost, DriverDay, MetricGoal, MetricList
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
    "ChannelCost",
    "Comeback",
    "Contact",
    "ContactLink",
    "ContactText",
    "Customer",
    "CustomerKey",
    "DailyRollup",
    "DailySlice",
    "DefinitionSet",
    "Department",
    "DriverDay",
    "DueDay",
    "EncodedText",
    "EvidenceKind",
    "ImpactMeasurement",
    "ImportBatch",
    "ImportReject",
    "Intervention",
    "Job",
    "Leader",
    "LinkMove",
    "LinkRun",
    "Message",
    "MetricGoal",
    "MetricList",
    "Model",
    "RollupFigures",
    "SavedMapping",
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
]
