"""The blueprint every feature of the API hangs on."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import flask
from apiflask import APIBlueprint

from closedloop.api.auth import guard_api


class Blueprint(APIBlueprint):
    """A blueprint on which a body may be left out where none of its fields is required."""

    def input(  # type: ignore[override]  # here all but two are given by name
        self, schema: Any, location: str = "json", **values: Any
    ) -> Callable[[Any], Any]:
        """Declare what a view takes, as the blueprint of APIFlask does."""
        take = super().input(schema, location=location, **values)
        if location != "json" or any(one.is_required() for one in schema.model_fields.values()):
            return take
        name = values["arg_name"]

        def declare(view: Any) -> Any:
            read_body = take(view)

            @wraps(read_body)
            def answer(*args: Any, **kwargs: Any) -> Any:
                if flask.request.content_length:
                    return read_body(*args, **kwargs)
                return view(*args, **kwargs, **{name: schema()})

            return answer

        return declare


bp = Blueprint("api", __name__, url_prefix="/api/v1")
guard_api(bp)
