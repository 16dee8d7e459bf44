"""Comments of Zendesk tickets: in order, public or not, and what they say about merging."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from closedloop.adapters.shelf import Json
from closedloop.adapters.vendor_rows import at, text_of
from closedloop.adapters.vendor_text import html_to_text
from closedloop.adapters.vendor_values import objects_of, sort_key

_MERGED = re.compile(r"\bmerged into (?:the )?(?:request|ticket) #?(\d{1,18})\b", re.IGNORECASE)
_ALIKE_CHARS = 60

Told = tuple[Json, Json]
"""An event and the comment in it."""


@dataclass(frozen=True)
class Comment:
    """One comment; `author` is a user id, a private note is not public."""

    author: str | None
    text: str = field(repr=False)
    is_public: bool

    def begins_like(self, text: str) -> bool:
        """Whether it begins with the same letters, blanks and marks apart."""
        other = _letters(text)[:_ALIKE_CHARS]
        return self.text == text or (bool(other) and _letters(self.text).startswith(other))


def told_in(events: list[Json]) -> list[Told]:
    """Return what a ticket's events tell: each comment with its event, in order of time."""
    return [
        (event, child)
        for event in sorted(events, key=_time_of)
        for child in objects_of(event.get("child_events"))
        if "Comment" in (child.get("event_type"), child.get("type"))
    ]


def comments_of(told: Sequence[Told]) -> list[Comment]:
    """Return the comments among what was told, in its order.

    What does not say that it is public is not: a note among colleagues must not get out.
    """
    return [
        Comment(
            text_of(child.get("author_id")) or text_of(event.get("updater_id")),
            _text(child),
            child.get("public") is True,
        )
        for event, child in told
    ]


def merged_into(told: Sequence[Told], requester: str | None, *, itself: str) -> str | None:
    """Return the id of the ticket this one was merged into, where a comment says so.

    What the requester writes about merging is talk, not a merge, and so is what the ticket that
    others were merged into says of itself.
    """
    for event, child in told:
        author = text_of(child.get("author_id")) or text_of(event.get("updater_id"))
        if author is not None and author == requester:
            continue
        is_merge = text_of(at(child, "via", "source", "rel")) == "merge"
        target = text_of(at(child, "via", "source", "to", "ticket_id")) if is_merge else None
        found = _MERGED.search(_text(child))
        into = target or (found[1] if found else None)
        if into and into != itself:
            return into
    return None


def plain_text(value: Any) -> str:
    """Return text without entities; "" for what is no text."""
    return html.unescape(value).replace("\xa0", " ").strip() if isinstance(value, str) else ""


def _time_of(event: Json) -> str:
    return sort_key(event.get("timestamp") or event.get("created_at"))


def _text(child: Json) -> str:
    plain = plain_text(child.get("plain_body")) or plain_text(child.get("body"))
    body = child.get("html_body")
    return plain or (html_to_text(body) if isinstance(body, str) else "")


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text[: 10 * _ALIKE_CHARS].lower())
