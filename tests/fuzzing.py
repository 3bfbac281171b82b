"""How many generated examples a fuzz test tries. A few in the plain run, a hundred times as many with `-m soak`.

A fuzz test stands once. `tests/conftest.py` sets `factor` before test modules are imported, and gives every fuzz test
the marker `soak` in a run that asks for that: `python3 start.py test -m soak -k fuzz`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

LONG = 100
factor = 1

Test = TypeVar("Test", bound=Callable[..., Any])


def fuzz(examples: int) -> Callable[[Test], Test]:
    """Mark a Hypothesis test as a fuzz test with that many examples in the plain run, always the same ones there."""
    arranged = settings(
        max_examples=examples * factor, derandomize=factor == 1, suppress_health_check=list(HealthCheck)
    )

    def mark(test: Test) -> Test:
        marked: Test = pytest.mark.timeout(900 * factor)(pytest.mark.fuzz(arranged(test)))
        return marked

    return mark
