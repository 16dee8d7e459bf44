"""What the next page says about a change just made, with its way back."""

from __future__ import annotations

from typing import Any

from flask import flash


def flash_done(text: str, undo_url: str, undo: str = "Undo") -> None:
    """Say that something was done, beside a button that takes it back."""
    message: Any = {"text": text, "undo_url": undo_url, "undo": undo}
    flash(message, "done")
