"""The settings' environments, and adding one: answers, a trial by the worker, a preview, a write, undo."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Literal, get_args, get_origin

import streamlit as st

from services import clock, requests
from services.dependencies.model import dependency_of
from services.dependencies.probes import probes_of
from services.dependencies.registry import KINDS
from services.env_files import writer
from services.environments import draft, trial
from services.environments.draft import Draft, Plan
from services.errors import SettingsError
from services.evidence import decisions
from services.paths import config_path
from services.settings.model import Environment
from ui import cached, html, present, signin, widgets

PLAN, JOB, DONE = "environments-plan", "environments-job", "environments-done"
ROLES = {
    "staging": "staging: soaks for production",
    "production": "production: asked for a Go",
    "other": "other: watched, never asked for a Go",
}
SOURCES = {
    "none": "from nowhere yet",
    "file": "from an env file",
    "prefix": "from variables of Greenlight's own process",
}
DECLARABLE = {name: kind for name, kind in KINDS.items() if kind.settings is not None}


@widgets.guarded
def configured() -> None:
    """What is configured, from which file, and whether the newest settings are in use."""
    settings = cached.settings()
    if trouble := cached.settings_trouble():
        html.show(html.answer("fail", trouble, "Correct the file. It is read again within seconds."))
    if said := st.session_state.get(DONE):
        html.show(html.answer("ok", said, "The worker starts with it within seconds; then it is on Overview."))
    rows = [
        (
            html.link(e.name, "dependency_health", env=e.name) + (f" {html.simulated()}" if e.simulated else ""),
            e.role,
            escape(e.owner) or "–",
            f"<span class='key'>{escape(e.base_url)}</span>",
            escape(e.secrets_source),
            escape(", ".join(_watched(e))),
        )
        for e in settings.environments
    ]
    head = ("Environment", "Role", "Owner", "Address", "Secrets come from", "Watched")
    where = f'<p class="dim">Read from <span class="key">{escape(settings.source)}</span>.</p>'
    html.show(html.block(html.heading("Configured"), where, html.table(head, rows)))
    _undo()


def _watched(environment: Environment) -> list[str]:
    return list(dict.fromkeys(present.title(dependency_of(probe.name)) for probe in probes_of(environment)))


@widgets.guarded
def add() -> None:
    """The form; then, for a draft that could be written, its trial, its preview and the write."""
    html.show(html.block(html.heading("Add an environment", "Nothing is written before you have seen a preview.")))
    plan: Plan | None = st.session_state.get(PLAN)
    if plan is None:
        _form()
        return
    _trial(plan)
    _preview(plan)


def _form() -> None:
    answers: dict[str, Any] = st.session_state.setdefault("environments-answers", {})
    left, right = st.columns(2)
    answers["name"] = left.text_input("Name", answers.get("name", ""), placeholder="staging", max_chars=40)
    answers["role"] = right.selectbox(
        "Role", list(ROLES), list(ROLES).index(answers.get("role", "staging")), format_func=lambda r: ROLES[r]
    )
    answers["base_url"] = st.text_input(
        "Address of the application", answers.get("base_url", ""), placeholder="https://staging.example.com",
        help="Its base URL; Greenlight asks /api/health/ready below it. No user name, no password.",
    )  # fmt: skip
    answers["owner"] = st.text_input(
        "Who answers for it (optional)", answers.get("owner", ""), placeholder="Payments team", max_chars=100,
        help="A person or a team, named in reports beside open risks.",
    )  # fmt: skip
    answers["source"] = st.radio(
        "Its secrets come", list(SOURCES), list(SOURCES).index(answers.get("source", "none")),
        format_func=lambda s: SOURCES[s], horizontal=True,
        help="Its keys, passwords and addresses with a password. They are read into memory, never shown or stored.",
    )  # fmt: skip
    if answers["source"] == "file":
        answers["place"] = st.text_input("Env file", answers.get("place", ""), placeholder="staging.env",
                                         help=f"Relative to {config_path().resolve().parent}.")  # fmt: skip
    elif answers["source"] == "prefix":
        answers["place"] = st.text_input("Prefix of the variables", answers.get("place", ""), placeholder="STAGING_")
    wanted = st.multiselect("Also watch", list(DECLARABLE), default=answers.get("kinds", []),
                            format_func=lambda kind: DECLARABLE[kind].title)  # fmt: skip
    answers["kinds"] = wanted
    answers["items"] = [_dependency(kind, answers) for kind in wanted]
    if st.button("Preview", type="primary", icon=":material/preview:"):
        _make_plan(answers)


def _dependency(kind: str, answers: dict[str, Any]) -> dict[str, Any]:
    """What is asked of a dependency: its name, what its kind needs, and whether it is required."""
    st.caption(DECLARABLE[kind].gloss)
    fields = DECLARABLE[kind].asks
    kept: dict[str, Any] = answers.setdefault(f"of-{kind}", {})
    columns = st.columns(len(fields) + 2, vertical_alignment="bottom")
    kept["name"] = columns[0].text_input("Name", kept.get("name", kind.replace("_", "-")), key=f"{kind}-name")
    for column, name in zip(columns[1:], fields, strict=False):
        kept[name] = _answer(column, kind, name, kept.get(name))
    kept["required"] = columns[-1].checkbox(
        "Required", kept.get("required", False), key=f"{kind}-required",
        help="Without it the application can't work: it decides the verdict.",
    )  # fmt: skip
    return {"name": kept["name"], "kind": kind, **{name: kept[name] for name in fields}, "required": kept["required"]}


def _answer(column: Any, kind: str, name: str, kept: Any) -> Any:
    table = DECLARABLE[kind].settings
    assert table is not None  # noqa: S101 - only those that can be declared are offered
    found = table.model_fields[name]
    label, usual = name.replace("_", " ").capitalize(), None if found.is_required() else found.default
    shown = kept if kept is not None else usual
    if get_origin(found.annotation) is Literal:
        options = list(get_args(found.annotation))
        return column.selectbox(label, options, options.index(shown) if shown in options else 0, key=f"{kind}-{name}")
    if found.annotation is int:
        return int(column.number_input(label, 1, 65_535, value=shown or 443, key=f"{kind}-{name}"))
    if name.endswith("_s"):
        return float(column.number_input(label.removesuffix(" s") + ", seconds", 1.0, value=float(shown or 3600),
                                         key=f"{kind}-{name}"))  # fmt: skip
    return column.text_input(label, shown or "", key=f"{kind}-{name}").strip()


def _make_plan(answers: Mapping[str, Any]) -> None:
    place = str(answers.get("place", "")).strip()
    made = Draft(
        name=answers["name"].strip(), role=answers["role"], base_url=answers["base_url"].strip(),
        owner=answers["owner"].strip(),
        env_file=place if answers["source"] == "file" else "",
        env_prefix=place if answers["source"] == "prefix" else "",
        dependencies=tuple(answers["items"]),
    )  # fmt: skip
    try:
        st.session_state[PLAN] = draft.plan(made)
    except SettingsError as error:
        rows = "".join(
            f"<li>{html.badge('fail')} {escape(problem.key)} {escape(str(problem.advice))}</li>"
            for problem in error.problems
        )
        html.show(html.answer("fail", "This can't be added as it is.", "Correct what is named, then preview again."))
        html.show(html.block(f"<ul>{rows}</ul>"))
        return
    st.session_state.pop(DONE, None)
    st.rerun()


@st.fragment(run_every=1.0)
@widgets.guarded
def _trial(plan: Plan) -> None:
    """The worker tries each probe once; pages probe nothing."""
    id_ = st.session_state.get(JOB)
    job = requests.find(cached.store(), id_) if id_ else None
    busy = job is not None and job.state in {"queued", "running"}
    allowed = signin.may("configure", "The worker checks each dependency once. Nothing is counted.")
    if st.button("Test it", icon=":material/radar:", key="environments-try",
                 **allowed | {"disabled": busy or allowed["disabled"]}):  # fmt: skip
        me = signin.person()
        number = draft.keep(cached.store(), plan, by=me)
        st.session_state[JOB] = requests.try_draft(cached.store(), cached.settings(), plan.name, number, by=me).id
        st.rerun(scope="fragment")
    if job is None:
        return
    if busy:
        html.show(html.block(f'<div class="dim">{escape(widgets.job_words(job))}</div>'))
        return
    found = trial.from_text(job.message)
    if job.state == "failed" or not found:
        html.show(html.answer("unknown", "It could not be tested.", job.message))
        return
    counts = trial.outcome(found)
    bad = counts["down"]
    noun = "check" if len(found) == 1 else "checks"
    what = f"{len(found) - bad} of {len(found)} {noun} did not fail; {counts['ok']} passed."
    html.show(html.answer("warning" if bad else "ok", what, "You may add it as it is: what fails is then shown."))
    rows = [
        (escape(present.title(item.probe)), html.badge(item.state), escape(item.what) +
         (f'<div class="dim">{escape(item.fix)}</div>' if item.state not in {"ok", "slow"} else ""),
         present.milliseconds(item.latency_ms) if item.latency_ms is not None else "–")
        for item in found
    ]  # fmt: skip
    html.show(html.block(html.table(("Check", "Result", "Finding", "Took"), rows)))


def _preview(plan: Plan) -> None:
    st.subheader(f"Preview of {plan.path.name}", anchor=False)
    st.code(plan.diff, language="diff")
    buttons = st.container(horizontal=True)
    if draft.writable(plan.path):
        label = f"Add {plan.name}"
        if buttons.button(label, type="primary", icon=":material/save:", **signin.may("configure")):
            _write(plan)
    else:
        html.show(html.answer("unknown", f"{plan.path} can't be written from here.",
                              "Copy this to its end where it is kept, and deploy it."))  # fmt: skip
        st.code(plan.table, language="toml")
    if buttons.button("Back", icon=":material/arrow_back:"):
        _put_away()
        st.rerun()
    with st.expander("For the application: the three routes that Greenlight asks", icon=":material/code:"):
        st.code(draft.snippet(plan.name), language="python")


def _write(plan: Plan) -> None:
    try:
        done = draft.write(cached.store(), plan, clock.now(), by=signin.person())
    except writer.NotWritten as error:
        html.show(html.answer("fail", "Nothing was written.", str(error)))
        return
    cached.look_again()
    kept = f" The file as it was is kept as {done.backup.name}." if done.backup else ""
    st.session_state[DONE] = f"{plan.name} was added to {plan.path.name}.{kept}"
    st.session_state.pop("environments-answers", None)
    _put_away()
    st.rerun()


def _put_away() -> None:
    for slot in (PLAN, JOB):
        st.session_state.pop(slot, None)


def _undo() -> None:
    path = config_path().resolve()
    kept = writer.backups(path) if path.parent.is_dir() else ()
    if not kept:
        return
    if st.button("Undo the last write", icon=":material/undo:", key="environments-undo", **signin.may("configure")):
        try:
            draft.check_undo(path)
            draft.undo(cached.store(), cached.settings(), path, clock.now(), by=signin.person())
        except (writer.NotWritten, SettingsError) as error:
            html.show(html.answer("fail", "Nothing was brought back.", str(error)))
            return
        cached.look_again()
        st.session_state[DONE] = f"{path.name} is as it was before the last write."
        st.rerun()


@widgets.guarded
def history() -> None:
    """Who changed the settings here, newest first."""
    with cached.store().read() as connection:
        found = decisions.everywhere(connection, draft.KIND)
    if not found:
        return
    zone = widgets.zone()
    rows = [
        (escape(d.environment), escape(d.note), escape(d.who), present.moment(d.at_ms, zone, short=True)) for d in found
    ]
    html.show(html.block(html.heading("Changes made here"), html.table(("Environment", "What", "By", "When"), rows)))
