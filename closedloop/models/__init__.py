"""The tables, a module per feature; no queries, no rules."""

from closedloop.domain.leftovers import EmergingState
from closedloop.domain.runs import PartKind, PartState
from closedloop.models.accounts import (
    ApiToken,
    Department,
    SignIn,
    SignInAttempt,
    SiteSetting,
    User,
)
from closedloop.models.actions import Action, ActionTheme
from closedloop.models.audit import AuditEvent
from closedloop.models.base import Model, UtcDateTime
from closedloop.models.contact_drivers import ContactDriver, DriverChange
from closedloop.models.contacts import (
    Contact,
    ContactLink,
    ContactText,
    ContactVersion,
    EncodedText,
    Message,
)
from closedloop.models.curation import (
    ChangeKind,
    EmergingTheme,
    MembershipCheck,
    QuoteRejection,
    RunLabels,
    RunPart,
    ThemeChange,
    ThemeCorrection,
    ThemeFollower,
    ThemeMap,
    ThemeSuggestion,
    ThemeWeek,
)
from closedloop.models.customers import Customer, CustomerKey, LinkMove, LinkRun
from closedloop.models.impact import (
    Comeback,
    ImpactMeasurement,
    ImpactPrior,
    Intervention,
    PlaceboCheck,
    SignOff,
)
from closedloop.models.imports import BatchState, ImportBatch, ImportReject, SavedMapping
from closedloop.models.jobs import Job, Leader
from closedloop.models.metrics import ChannelCost, DriverDay, MetricGoal, MetricList
from closedloop.models.rollups import DailyRollup, DailySlice, DueDay, RollupFigures
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
    "ActionTheme",
    "ApiToken",
    "AuditEvent",
    "BatchState",
    "ChangeKind",
    "ChannelCost",
    "Comeback",
    "Contact",
    "ContactDriver",
    "ContactLink",
    "ContactText",
    "ContactVersion",
    "Customer",
    "CustomerKey",
    "DailyRollup",
    "DailySlice",
    "DefinitionSet",
    "Department",
    "DriverChange",
    "DriverDay",
    "DueDay",
    "EmergingState",
    "EmergingTheme",
    "EncodedText",
    "EvidenceKind",
    "ImpactMeasurement",
    "ImpactPrior",
    "ImportBatch",
    "ImportReject",
    "Intervention",
    "Job",
    "Leader",
    "LinkMove",
    "LinkRun",
    "MembershipCheck",
    "Message",
    "MetricGoal",
    "MetricList",
    "Model",
    "PartKind",
    "PartState",
    "PlaceboCheck",
    "QuoteRejection",
    "RollupFigures",
    "RunLabels",
    "RunPart",
    "SavedMapping",
    "SignIn",
    "SignInAttempt",
    "SignOff",
    "SiteSetting",
    "Theme",
    "ThemeChange",
    "ThemeCorrection",
    "ThemeDefinition",
    "ThemeEvidence",
    "ThemeFollower",
    "ThemeLikeness",
    "ThemeMap",
    "ThemeRun",
    "ThemeStats",
    "ThemeSuggestion",
    "ThemeWeek",
    "TriageDecision",
    "User",
    "UtcDateTime",
]
