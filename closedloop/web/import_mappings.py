"""Pages: mappings saved by name."""

from __future__ import annotations

import json

from flask import Response, flash, render_template, request, url_for
from werkzeug import Response as BaseResponse

from closedloop.domain.errors import Conflict, Invalid
from closedloop.extensions import db
from closedloop.queries.mappings import get_mapping, list_mappings
from closedloop.services.mappings import delete_mapping, rename_mapping
from closedloop.web.contacts_bp import bp
from closedloop.web.htmx import see_other
from closedloop.web.mapping_form import COLUMN_WORDS
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor


@bp.get("/mappings")
@requires("contacts.import")
def mappings() -> str:
    """List the saved mappings."""
    return _page({})


def _page(errors: dict[str, str]) -> str:
    return render_template(
        "contacts/mappings.html",
        mappings=list_mappings(db.session),
        errors=errors,
        column_words=COLUMN_WORDS,
    )


@bp.get("/mappings/<name>.json")
@requires("contacts.import")
def mapping_file(name: str) -> Response:
    """Send a mapping as the file that `closedloop import --mapping` reads."""
    known = get_mapping(db.session, name)
    text = json.dumps(known.mapping, indent=2, ensure_ascii=False) + "\n"
    response = Response(text, mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="mapping-{known.id}.json"'
    return response


@bp.post("/mappings/rename")
@requires("contacts.import")
def mapping_rename() -> BaseResponse | tuple[str, int]:
    """Give a mapping another name."""
    name = request.form.get("name", "")
    try:
        with db.transaction() as session:
            saved = rename_mapping(
                session, name=name, new_name=request.form.get("new_name", ""), by=current_actor()
            )
    except (Invalid, Conflict) as error:
        return _page({name: error.sentence}), 422
    flash(f"The mapping is called “{saved.name}” now.", "done")
    return see_other(url_for("contacts.mappings"))


@bp.post("/mappings/delete")
@requires("contacts.import")
def mapping_delete() -> BaseResponse:
    """Delete a mapping; imports made with it keep theirs."""
    name = request.form.get("name", "")
    with db.transaction() as session:
        delete_mapping(session, name=name, by=current_actor())
    flash(f"The mapping “{name}” is deleted. What was read with it stays.", "done")
    return see_other(url_for("contacts.mappings"))
