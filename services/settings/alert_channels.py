"""The addresses of alert channels, from process variables; what is wrong with one is said by its name alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import SecretStr

from services.channels import address
from services.errors import Problem
from services.settings.installation import problem
from services.settings.model import Alerts, Portal


def addresses(
    alerts: Alerts, variables: Mapping[str, str], environments: Collection[str], source: str, problems: list[Problem]
) -> dict[str, SecretStr]:
    """By channel. Each missing or wrong one is a problem, which never quotes a part of the address."""
    found = {}
    for channel in alerts.channels:
        where = f'alerts.channels "{channel.name}"'
        for name in channel.environments:
            if name not in environments:
                fix = f"Choose of: {', '.join(sorted(environments))}."
                problems.append(problem(source, where, f"names an unknown environment {name[:80]!r}.", fix))
        text = variables.get(channel.url_variable) or ""
        read = address.read(text) if text else "is not set."
        if isinstance(read, str):
            fix = "Set it, or take the channel out of [[alerts.channels]]." if not text else address.WAYS
            problems.append(problem(source, where, f"its variable {channel.url_variable} {read}", fix))
        else:
            found[channel.name] = SecretStr(text)
    if alerts.dead_man_url_variable is not None:
        text = variables.get(alerts.dead_man_url_variable) or ""
        wrong = address.web(text) if text else "is not set."
        if wrong:
            fix = "Set it to the address that takes the ping, or remove dead_man_url_variable."
            problems.append(problem(source, "alerts.dead_man_url_variable", f"its variable {wrong}", fix))
    return found


def dead_man(alerts: Alerts, variables: Mapping[str, str]) -> SecretStr | None:
    """The address that is called while all is at work; None where none is named."""
    name = alerts.dead_man_url_variable
    return SecretStr(variables[name]) if name is not None and variables.get(name) else None


def portal_url(alerts: Alerts, portal: Portal, stack: Mapping[str, Any]) -> str:
    """Where people open the portal: as the settings say, else as the running stack does; "" where nobody knows."""
    if alerts.portal_url is not None:
        return alerts.portal_url.rstrip("/")
    path = portal.base_path.strip("/")
    found = f"https://{portal.allowed_hosts[0]}" if portal.allowed_hosts else str(stack.get("address") or "")
    return (found.rstrip("/") + (f"/{path}" if path else "")) if found else ""
