"""Measure impact."""

from ml.impact import METHOD_VERSION

__all__ = ["METHOD_VERSION"]
