"""A client that audits every page it fetches, so that no page is tested without being checked."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import html5lib
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from closedloop.models import User
from closedloop.services.accounts import open_session
from tests.site import SERVER

XHTML = "{http://www.w3.org/1999/xhtml}"


VAGUE = {"open", "edit", "show it", "more", "see it", "see them", "reject", "take it back", "rule"}
"""What a link or button must not be called alone: of which thing is it?"""

ONCE = {"CSV", "Undo", "Revoke", "Rename", "Delete", "File", "open the contact", "Copy the answer"}
"""Enough where there is one of them on a page."""


class PageClient:
    """Fetch pages as a browser without JavaScript would."""

    def __init__(self, app, session: Session) -> None:
        self.app = app
        self.session = session
        self.client = app.test_client()
        self.user: User | None = None
        self._tokens: dict[str, str] = {}

    def sign_in(self, user: User) -> None:
        """Sign in as somebody, without the form."""
        token = open_session(self.session, user=user)
        self.session.commit()
        self.user = user
        with self.client.session_transaction() as cookie:
            cookie["_user_id"] = token
            cookie["_fresh"] = True

    def get(self, url: str, status: int = 200, **kwargs) -> str:
        """Fetch a page, check it, return its text."""
        self.session.commit()
        response = self.client.get(url, **kwargs)
        return self._checked(response, url, status)

    def raw(self, url: str, method: str = "GET", **kwargs) -> TestResponse:
        """Fetch anything else: CSV, redirects, files."""
        self.session.commit()
        return self.client.open(url, method=method, **kwargs)

    def post(self, url: str, data: dict | None = None, status: int = 303, **kwargs) -> TestResponse:
        """Send a form with a valid CSRF token."""
        self.session.commit()
        response = self.client.post(
            url, data={"csrf_token": self._token(), **(data or {})}, **kwargs
        )
        assert response.status_code == status, (
            f"POST {url}: {response.status_code}, expected {status}\n{_words(response.text)[:800]}"
        )
        self.session.expire_all()
        if status >= 400 and response.mimetype == "text/html" and "<html" in response.text:
            audit_page(response.text, url)
        return response

    def _token(self) -> str:
        """Return the token a page showed, and ask for a page again only in another session."""
        with self.client.session_transaction() as cookie:
            seed = cookie.get("csrf_token", "")
        if seed not in self._tokens:
            token = self._ask_for_token()
            with self.client.session_transaction() as cookie:
                seed = cookie["csrf_token"]
            self._tokens[seed] = token
        return self._tokens[seed]

    def _ask_for_token(self) -> str:
        for url in ("/profile", "/sign-in"):
            text = self.client.get(url).text
            found = re.search(r'name="csrf[-_]token"[^>]*?(?:value|content)="([^"]+)"', text)
            if found:
                return found[1]
        raise AssertionError("no page gave a CSRF token")

    def _checked(self, response: TestResponse, url: str, status: int) -> str:
        assert response.status_code == status, (
            f"GET {url}: {response.status_code}, expected {status}\n{_words(response.text)[:800]}"
        )
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        if "<html" in response.text:
            audit_page(response.text, url)
        return response.text


def _words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def text_of(html: str) -> str:
    """Return the words of a page, without tags and scripts."""
    html = re.sub(r"<script.*?</script>|<style.*?</style>", " ", html, flags=re.S)
    import html as entities

    return entities.unescape(_words(html)).replace("\u202f", " ").replace("\xa0", " ")


def audit_page(html: str, url: str) -> None:
    """Check what every page must be: valid, titled, labelled, free of inline code.

    Once is enough: no template knows which database its values came from.
    """
    if SERVER:
        return
    parser = html5lib.HTMLParser(strict=True)
    tree: ElementTree.Element = parser.parse(html)
    elements = list(tree.iter())
    tags = [
        (element.tag.removeprefix(XHTML), element)
        for element in elements
        if isinstance(element.tag, str)
    ]

    headings = ["".join(e.itertext()).strip() for tag, e in tags if tag == "h1"]
    assert len(headings) == 1, f"{url}: {len(headings)} h1"
    title = next("".join(e.itertext()).strip() for tag, e in tags if tag == "title")
    assert " ".join(title.split()).startswith(" ".join(headings[0].split())), (
        f"{url}: the title {title!r} does not start with the heading {headings[0]!r}"
    )
    ids = [e.get("id") for _, e in tags if e.get("id")]
    doubled = {i for i in ids if ids.count(i) > 1}
    assert not doubled, f"{url}: ids used twice: {doubled}"
    for tag, element in tags:
        for name in element.attrib:
            assert not name.startswith("on"), f"{url}: <{tag} {name}>"
        assert "style" not in element.attrib, f"{url}: <{tag}> has an inline style"
        if tag == "script" and element.get("type") != "application/json":
            assert element.get("src"), f"{url}: an inline script"
        assert tag != "style", f"{url}: an inline style sheet"
        if tag == "a":
            target = element.get("href") or ""
            leads = not target.startswith("#") or target[1:] in ids
            assert leads, f"{url}: a dead link {''.join(element.itertext())!r}"
    _check_names([e for tag, e in tags if tag in {"a", "button", "summary"}], url)
    labels = {e.get("for") for tag, e in tags if tag == "label"}
    inside = {id(c) for tag, e in tags if tag == "label" for c in e.iter()}
    for tag, element in tags:
        if tag in {"input", "select", "textarea"} and element.get("type") not in {
            "hidden",
            "submit",
        }:
            named = (
                element.get("id") in labels
                or id(element) in inside
                or element.get("aria-label")
                or element.get("aria-labelledby")
            )
            assert named, f"{url}: <{tag} name={element.get('name')}> has no label"
        if tag == "form":
            assert element.get("action") is not None, f"{url}: a form without action"
            if (element.get("method") or "get").lower() == "post":
                names = {e.get("name") for e in element.iter() if e.get("name")}
                assert "csrf_token" in names, f"{url}: a form without CSRF token"


def _check_names(controls: list[ElementTree.Element], url: str) -> None:
    """Check that somebody who hears a link or a button alone knows what it is about."""
    names = [e.get("aria-label") or _heard(e) for e in controls]
    assert all(names), f"{url}: a link or button without words"
    vague = [name for name in names if name.lower() in VAGUE]
    vague += [name for name in ONCE if names.count(name) > 1]
    assert not vague, f"{url}: links or buttons called only {vague}"


def _heard(element: ElementTree.Element) -> str:
    """Return the words inside an element, without those that are only seen."""
    said = [element.text or ""]
    for child in element:
        said += ["" if child.get("aria-hidden") == "true" else _heard(child), child.tail or ""]
    return " ".join("".join(said).split())
