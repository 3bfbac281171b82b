"""Whether the Inngest route is really mounted, and with keys. `serve()` of SDK 0.5 changes the app and returns nothing,
so code that mounts its return value leaves the route a 404: this looks at the application's routes themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI

from runtime.dependency import Dependency


@dataclass(frozen=True, kw_only=True, slots=True)
class InngestCheck:
    """A contract check for the Inngest route. `has_keys` says whether both keys are set and not empty."""

    app: FastAPI
    required: bool
    mode: Callable[[], str]
    has_keys: Callable[[], bool]
    path: str = "/inngest"
    dependency: str = "inngest"

    async def __call__(self) -> Dependency:
        """Mounted, and (in cloud mode) with keys that aren't empty."""
        mounted, mode, keys = is_mounted(self.app, self.path), self.mode(), self.has_keys()
        healthy = mounted and (mode == "dev" or keys)
        error = None
        if not mounted:
            error = f"{self.path} is not mounted"
        elif not healthy:
            error = "a key is missing or empty"
        return Dependency(
            name=self.dependency,
            required=self.required,
            healthy=healthy,
            configured=mounted,
            error=error,
            detail={"route_mounted": mounted, "mode": mode, "keys_present": keys},
        )


def is_mounted(app: FastAPI, path: str) -> bool:
    """Whether a route of that path takes the three methods that Inngest uses."""
    methods: set[str] = set()
    for route in app.routes:
        if getattr(route, "path", None) == path:
            methods |= set(getattr(route, "methods", None) or ())
    return {"GET", "POST", "PUT"} <= methods
