"""The platform's settings: what holds, from which place; what is wrong with it; nothing is run, nothing guessed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.deploys.findings import cost_factor, findings, ways
from services.deploys.forecast import Needed
from services.deploys.platform import Platform, read

BEFORE, AFTER = datetime(2026, 11, 21, 12, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
RAILWAY = {"deploy": {"overlapSeconds": 300, "drainingSeconds": 180, "startCommand": "python -m worker"}}


def platform(folder: Path, *, env: str = "", **files: object) -> Platform:
    (folder / "p.env").write_text(env)
    paths = []
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        paths.append(path)
    return read(folder / "p.env", tuple(paths), "production")


def codes(found: Platform, now: datetime = BEFORE, deploys: float | None = None) -> list[str]:
    return [finding.code for finding in findings(found, now, deploys_a_month=deploys)]


def test_unset_is_told_as_unset_and_counts_as_zero(tmp_path: Path) -> None:
    found = platform(tmp_path)
    assert codes(found) == ["overlap_unset", "draining_unset"]
    assert found.seconds("overlap", BEFORE) == 0


def test_variables_are_stronger_than_a_file_and_outlast_it(tmp_path: Path) -> None:
    env = "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS=20\nRAILWAY_DEPLOYMENT_DRAINING_SECONDS=30\n"
    found = platform(tmp_path, env=env, railway__json=RAILWAY)
    assert (found.seconds("overlap", BEFORE), found.seconds("draining", AFTER)) == (20, 30)
    value = found.effective("overlap", AFTER)
    assert value is not None
    assert value.source == "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS in p.env"


def test_what_stands_only_in_railway_json_is_named_with_the_days_left_and_what_holds_then(tmp_path: Path) -> None:
    found = platform(tmp_path, railway__json=RAILWAY)
    assert found.seconds("draining", BEFORE) == 180
    (told,) = findings(found, BEFORE, deploys_a_month=None)
    assert "in 9 days" in told.advice.what
    assert told.advice.what.endswith("draining, overlap, start command. Overlap and draining are then 0.")
    assert found.seconds("draining", AFTER) == 0
    assert codes(found, AFTER) == ["overlap_unset", "draining_unset", "only_in_file"]
    assert "has not been read since 1 December 2026" in findings(found, AFTER, deploys_a_month=None)[2].advice.what


def test_an_environment_s_own_settings_in_the_file_come_first(tmp_path: Path) -> None:
    own = RAILWAY | {"environments": {"production": {"deploy": {"overlapSeconds": 600}}}}
    assert platform(tmp_path, railway__json=own).seconds("overlap", BEFORE) == 600


def test_a_number_as_text_fails_a_deploy_before_it_starts(tmp_path: Path) -> None:
    found = platform(tmp_path, railway__json={"deploy": {"overlapSeconds": "300", "drainingSeconds": 1}})
    assert "number_as_text" in codes(found)
    assert platform(tmp_path, env="RAILWAY_DEPLOYMENT_DRAINING_SECONDS=90s\n").seconds("draining", BEFORE) == 0
    assert "draining_no_number" in codes(platform(tmp_path, env="RAILWAY_DEPLOYMENT_DRAINING_SECONDS=90s\n"))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("railway__json", '{\n "deploy": {,}\n}', "line 2, column 13"),
        ("railway__json", "[1]", "holds no table"),
        ("railway__json", "[" * 100_000, "nested too deep"),
        ("railway__toml", "[deploy\n", "is no TOML"),
        ("notes__txt", "overlapSeconds = 3", "is no settings file of the platform"),
    ],
)
def test_a_file_that_can_t_be_read_is_told_with_its_place(tmp_path: Path, name: str, text: str, words: str) -> None:
    found = platform(tmp_path, **{name: text})
    (unread,) = found.unread
    assert words in unread.why
    assert "unread" in codes(found)


def test_a_missing_file_and_one_of_bytes_are_told(tmp_path: Path) -> None:
    (tmp_path / "railway.json").write_bytes(b"\xff\xfe{")
    found = read(None, (tmp_path / "none.json", tmp_path / "railway.json"), "p")
    assert [item.source for item in found.unread] == ["none.json", "railway.json"]


def test_code_is_read_as_text_and_never_run(tmp_path: Path) -> None:
    code = """
    import { service } from "x";
    export default service({ startCommand: "sh -c 'node worker.js'", healthcheckPath: '/api/health/ready',
      numReplicas: 2, drainingSeconds: seconds(), sleepApplication: true });
    """
    found = platform(tmp_path, railway__ts=code)
    values = {value.field: value.value for value in found.values}
    assert values["start"] == "sh -c 'node worker.js'"
    assert (values["health_path"], values["replicas"], values["sleeps"]) == ("/api/health/ready", "2", "true")
    assert {"shell", "sleeps"} <= set(codes(found, AFTER))
    ran = tmp_path / "ran"
    platform(tmp_path, railway__py=f'open({str(ran)!r}, "w")\nstartCommand = "exec python -m worker"\n')
    assert not ran.exists()


@pytest.mark.parametrize(
    ("deploy", "code"),
    [
        ({"startCommand": "npm start"}, "shell"),
        ({"startCommand": "cd app && python -m worker"}, "shell"),
        ({"startCommand": "sh -c 'exec python -m worker'"}, ""),
        ({"startCommand": "python -m worker", "restartPolicyType": "ON_FAILURE"}, "on_failure"),
        ({"startCommand": "uvicorn app:app", "restartPolicyType": "ON_FAILURE"}, ""),
        ({"startCommand": "python -m worker", "sleepApplication": True}, "sleeps"),
        ({"startCommand": "uvicorn app:app & python -m worker"}, "together"),
        ({"requiredMountPath": "/data"}, "volume"),
    ],
)
def test_settings_that_undo_each_other(tmp_path: Path, deploy: dict[str, object], code: str) -> None:
    env = "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS=20\nRAILWAY_DEPLOYMENT_DRAINING_SECONDS=30\n"
    found = [
        c for c in codes(platform(tmp_path, env=env, railway__json={"deploy": deploy})) if c != "only_in_file_soon"
    ]
    assert code in found if code else found == []


def test_the_cost_of_overlap_is_the_share_of_a_month_in_which_two_versions_run(tmp_path: Path) -> None:
    assert cost_factor(300, 288) == pytest.approx(1 + 288 * 300 / 2_592_000)
    assert cost_factor(3600, 10_000) == 2
    env = "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS=3600\nRAILWAY_DEPLOYMENT_DRAINING_SECONDS=30\n"
    assert codes(platform(tmp_path, env=env), deploys=1000) == ["cost"]
    assert codes(platform(tmp_path, env=env), deploys=20) == []


def test_the_ways_out_name_seconds_that_cover_the_longest_run() -> None:
    assert ways(None, AFTER)[0].lines == (
        "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS=300",
        "RAILWAY_DEPLOYMENT_DRAINING_SECONDS=180",
    )
    for longest in (481, 1000, 3600):
        lines = ways(Needed(seconds=longest, sure=True), AFTER)[0].lines
        assert sum(int(line.partition("=")[2]) for line in lines) >= longest
    assert [way.name for way in ways(Needed(seconds=30, sure=False), AFTER)] == ["A", "B", "C"]


def test_a_secret_beside_the_platform_s_variables_is_not_read(tmp_path: Path) -> None:
    found = platform(tmp_path, env="REDIS_URL=redis://:planted-secret@h/0\nRAILWAY_DEPLOYMENT_OVERLAP_SECONDS=5\n")
    assert "planted-secret" not in repr(found)


def test_a_file_that_has_no_effect_any_more_is_not_offered() -> None:
    before, after = ways(None, BEFORE)[0].files, ways(None, AFTER)[0].files
    assert json.loads(before[0][1]) == {"deploy": {"overlapSeconds": 300, "drainingSeconds": 180}}
    assert len(after) == 1
    assert "Not confirmed by the platform" in after[0][1]


@pytest.mark.parametrize("name, text", [
    ("railway.ts", "// overlapSeconds: 300"), ("railway.ts", "/* drainingSeconds:\n 3 */"), ("railway.py", "  # overlapSeconds = 9"),
])  # fmt: skip
def test_what_is_commented_out_is_not_set(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text + "\nexport const url = 'https://x/y';\nhealthcheckPath: '/live'\n")
    found = read(None, (tmp_path / name,), "p")
    assert [value.field for value in found.values] == ["health_path"]
