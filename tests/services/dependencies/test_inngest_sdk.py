"""Our reading of the SDK's rules is the SDK's own."""

import itertools

import inngest
import pytest

from services.dependencies.inngest import sdk as inngest_sdk

ENVIRONMENTS = [
    dict(
        zip(
            ("INNGEST_BASE_URL", "INNGEST_API_BASE_URL", "INNGEST_EVENT_API_BASE_URL", "INNGEST_DEV"),
            values,
            strict=True,
        )
    )
    for values in itertools.product(
        ("", "http://base:1", "base.example"),
        ("", "http://api:2"),
        ("", "http://event:3"),
        ("", "1", "no", "http://dev:4"),
    )
]


@pytest.mark.parametrize("variables", ENVIRONMENTS)
def test_it_looks_for_its_server_where_the_sdk_does(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*inngest_sdk.ADDRESSES, "INNGEST_DEV", "INNGEST_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        if value:
            monkeypatch.setenv(name, value)
    client = inngest.Inngest(app_id="t", signing_key="ab" * 32)
    cloud = client.is_production
    assert cloud is not inngest_sdk.is_dev(variables["INNGEST_DEV"])
    api, event = inngest_sdk.origins(variables, cloud=cloud)
    assert (api, event) == (client.api_origin.rstrip("/"), client.event_api_origin.rstrip("/"))
