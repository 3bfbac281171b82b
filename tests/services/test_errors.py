"""The tree of errors: whole, drawn, and nothing else leaves the services."""

import importlib
import pkgutil

import services
from services import errors
from services.errors import GreenlightError

# Raised for the service itself, and caught in it; ValueError is what pydantic asks of a validator.
INSIDE = {"RedisTrouble", "WrongType", "NoGroup", "PatternStopped", "WrongPattern", "WrongCondition", "NotJson",
          "_NoReply", "_Gone", "_TooLarge", "_TooMuch", "CheckStopped", "WrongLine"}  # fmt: skip


def test_every_error_that_leaves_the_services_is_drawn() -> None:
    found = set()
    for module in pkgutil.walk_packages(services.__path__, "services."):
        if "migrations" in module.name:
            continue
        loaded = importlib.import_module(module.name)
        for item in vars(loaded).values():
            if isinstance(item, type) and issubclass(item, Exception) and item.__module__ == module.name:
                found.add(item)
    ours = {item for item in found if issubclass(item, GreenlightError)}
    assert {item.__name__ for item in found - ours} == INSIDE
    drawn = str(errors.__doc__)
    assert {
        item.__name__ for item in ours if f" {item.__name__} " not in drawn and item is not GreenlightError
    } == set()
