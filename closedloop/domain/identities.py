"""Which identifiers link customers: kinds, match rules, and what a linking did."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from closedloop.domain.errors import Invalid

MAX_CUSTOMERS = 3
MAX_CLUSTER = 20


class IdentifierKind(StrEnum):
    """What an identifier is, which says how it is written in one way."""

    ACCOUNT = "account"
    EMAIL = "email"
    PHONE = "phone"

    @property
    def label(self) -> str:
        """As people say it."""
        return {"account": "account", "email": "e-mail address", "phone": "phone number"}[self]

    @property
    def plural(self) -> str:
        """Several of them, as people say it."""
        return f"{self.label}es" if self.label.endswith("s") else f"{self.label}s"


CUSTOMER_ID = "customer_id"
"""Column of a crosswalk for the id as the sources name the customer."""

CROSSWALK_COLUMNS = (CUSTOMER_ID, *(kind.value for kind in IdentifierKind))


@dataclass(frozen=True)
class MatchRules:
    """Which identifiers link customers, and how far.

    Attributes
    ----------
    kinds : tuple of IdentifierKind
        An identifier of such a kind that two customers share makes them one.
    max_customers : int
        An identifier of more customers than this links nobody: it is a switchboard, a shop.
    max_cluster : int
        More customers than this are never made one.
    """

    kinds: tuple[IdentifierKind, ...] = ()
    max_customers: int = MAX_CUSTOMERS
    max_cluster: int = MAX_CLUSTER

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> MatchRules:
        """Read rules as a TOML file gives them.

        Raises
        ------
        Invalid
            Naming what is unknown or out of range.
        """
        known = ("link", "max_customers", "max_cluster")
        if unknown := sorted(set(map(str, settings)) - set(known)):
            raise Invalid(
                f"The match rules have a setting “{unknown[0]}” that is not known. "
                f"Known are: {', '.join(known)}."
            )
        return cls(
            kinds=_read_kinds(settings.get("link")),
            max_customers=_read_number(settings, "max_customers", MAX_CUSTOMERS, 2, 100),
            max_cluster=_read_number(settings, "max_cluster", MAX_CLUSTER, 2, 1000),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the rules as a file would give them."""
        return {
            "link": {kind.value: kind in self.kinds for kind in IdentifierKind},
            "max_customers": self.max_customers,
            "max_cluster": self.max_cluster,
        }


def _read_kinds(link: object) -> tuple[IdentifierKind, ...]:
    if not isinstance(link, Mapping):
        raise Invalid(
            "The match rules have no table [link]. Write one with phone, email and account set "
            "to true or false."
        )
    for name, value in link.items():
        if name not in set(IdentifierKind) or not isinstance(value, bool):
            raise Invalid(
                f"[link] has “{name} = {value}”. It takes phone, email and account, each true or "
                "false."
            )
    return tuple(kind for kind in IdentifierKind if link.get(kind.value))


def _read_number(
    settings: Mapping[str, Any], name: str, default: int, least: int, most: int
) -> int:
    value = settings.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Invalid(f"{name} is {value!r}; it must be a whole number from {least} to {most}.")
    return value


@dataclass
class LinkReport:
    """What a linking did, or would do, in counts.

    Attributes
    ----------
    identifiers : int
        Distinct ones that were compared.
    crosswalk_rows, unmatched_rows, unreadable : int
        Rows of the crosswalk; people it names who never contacted us; cells that are no
        identifier of their kind.
    customers_before, customers_after : int
    joined_by : dict of str to int
        Customers joined to another, by the kind of identifier that said so first.
    shared : dict of str to int
        Identifiers that more than `max_customers` share, by kind: they link nobody.
    conflicts : int
        Identifiers the crosswalk gives to different customer ids: they link nobody either.
    too_large : int
        Groups above `max_cluster`, left as they were.
    aliases : int
        Identifiers nobody has used yet, by which a later contact finds its customer.
    contacts_moved : int
        Contacts that now stand with another customer.
    sentences : list of str
        What a person should know before believing the rest.
    is_finished : bool
        False while it runs, or when it broke off.
    """

    identifiers: int = 0
    crosswalk_rows: int = 0
    unmatched_rows: int = 0
    unreadable: int = 0
    customers_before: int = 0
    customers_after: int = 0
    joined_by: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    conflicts: int = 0
    too_large: int = 0
    aliases: int = 0
    contacts_moved: int = 0
    sentences: list[str] = field(default_factory=list)
    is_finished: bool = False

    @property
    def joined(self) -> int:
        """Customers who are one with an older one now."""
        return self.customers_before - self.customers_after


Node = TypeVar("Node", bound=Hashable)


class Groups(Generic[Node]):
    """Sets that grow together: union-find, whose groups do not depend on the order of joins."""

    def __init__(self) -> None:
        self._parent: dict[Node, Node] = {}

    def find(self, node: Node) -> Node:
        """Return what stands for the group of a node; one that was never joined is its own."""
        parent = self._parent
        root = node
        while (above := parent.get(root, root)) != root:
            root = above
        while (above := parent.get(node, root)) != root:
            parent[node], node = root, above
        return root

    def join(self, nodes: Sequence[Node]) -> int:
        """Make the groups of the nodes one; return how many groups fewer there are."""
        roots = dict.fromkeys(self.find(node) for node in nodes)
        if len(roots) < 2:
            return 0
        first = next(iter(roots))
        for root in roots:
            self._parent[root] = first
        return len(roots) - 1

    def __iter__(self) -> Iterator[list[Node]]:
        """Yield the groups that were joined."""
        groups: dict[Node, list[Node]] = {}
        for node in list(self._parent):
            groups.setdefault(self.find(node), []).append(node)
        return iter(groups.values())
