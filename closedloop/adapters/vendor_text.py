"""The words of a message that was written as HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_UNSEEN = frozenset({"script", "style", "head", "title", "template", "noscript"})
_BREAKS = frozenset(
    re.findall(
        r"\w+",
        "address article blockquote br dd div dl dt figcaption footer form h1 h2 h3 h4 h5 h6 "
        "header hr li main ol p pre section table td th tr ul",
    )
)
_MARKUP = re.compile(r"<[a-zA-Z/!?]|&[a-zA-Z#]")
_TAG = re.compile(r"<[^<>]*>?")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")


def html_to_text(markup: str) -> str:
    """Return what a reader sees: blocks on lines of their own, scripts and styles left out.

    Text without any markup comes back with its blanks tidied only.
    """
    text = _without_tags(markup) if _MARKUP.search(markup) else markup
    return _LINES.sub("\n", _SPACES.sub(" ", text)).strip()


def _without_tags(markup: str) -> str:
    reader = _Words()
    try:
        reader.feed(markup)
        reader.close()
    except (AssertionError, ValueError):  # the parser gives up on some broken declarations
        return _TAG.sub(" ", markup)
    return "".join(reader.parts)


class _Words(HTMLParser):
    """Collects text outside elements that are not shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._n_unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Break the line before a block; stop listening inside what is not shown."""
        if tag in _UNSEEN:
            self._n_unseen += 1
        elif tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """Break the line after a block; listen again after what is not shown."""
        if tag in _UNSEEN:
            self._n_unseen = max(0, self._n_unseen - 1)
        elif tag in _BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep text that is shown; a line end in the source is a blank to the reader."""
        if not self._n_unseen:
            self.parts.append(data.replace("\n", " "))
