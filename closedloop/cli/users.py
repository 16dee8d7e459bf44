"""`closedloop users list|add|password|deactivate`."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from closedloop.cli.options import (
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import NotFound
from closedloop.queries.accounts import find_user_by_email, list_users
from closedloop.services.accounts import add_department, add_user, change_user, set_password

PASSWORD_VARIABLE = "CLOSEDLOOP_PASSWORD"  # noqa: S105 - the name of a variable


@click.group("users")
def users() -> None:
    """See and change who may sign in."""


@users.command("list")
@instance_option
@json_option
@speaks_plainly
def list_(instance: Path | None, as_json: bool) -> None:
    """Print everybody."""
    site = open_site(instance)
    with site.database.reading() as session:
        rows = [
            {
                "email": user.email,
                "name": user.name,
                "role": user.role.value,
                "department": user.department.name if user.department else None,
                "active": user.is_active,
            }
            for user in list_users(session)
        ]
    if as_json:
        print_json(rows)
        return
    headings = ["email", "name", "role", "department", "active"]
    print_table(headings, [[row[name] for name in headings] for row in rows])


@users.command("add")
@click.argument("email")
@instance_option
@click.option("--name", required=True)
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--department", help="Made when there is none of that name.")
@click.option("--password", envvar=PASSWORD_VARIABLE, help="Made and printed when left out.")
@json_option
@speaks_plainly
def add(
    email: str,
    instance: Path | None,
    name: str,
    role: str,
    department: str | None,
    password: str | None,
    as_json: bool,
) -> None:
    """Add somebody."""
    site = open_site(instance)
    made = None if password else secrets.token_urlsafe(12)
    with site.database.transaction() as session:
        department_id = (
            add_department(session, name=department, by=COMMAND_LINE).id if department else None
        )
        user = add_user(
            session,
            email=email,
            name=name,
            password=password or made or "",
            role=Role(role),
            department_id=department_id,
            by=COMMAND_LINE,
        )
    if as_json:
        print_json({"id": user.id, "email": user.email, "password": made})
        return
    click.echo(f"Added {user.name}." + (f" Password: {made}" if made else ""))


@users.command("password")
@click.argument("email")
@instance_option
@click.option("--password", envvar=PASSWORD_VARIABLE, help="Made and printed when left out.")
@click.option("--revoke-tokens", is_flag=True, help="Their API tokens end, too.")
@speaks_plainly
def password_(email: str, instance: Path | None, password: str | None, revoke_tokens: bool) -> None:
    """Give somebody a new password and sign them out everywhere."""
    site = open_site(instance)
    made = None if password else secrets.token_urlsafe(12)
    with site.database.transaction() as session:
        user = find_user_by_email(session, email)
        if user is None:
            raise NotFound(f"There is no user with the address {email}.")
        set_password(
            session,
            user_id=user.id,
            password=password or made or "",
            by=COMMAND_LINE,
            ends_tokens=revoke_tokens,
        )
    click.echo(f"{user.name} has a new password." + (f" It is {made}" if made else ""))


@users.command("deactivate")
@click.argument("email")
@instance_option
@speaks_plainly
def deactivate(email: str, instance: Path | None) -> None:
    """Let somebody sign in no more; what they did stays under their name."""
    site = open_site(instance)
    with site.database.transaction() as session:
        user = find_user_by_email(session, email)
        if user is None:
            raise NotFound(f"There is no user with the address {email}.")
        change_user(
            session,
            user_id=user.id,
            role=user.role,
            department_id=user.department_id,
            is_active=False,
            by=COMMAND_LINE,
        )
    click.echo(f"{user.name} can sign in no more.")
