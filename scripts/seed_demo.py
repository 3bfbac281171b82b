"""Give the simulated environments their generated past, once: `python scripts/seed_demo.py`. Exit 0, or 2."""

from __future__ import annotations

import sys

from services import clock, simulation
from services.crash import guarded
from services.errors import GreenlightError
from services.settings import load
from services.store import Store
from services.store.migrate import migrate


def main() -> int:
    """Seed every simulated environment that has no past yet."""
    try:
        settings = load()
        store = Store.open(settings.database_url.get_secret_value())
        migrate(store)
        for environment in settings.environments:
            if simulation.seed(store, environment, clock.now_ms()):
                print(f"{environment.name}: {simulation.DAYS} simulated days were generated")
    except GreenlightError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(guarded("seed_demo.py", main))
