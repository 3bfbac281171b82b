"""The gate for pipelines: its status says clear, busy, not known; a wrong time is refused in a sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import deploy_gate
from tests.conftest import Served
from tests.services.dependencies.test_inngest_server import Fake, row
from tests.services.deploys.test_light import settings_file

Serve = Callable[..., Served]


@pytest.mark.parametrize(
    ("rows", "status", "exit_", "clear"),
    [([], 200, 0, True), ([row("01A", "RUNNING", ended_s=None)], 200, 1, False), ([], 401, 3, None)],
)
def test_the_command_line_s_status_is_for_pipelines(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    rows: list[dict[str, object]], status: int, exit_: int, clear: bool | None,
) -> None:  # fmt: skip
    fake = Fake()
    fake.rows, fake.status["runs"] = rows, (status, {})
    for name, value in settings_file(tmp_path, serve(fake.app()).url).items():
        monkeypatch.setenv(name, value)
    assert deploy_gate.main(["--env", "p", "--json"]) == exit_
    made = json.loads(capsys.readouterr().out)
    assert (made["environment"], made["clear"]) == ("p", clear)
    assert set(made) >= {"in_flight", "clear_in_s", "as_of"}
    assert deploy_gate.main(["--env", "none"]) == 2


@pytest.mark.parametrize("text", ["15", "x", "s", "25h", "1.5m", "٣m"])
def test_a_time_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    if text == "15":
        assert deploy_gate._duration(text) == 15
        return
    with pytest.raises(SystemExit) as ended:
        deploy_gate.main(["--env", "p", "--wait", text])
    assert ended.value.code == 2
    assert "write 90s, 15m or 1h" in capsys.readouterr().err
