"""Declared dependencies: what is written wrong is named with table, key and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import SettingsError
from services.settings import load
from services.settings.load import with_current_secrets
from services.settings.model import Settings

HEAD = '[[environments]]\nname = "p"\nbase_url = "http://p"\nenv_file = "p.env"\n'
SECRET = "planted-declared-secret"


def settings(folder: Path, text: str, env: str = "") -> Settings:
    (folder / "p.env").write_text(env)
    (folder / "greenlight.toml").write_text(HEAD + text)
    return load({"GREENLIGHT_CONFIG": str(folder / "greenlight.toml"), "GREENLIGHT_DATA": str(folder / "data")})


def declared(**fields: str) -> str:
    return "[[environments.dependencies]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())


def test_every_kind_is_declared_and_given_the_variables_that_it_names(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        declared(
            name='"crm"', kind='"http"', url='"http://h/x?y=1"', headers='{ A = "Bearer ${CRM}" }', required="true"
        )
        + declared(name='"db"', kind='"postgres"')
        + declared(name='"models"', kind='"model_api"', provider='"anthropic"')
        + declared(name='"mail"', kind='"smtp"', host='"h"', user_variable='"MU"', password_variable='"MP"')
        + declared(name='"job"', kind='"heartbeat"', cron='"0 6 * * *"')
        + declared(name='"port"', kind='"tcp"', host='"h"', port="1")
        + declared(name='"zone"', kind='"dns"', host='"h.example"', expect='["answers has 192.0.2.1"]'),
        f"CRM={SECRET}\nDATABASE_URL=postgresql://u:{SECRET}@h/d\nMU=u\nOTHER={SECRET}\n",
    ).environment("p")
    assert [item.name for item in found.dependencies] == ["crm", "db", "models", "mail", "job", "port", "zone"]
    assert sorted(found.variables) == ["CRM", "DATABASE_URL", "MU"]
    assert SECRET not in repr(found)
    (tmp_path / "p.env").write_text(f"CRM={SECRET}2\nMP=p\n")
    assert sorted(with_current_secrets(found).variables) == ["CRM", "MP"]


def test_durations_may_be_written_with_their_unit(tmp_path: Path) -> None:
    (job, port) = settings(
        tmp_path,
        declared(name='"job"', kind='"heartbeat"', every='"2h"', grace='"15m"', longest="600")
        + declared(name='"port"', kind='"tcp"', host='"h"', port="1", interval='"30s"', deadline="5"),
    ).environment("p").dependencies  # fmt: skip
    assert (job.every_s, job.grace_s, job.longest_s) == (7200, 900, 600)  # type: ignore[attr-defined]
    assert (port.interval_s, port.deadline_s) == (30, 5)


def test_the_table_of_the_report_may_keep_its_old_name(tmp_path: Path) -> None:
    found = settings(tmp_path, "dependencies = { slow_ms = 77 }\n").environment("p")
    assert (found.report.slow_ms, found.dependencies) == (77, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (declared(name='"crm"', kind='"ftp"'), ('dependencies[0 "crm"]', "no known kind: choose one of http, tcp")),
        (declared(name='"crm"'), ('dependencies[0 "crm"]', "no known kind")),
        (declared(name='"crm"', kind='"http"', url='"http://h"', colour='"red"'),
         ('environments[0 "p"].dependencies[0 "crm"].colour', "not a known setting")),
        (declared(name='"crm"', kind='"http"'), ('dependencies[0 "crm"].url', "Add it")),
        (declared(name='"crm"', kind='"http"', url='"ftp://h"'), ('dependencies[0 "crm"].url', "http or https")),
        (declared(name='"crm"', kind='"http"', url='"http://u:planted@h"'), ('dependencies[0 "crm"].url', "user name")),
        (declared(name='"crm"', kind='"http"', url='"http://h"', expect='["status = 200"]'),
         ('dependencies[0 "crm"].expect', "'status = 200'", "character 8", "an operator")),
        (declared(name='"crm"', kind='"http"', url='"http://h"', expect='["ms < 1", "json.a[ == 1"]'),
         ('dependencies[0 "crm"].expect', "character 12", "not closed")),
        (declared(name='"crm"', kind='"http"', url='"http://h"', headers='{ A = "${CRM_TOKEN}" }'),
         ('environments "p"', 'dependencies[0 "crm"].headers.A', "CRM_TOKEN, which is not set", "p.env")),
        (declared(name='"crm"', kind='"http"', url='"http://h"', headers='{ "A B" = "x" }'), ("no header's name",)),
        (declared(name='"redis"', kind='"tcp"', host='"h"', port="1"), ("built in: choose another",)),
        (declared(name='"a"', kind='"tcp"', host='"h"', port="1") * 2, ("two dependencies have the same name",)),
        (declared(name='"a"', kind='"tcp"', host='"h"', port="1", interval='"soon"'), ('dependencies[0 "a"].interval_s',)),
        (declared(name='"a"', kind='"tcp"', host='"h"', port="0"), ('dependencies[0 "a"].port',)),
        (declared(name='"a"', kind='"tcp"', host='"h"', port="1", interval_s="5", deadline_s="10"), ("two intervals",)),
        (declared(name='"a"', kind='"model_api"', provider='"compatible"'), ("needs url",)),
        ('objectives = [{ sli = "dependency_uptime:x", target = 0.9, burn = [] }]\n', ("there is no such dependency",)),
        ("dependencies = { slow_ms = 1 }\n" + declared(name='"a"', kind='"tcp"', host='"h"', port="1"), ("to report",)),
        ("dependencies = 5\n", ("dependencies",)),
        ("dependencies = [5]\n", ("dependencies[0]",)),
        ("[policy]\nstrict = []\n", ("policy.strict",)),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, text)
    for part in words:
        assert part in str(caught.value)
    assert "planted" not in str(caught.value)
