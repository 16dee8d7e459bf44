"""What a browser calls itself, in words: "Firefox on Windows"."""

from __future__ import annotations

# The first that fits wins: most browsers also carry the names of others.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_words(agent: str) -> str:
    """Return browser and system of a user agent; the agent itself when neither is known."""
    found = [
        next((words for sign, words in table if sign in agent), "")
        for table in (_BROWSERS, _SYSTEMS)
    ]
    if all(found):
        return " on ".join(found)
    return found[0] or found[1] or agent[:60] or "unknown"
