"""Page: contacts by theme in two dimensions."""

from __future__ import annotations

from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug import Response as BaseResponse

from closedloop.domain.contacts import HEADLINE_WINDOW, Basis, Measure, rule_in_words
from closedloop.domain.themes import STATS_DAYS
from closedloop.extensions import current_settings, db
from closedloop.queries.theme_map import Picture, find_picture
from closedloop.web.permissions import requires
from closedloop.web.themes_bp import bp

RULES = {
    "contacts": f"Contacts of the last {STATS_DAYS} days that belong to the theme.",
    "customers": f"Different known customers among the contacts of the last {STATS_DAYS} days.",
    "same": rule_in_words(Measure.REPEAT_RATE, Basis.SAME, HEADLINE_WINDOW),
    "dots": "Contacts drawn. Of more than the picture holds a fair draw is shown.",
}


@bp.get("/map")
@requires("themes.view")
def theme_map() -> str:
    """Show the map and, as a table, what it shows."""
    k = current_settings().privacy_k
    picture = find_picture(db.session, k=k)
    return render_template(
        "themes/map.html",
        picture=picture,
        map_data=_data(picture) if picture and picture.islands else None,
        k=k,
        days=STATS_DAYS,
        rules=RULES,
    )


@bp.get("/map/points")
@requires("themes.view")
def map_points() -> BaseResponse:
    """Give the points of the map: x of each, then y of each, little-endian uint16.

    They stand theme by theme in the order of the page; nothing says whose contact a point is.
    """
    picture = find_picture(db.session, k=current_settings().privacy_k)
    response = make_response(picture.points if picture else b"")
    response.mimetype = "application/octet-stream"
    response.headers["Cache-Control"] = "private, no-cache"
    response.add_etag()
    return response.make_conditional(request)


def _data(picture: Picture) -> dict[str, Any]:
    return {
        "points": url_for("themes.map_points"),
        "width": picture.width,
        "height": picture.height,
        "themes": [
            {
                "key": island.key,
                "name": island.name,
                "quadrant": island.quadrant,
                "contacts": island.figures.contacts,
                "n": island.n,
                "x": island.x,
                "y": island.y,
                "r": island.r,
                "url": url_for("themes.show", key=island.key),
            }
            for island in picture.islands
        ],
    }
