"""Themes behind contacts: found, named, and recognised again in new texts."""

from ml.themes.discover import discover_themes
from ml.themes.evidence import Evidence, keyword_fit, pick_evidence
from ml.themes.model import ThemeModel
from ml.themes.types import FoundThemes, Theme

__all__ = [
    "Evidence",
    "FoundThemes",
    "Theme",
    "ThemeModel",
    "discover_themes",
    "keyword_fit",
    "pick_evidence",
]
