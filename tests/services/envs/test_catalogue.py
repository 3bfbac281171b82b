"""The catalogue is data: a team adds and corrects keys in a file of its own, and is told what is wrong in it."""

from pathlib import Path

import pytest

from services.envs import catalogue as catalogues
from services.errors import SettingsError


def team(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "greenlight.keys.toml"
    path.write_text(text)
    return path


def test_every_key_of_the_domain_is_described() -> None:
    found = catalogues.load()
    assert len(found.keys) >= 22
    for key in found.keys.values():
        assert key.purpose.endswith(".")
        assert key.where.endswith(".")
        assert key.group in found.groups


def test_a_team_adds_a_key_and_corrects_another(tmp_path: Path) -> None:
    found = catalogues.load(
        team(
            tmp_path,
            'groups = [{ id = "billing", title = "Billing" }]\n'
            '[[keys]]\nname = "STRIPE_KEY"\ngroup = "billing"\nsecret = true\nneed = "required"\n'
            'relation = "must_differ"\npurpose = "Charges cards."\nwhere = "Stripe."\n'
            '[[keys]]\nname = "CONTEXT_REDIS_PREFIX"\ntemplate = "acme:<env>:context"\n',
        )
    )
    assert found.key("STRIPE_KEY").need == "required"
    assert found.group_title("billing") == "Billing"
    assert found.key("CONTEXT_REDIS_PREFIX").expected("staging") == "acme:staging:context"
    assert found.key("CONTEXT_REDIS_PREFIX").purpose.startswith("Prefix")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keys = 3", "is not a list of tables"),
        ("[[keys]]\nname = 3", "is missing or no name"),
        ('[[keys]]\nname = "A"\nkind = "colour"', "has the kind 'colour'; choose one of: text"),
        ('[[keys]]\nname = "A"\nsecret = "yes"', "has a secret of the wrong type"),
        ('[[keys]]\nname = "A"\ncolour = "red"', "has the unknown field 'colour'"),
        ('[[keys]]\nname = "A"\nrefused_sha256 = ["x"]', "64 lower-case hexadecimal digits"),
        ("more = 1", "is not known here"),
        ("[[keys", "is not valid TOML"),
    ],
)
def test_what_is_wrong_in_a_teams_file_is_said(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=r"greenlight\.keys\.toml") as wrong:
        catalogues.load(team(tmp_path, text))
    assert says in str(wrong.value)
