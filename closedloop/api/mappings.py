"""Mappings saved by name, over the API."""

from __future__ import annotations

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import BadMapping
from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.import_schemas import MappingForm, MappingList, MappingName, MappingOut
from closedloop.domain.errors import Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.mappings import KnownMapping, get_mapping, list_mappings
from closedloop.services.mappings import delete_mapping, rename_mapping, save_mapping
from closedloop.services.waiting_files import get_waiting_file

_NO_MAPPING = "There is no such mapping."


@bp.get("/mappings")
@bp.doc(summary="List saved mappings")
@bp.output(MappingList)
@needs("contacts.import")
def list_mappings_view() -> MappingList:
    """Give all of them by name; `mapping=NAME` of an import uses one."""
    return MappingList(items=[_mapping_out(known) for known in list_mappings(db.session)])


@bp.get("/mappings/<name>")
@bp.doc(summary="One saved mapping", responses={404: _NO_MAPPING})
@bp.output(MappingOut)
@needs("contacts.import")
def get_mapping_view(name: str) -> MappingOut:
    """Give one mapping; what stands in `mapping` is what `closedloop import --mapping` reads."""
    return _mapping_out(get_mapping(db.session, name))


@bp.put("/mappings/<name>")
@bp.doc(
    summary="Save a mapping under a name",
    responses={
        404: "No such upload.",
        409: "Another mapping has this name.",
        422: "Name or mapping do not fit.",
    },
)
@bp.input(MappingForm, location="json", arg_name="sent")
@bp.output(MappingOut)
@needs("contacts.import", WRITE)
def save_mapping_view(name: str, sent: MappingForm) -> MappingOut:
    """Keep how a file is read for the next of the same columns."""
    facts = get_waiting_file(current_settings(), sent.upload).facts
    try:
        mapping = Mapping.from_dict(sent.mapping)
    except BadMapping as error:
        raise Invalid(error.sentence, {"mapping": error.sentence}) from error
    with db.transaction() as session:
        saved = save_mapping(
            session,
            name=name,
            format=facts.format,
            header=facts.header,
            mapping=mapping,
            by=api_actor(),
            replace=sent.replace,
        ).name
        return _mapping_out(get_mapping(session, saved))


@bp.patch("/mappings/<name>")
@bp.doc(
    summary="Rename a saved mapping",
    responses={404: _NO_MAPPING, 409: "Another mapping has this name."},
)
@bp.input(MappingName, location="json", arg_name="sent")
@bp.output(MappingOut)
@needs("contacts.import", WRITE)
def rename_mapping_view(name: str, sent: MappingName) -> MappingOut:
    """Give it another name; imports that used it are known under the new one."""
    with db.transaction() as session:
        renamed = rename_mapping(session, name=name, new_name=sent.name, by=api_actor()).name
        return _mapping_out(get_mapping(session, renamed))


@bp.delete("/mappings/<name>")
@bp.doc(summary="Delete a saved mapping", responses={404: _NO_MAPPING})
@bp.output({}, status_code=204)
@needs("contacts.import", WRITE)
def delete_mapping_view(name: str) -> tuple[str, int]:
    """Delete it; imports made with it keep theirs."""
    with db.transaction() as session:
        delete_mapping(session, name=name, by=api_actor())
    return "", 204


def _mapping_out(known: KnownMapping) -> MappingOut:
    values = {name: getattr(known, name) for name in MappingOut.model_fields if name != "mapping"}
    return MappingOut(**values, mapping=dict(known.mapping))
