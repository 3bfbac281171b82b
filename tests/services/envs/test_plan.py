"""Writing changes what was planned and nothing else, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.env_files.document import from_text
from services.envs import catalogue as catalogues
from services.envs.findings import Mode
from services.envs.plan import Plan, RefusedPlan, make, wanted_values

CATALOGUE = catalogues.load()


def planned(text: str, wanted: dict[str, str], *, insist: str = "", explicit: bool = True) -> Plan:
    names = frozenset(wanted) if explicit else frozenset[str]()
    return make(from_text(text, "f"), CATALOGUE, wanted, insist=frozenset(insist.split()), explicit=names)


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        ("A=1\n", {"A": "2"}, "A=2\n"),
        ("A=1", {"A": "2"}, "A=2"),
        ("A = 1 # why\n", {"A": "2"}, "A = 2 # why\n"),
        ("export A='x' # why\r\nB=1\r\n", {"A": "2"}, "export A=2 # why\r\nB=1\r\n"),
        ("A='x'#why\n", {"A": "2"}, "A=2 #why\n"),
        ("A= # why\n", {"A": "2"}, "A=2 # why\n"),
        ("A\n", {"A": "2"}, "A\n\n# Other keys\nA=2\n"),
        ("# c\n\n  A=1\n# d\n", {"A": "2"}, "# c\n\n  A=2\n# d\n"),
        ("A=1\nA=2\n", {"A": "3"}, "A=1\nA=3\n"),
        ("A='1\n2'\nB=1\n", {"A": "3"}, "A=3\nB=1\n"),
        ("B=1", {"A": "2"}, "B=1\nA=2\n"),
        ("B=1\r\n", {"A": "2"}, "B=1\r\nA=2\r\n"),
        ("\ufeffB=1\n", {"B": "2"}, "\ufeffB=2\n"),
        ("bad line\nA=1\n", {"A": "2"}, "bad line\nA=2\n"),
        ("A=1\n", {"A": "p#w d'\\"}, "A='p#w d\\'\\\\'\n"),
        ("INNGEST_EVENT_KEY=\n", {"INNGEST_EVENT_KEY": "k"}, "INNGEST_EVENT_KEY=k\n"),
        ("INNGEST_EVENT_KEY=<key>\n", {"INNGEST_EVENT_KEY": "k"}, "INNGEST_EVENT_KEY=k\n"),
    ],
)
def test_an_upsert_leaves_the_rest_as_it_was(before: str, wanted: dict[str, str], after: str) -> None:
    assert planned(before, wanted).text == after


LINES = st.lists(
    st.sampled_from(
        [
            "A=1",
            "B='x y'",
            'C="q\\"" # c',
            "# note",
            "",
            "export D=4",
            "bad line",
            "E",
            "F= # c",
            "G='1\n2'",
            "H==",
            "  I=1",
        ]
    ),
    max_size=8,
)
VALUES = st.text(alphabet=st.sampled_from("ab1 #'\"\\=$:/@!é"), min_size=1, max_size=12).map(str.strip).filter(bool)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.sampled_from("ABCDEFGHIJ"), VALUES)
def test_any_value_reads_back_and_every_other_key_keeps_its_own(
    lines: list[str], end: str, key: str, value: str
) -> None:
    text = end.join(line.replace("\n", end) for line in lines)
    before = from_text(text, "f")
    try:
        plan = planned(text, {key: value})
    except RefusedPlan:
        assert "$" in value  # `${` can't be written
        return
    after = from_text(text if plan.text is None else plan.text, "f")
    assert after.values[key] == value
    assert {k: v for k, v in after.values.items() if k != key} == {k: v for k, v in before.values.items() if k != key}
    if plan.text is None:
        return
    if key not in before.values:
        assert plan.text.startswith(text)
        return
    place = max(n for n, piece in enumerate(before.pieces) if piece.key == key)
    assert plan.text.startswith("".join(p.text for p in before.pieces[:place]))
    assert plan.text.endswith("".join(p.text for p in before.pieces[place + 1 :]))


@pytest.mark.parametrize(
    ("before", "wanted", "insist", "act"),
    [
        ("INNGEST_EVENT_KEY=old\n", {"INNGEST_EVENT_KEY": "new"}, "", "keep"),
        ("INNGEST_EVENT_KEY=old\n", {"INNGEST_EVENT_KEY": "new"}, "INNGEST_EVENT_KEY", "change"),
        ("INNGEST_EVENT_KEY=old\n", {"INNGEST_EVENT_KEY": ""}, "INNGEST_EVENT_KEY", "keep"),
        ("MY_API_TOKEN=old\n", {"MY_API_TOKEN": "new"}, "", "keep"),
        ("COLOUR=old\n", {"COLOUR": ""}, "", "keep"),
        ("COLOUR=old\n", {"COLOUR": "new"}, "", "change"),
    ],
)
def test_a_filled_secret_stays_unless_somebody_insists(
    before: str, wanted: dict[str, str], insist: str, act: str
) -> None:
    assert [a.act for a in planned(before, wanted, insist=insist).actions] == [act]


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "${HOME}", " a", "a\x7f"])
def test_a_value_that_would_not_read_back_is_refused_without_being_quoted(value: str) -> None:
    with pytest.raises(RefusedPlan) as refused:
        planned("", {"A": value})
    assert value not in str(refused.value)


def test_a_plan_says_names_and_actions_and_its_repr_no_value() -> None:
    plan = planned("REDIS_URL=rediss://planted\n", {"INNGEST_EVENT_KEY": "planted"})
    assert "planted" not in repr(plan)


def test_a_new_file_is_grouped_and_passes_once_the_secrets_are_there() -> None:
    given = {
        "REDIS_URL": "rediss://default:pw@h.io:6379", "INNGEST_SIGNING_KEY": "signkey-test-00ff",
        "INNGEST_EVENT_KEY": "k", "INNGEST_WEBHOOK_URL": "https://s.io/inngest", "DASHBOARD_AUTH_TOKEN": "t",
    }  # fmt: skip
    empty, mode = from_text("", "f"), Mode.of("staging")
    wanted = wanted_values(empty, CATALOGUE, mode, given, enforce=True)
    plan = make(empty, CATALOGUE, wanted, explicit=frozenset(given))
    assert plan.text is not None
    assert plan.text.startswith("# Policy\nENVIRONMENT=staging\n")
    assert "INNGEST_SERVE_ORIGIN=https://s.io\n" in plan.text

    from services.envs.validation import validate

    assert validate(from_text(plan.text, "f"), CATALOGUE, mode, strict=True).result == "PASS"


def test_enforcing_switches_both_flags_on() -> None:
    text = "REDIS_REQUIRED=false\nINNGEST_REQUIRED=false\n"
    document = from_text(text, "f")
    wanted = wanted_values(document, CATALOGUE, Mode.of("staging"), {}, enforce=True)
    flags = {"REDIS_REQUIRED", "INNGEST_REQUIRED"}
    plan = make(document, CATALOGUE, {k: v for k, v in wanted.items() if k in flags}, explicit=frozenset(flags))
    assert plan.text == text.replace("false", "true")
