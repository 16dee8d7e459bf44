"""A program that talks to the API with a token."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE
from closedloop.services.tokens import add_token
from tests.factories.accounts import make_user
from tests.pages import PageClient


class Caller:
    """Asks the API and checks the shape of every answer."""

    def __init__(self, page: PageClient, session: Session, role: Role) -> None:
        self.page = page
        self.user = make_user(session, role)
        token = add_token(
            session, user_id=self.user.id, name="T", may_write=True, days="3", by=COMMAND_LINE
        )
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        """Return what an address gives."""
        answer = self.page.raw(f"/api/v1{path}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        assert answer.mimetype == "application/json"
        return answer.json

    def problem(self, path: str, status: int, method: str = "GET", **kwargs: Any) -> Any:
        """Return the problem an address answers with."""
        answer = self.page.raw(f"/api/v1{path}", method, headers=self.headers, **kwargs)
        assert answer.status_code == status, answer.text
        assert answer.mimetype == "application/problem+json"
        assert set(answer.json) == {"type", "title", "status", "detail", "errors"}
        assert answer.json["status"] == status
        return answer.json

    def post(self, path: str, status: int, **kwargs: Any) -> Any:
        """Send something and return the answer."""
        answer = self.page.raw(f"/api/v1{path}", "POST", headers=self.headers, **kwargs)
        assert answer.status_code == status, answer.text
        return answer

    def send(self, path: str, body: Any = None, status: int = 200, method: str = "POST") -> Any:
        """Send JSON and return the JSON that is answered."""
        answer = self.page.raw(f"/api/v1{path}", method, headers=self.headers, json=body)
        assert answer.status_code == status, answer.text
        self.page.session.expire_all()
        return answer.json

    def pages(self, path: str) -> list[Any]:
        """Follow `next` to the end and return every item."""
        items: list[Any] = []
        after = ""
        while True:
            join = "&" if "?" in path else "?"
            answer = self.get(path + (f"{join}after={after}" if after else ""))
            items += answer["items"]
            if not answer["next"]:
                return items
            after = answer["next"]
