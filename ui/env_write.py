"""Fills in an env file without breaking it. Form, preview of names and actions, write, undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

import streamlit as st

from services import clock
from services.env_files import writer
from services.env_files.document import UnreadableSource
from services.envs import inspect, view, writing
from services.envs.catalogue import FLAGS, Catalogue, Key
from services.envs.plan import Action, RefusedPlan
from services.envs.writing import Preview
from services.fingerprint import installation_key
from services.settings.model import Environment
from ui import cached, env_validate, html, present, signin, widgets

PREVIEW = "env-preview"
GIVEN = "env-given"  # what was typed, until it is written or put away
DONE = "env-written"
INSIST = "Overwrite existing values for"
ACTS = {"add": "added", "change": "changed", "keep": "kept"}


@widgets.guarded
def page() -> None:
    """Choose, fill in, preview, write, see it validated again."""
    name = env_validate.chosen_environment()
    if name is None:
        return
    environment = cached.settings().environment(name)
    if environment.env_path is None:
        what = f"{name} is read from process variables, which can't be written here."
        html.show(html.answer("unknown", what, "Change them where they are set: in the hosting platform."))
        return
    try:
        found = view.validate(cached.store(), cached.settings(), cached.catalogue(), name, clock.now_ms())
        html.show(env_validate.answer(name, found))
        problems = {f.key for f in found.validation.findings if f.key and f.severity != "info"}
    except UnreadableSource as error:
        html.show(html.answer("unknown", f"There is nothing to read yet for {name}.", str(error)))
        problems = set(cached.catalogue().keys)
    _done(environment)
    waiting: Preview | None = st.session_state.get(PREVIEW)
    if waiting is not None and waiting.path == environment.env_path:
        _preview(environment, waiting)
    else:
        _form(environment, problems)
    _undo(environment)


def _form(environment: Environment, problems: set[str]) -> None:
    catalogue, path = cached.catalogue(), environment.env_path
    st.subheader("Fill in", anchor=False)
    st.caption(f"Empty fields change nothing. Nothing is written before you have seen a preview. File: {path}")
    everything = st.toggle("Show every key", value=not problems, key="env-every")
    keys = [k for k in catalogue.keys.values() if everything or k.name in problems]
    typed = _given(environment)
    with st.form("env-form"):
        given = {key.name: _field(key, environment, typed.values.get(key.name, "")) for key in keys}
        enforce = st.checkbox(f"Strict: set {' and '.join(FLAGS)} to true", value=typed.enforce)
        insist = st.multiselect(
            INSIST,
            [key.name for key in catalogue.keys.values()],
            default=sorted(typed.insist),
            help="A secret that is filled in stays as it is unless you name it here.",
        )
        if not st.form_submit_button("Preview", type="primary", icon=":material/preview:"):
            return
    st.session_state.pop(DONE, None)
    values = {name: value.strip() for name, value in given.items() if value.strip()}
    _make_preview(environment, catalogue, _Given(path, values, enforce, frozenset(insist)))


@dataclass(frozen=True, slots=True)
class _Given:
    """What was typed for a file; in memory only."""

    path: Path | None
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    enforce: bool = False
    insist: frozenset[str] = frozenset()


def _given(environment: Environment) -> _Given:
    kept = st.session_state.get(GIVEN)
    return kept if isinstance(kept, _Given) and kept.path == environment.env_path else _Given(environment.env_path)


def _field(key: Key, environment: Environment, typed: str) -> str:
    label, help_ = key.name, f"{key.purpose} {key.where}"
    if key.name in FLAGS or key.kind == "boolean":
        options = ["", "true", "false"]
        index = options.index(typed) if typed in options else 0
        return st.selectbox(label, options, index, help=help_, format_func=lambda v: v or "leave as it is")
    usual = key.first_value(environment.name, environment.role)
    return st.text_input(
        label, typed, type="password" if key.secret else "default", help=help_, placeholder=usual or key.where,
        autocomplete="off",
    )  # fmt: skip


def _make_preview(environment: Environment, catalogue: Catalogue, given: _Given) -> None:
    assert environment.env_path is not None  # noqa: S101 - page() has checked
    st.session_state[GIVEN] = given
    try:
        made = writing.preview(
            environment.env_path, catalogue, inspect.mode_of(environment), given.values, enforce=given.enforce,
            insist=given.insist,
        )  # fmt: skip
    except (RefusedPlan, UnreadableSource) as error:
        html.show(html.answer("fail", "This can't be written.", str(error)))
        return
    st.session_state[PREVIEW] = made
    st.rerun()


def _preview(environment: Environment, waiting: Preview) -> None:
    changes, given = waiting.plan.changes, _given(environment)
    kept = [action for action in waiting.plan.actions if action.act == "keep"]
    filled = [action.key for action in kept if action.insistable and action.key in given.values]
    st.subheader("Preview", anchor=False)
    if waiting.refused:
        first = waiting.refused[0]
        html.show(html.answer("fail", f"This can't be written: {first.advice.what}", first.advice.fix))
    elif filled:
        verb = "already has a value" if len(filled) == 1 else "already have values"
        then = "Press Replace to write yours, or go back. What you typed is kept."
        html.show(html.answer("warning", f"{' and '.join(filled)} {verb}.", then))
    elif not changes:
        html.show(html.answer("ok", "Nothing would change.", "Go back and fill in what is missing."))
    if changes and not waiting.refused:
        noun = "key" if len(changes) == 1 else "keys"
        what = f"{len(changes)} {noun} would change in {waiting.path.name}; the rest stays byte for byte."
        html.show(html.answer("warning", what, "A backup is kept, and one press brings it back."))
    parts = [_actions(changes)] if changes else []
    noun = "key stays as it is" if len(kept) == 1 else "keys stay as they are"
    parts.append(f"<details><summary>{len(kept)} {noun}</summary>{_actions(kept)}</details>")
    html.show(html.block(*parts))
    buttons = st.container(horizontal=True)
    for key in filled:
        if buttons.button(f"Replace {key}", icon=":material/swap_horiz:", key=f"env-replace-{key}"):
            _make_preview(environment, cached.catalogue(), replace(given, insist=given.insist | {key}))
    if (
        changes
        and not waiting.refused
        and buttons.button(
            "Write the file", type="primary", icon=":material/save:", key="env-write", **signin.may("write_env")
        )
    ):
        _write(environment, waiting)
    if buttons.button("Back", icon=":material/arrow_back:", key="env-back"):
        st.session_state.pop(PREVIEW, None)
        st.rerun()


def _actions(actions: Sequence[Action]) -> str:
    rows = [(f"<span class='key'>{escape(a.key)}</span>", ACTS[a.act], escape(a.why)) for a in actions]
    return html.table(("Key", "Will be", "Why"), rows)


def _write(environment: Environment, waiting: Preview) -> None:
    try:
        done = writing.write(waiting, clock.now(), by=signin.person())
    except writer.NotWritten as error:
        html.show(html.answer("fail", "Nothing was written.", str(error)))
        return
    finally:
        st.session_state.pop(PREVIEW, None)
    st.session_state.pop(GIVEN, None)
    kept = f" The file as it was is kept as {done.backup.name}." if done.backup else ""
    st.session_state[DONE] = f"{done.path.name} was written.{kept}"
    _record(environment)
    st.rerun()


def _record(environment: Environment) -> None:
    """Validated again: what now stands there is evidence."""
    settings, now = cached.settings(), clock.now_ms()
    seen = inspect.run(
        environment, settings, cached.catalogue(), key=installation_key(settings.data_dir),
        reported=inspect.reported_by_the_app(cached.store(), environment.name, now), now_ms=now,
    )  # fmt: skip
    inspect.record(cached.store(), seen, by=str(signin.person()), now_ms=now, always=True)


def _done(environment: Environment) -> None:
    said = st.session_state.get(DONE)
    if said:
        then = (
            f"Save the same values in the hosting platform of {environment.name} and redeploy: nothing applies before."
        )
        html.show(html.answer("ok", said, then))


def _undo(environment: Environment) -> None:
    path = environment.env_path
    kept = writer.backups(path) if path is not None and path.parent.is_dir() else ()
    if not kept or path is None:
        return
    st.caption(f"Undo brings back the file as it was before the last write ({_stamp(kept[0])}). What stands there now "
               "is kept, too.")  # fmt: skip
    if st.button("Undo the last write", icon=":material/undo:", key="env-undo", **signin.may("write_env")):
        try:
            done = writing.undo(path, clock.now(), by=signin.person())
        except writer.NotWritten as error:
            html.show(html.answer("fail", "Nothing was brought back.", str(error)))
            return
        st.session_state[DONE] = f"{done.path.name} is as it was before."
        _record(environment)
        st.rerun()


def _stamp(backup: Path) -> str:
    from datetime import UTC, datetime

    text = backup.name.rpartition(".backup-")[2].split("-")[0]
    moment = datetime.strptime(text, writer.STAMP).replace(tzinfo=UTC)
    return present.moment(int(moment.timestamp() * 1000), widgets.zone())
