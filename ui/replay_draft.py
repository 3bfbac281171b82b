"""One draft case: what happened, what was taken out of it, and what must hold, which a person writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import streamlit as st

from services.access import Person
from services.errors import GreenlightError
from services.replay import kinds
from services.replay.authoring import drafts
from services.replay.authoring.drafts import Draft
from services.replay.authoring.suggestions import in_words
from ui import cached, html, replay_drafts, signin, widgets

CRITERION = "expected"
WAYS: Mapping[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "contains": ("The answer contains", lambda text: {"kind": "text_contains", "all_of": [text]}),
    "lacks": ("The answer does not contain", lambda text: {"kind": "text_forbidden", "any_of": [text]}),
    "calls": ("It calls the tool", lambda text: {"kind": "tool_required", "tool": text}),
    "never": ("It does not call the tool", lambda text: {"kind": "tool_forbidden", "tool": text}),
    "refuses": ("It refuses", lambda _text: {"kind": "refusal"}),
}


@widgets.guarded
def page(id_: str) -> None:
    """The draft; a form that saves all of it, and the acts below."""
    html.show(html.block(f"<p>{html.link('All draft cases', 'replay_harness', view='drafts')}</p>"))
    draft = drafts.get(cached.store(), cached.settings(), id_)
    if draft is None:
        html.show(
            html.answer("unknown", "There is no such draft.", "It may have another address. Open all draft cases.")
        )
        return
    if said := st.session_state.pop(replay_drafts.DONE, None):
        html.show(html.answer("ok", *said))
    _answer(draft)
    _origin(draft)
    if draft.state == "draft":
        _form(draft)
        _acts(draft)
        _kinds()


def _answer(draft: Draft) -> None:
    title = str(draft.case["title"])
    if draft.state != "draft":
        then = "It counts in every run." if draft.state == "published" else "It stays in the store, and counts nowhere."
        html.show(html.answer("ok" if draft.state == "published" else "unknown", f"{title}: {draft.state}.", then,
                              mark=draft.simulated))  # fmt: skip
    elif draft.problems:
        html.show(html.answer("unknown", f"{title}: not written yet.", draft.problems[0], mark=draft.simulated))
    elif draft.missing:
        names = ", ".join(a.who for a in draft.agreed) or "nobody"
        then = f"Behind it stands {names}. People who must still agree: {draft.missing}."
        html.show(html.answer("unknown", f"{title}: written.", then, mark=draft.simulated))
    else:
        html.show(html.answer("ok", f"{title}: ready.", "Publish it on the list of draft cases.", mark=draft.simulated))


def _origin(draft: Draft) -> None:
    own = draft.case["provenance"]
    titles = {"source": "From", "author": "By", "added": "On", "why": "Why", "trace": "Trace", "run": "Run",
              "incident": "Incident"}  # fmt: skip
    rows = [(escape(title), escape(str(own[name]))) for name, title in titles.items() if own.get(name)]
    html.show(html.block(html.table(("Origin", ""), rows)))
    if draft.removed:
        taken = [(escape(str(r["path"])), escape(f"{r['number']} × {r['what']}"), escape(str(r["stand_in"])))
                 for r in draft.removed]  # fmt: skip
        head = html.heading("Taken out", "Known forms of credentials and personal data. Names have no form: read it.")
        html.show(html.block(head, html.table(("Where", "What", "Now there"), taken)))
    if draft.answer:
        with st.expander("What the agent answered then"):
            st.caption("A help for you. It is no expectation: what it did then may have been wrong.")
            st.code(draft.answer, language=None, wrap_lines=True)


def _form(draft: Draft) -> None:
    case = draft.case
    st.subheader("What must hold", anchor=False)
    with st.form("draft-edit"):
        chosen = _suggested(draft)
        left, right = st.columns([2, 3], vertical_alignment="bottom")
        way = left.selectbox(
            "Or in your words",
            [None, *WAYS],
            format_func=lambda key: WAYS[key][0] if key else "Nothing more",
            key=f"draft-way-{draft.edition}",
        )
        said = right.text_input("Text or tool", max_chars=200, key=f"draft-said-{draft.edition}")
        critical = st.checkbox(
            "A failure of this case blocks the build", value=bool(case["criteria"][0].get("critical"))
        )
        title = st.text_input("Title", value=str(case["title"]), max_chars=120)
        canary = st.checkbox("Replay it with every canary run", value="canary" in case.get("tags", ()))
        with st.expander("Input, context and expectations as JSON"):
            given = st.text_area("Input", value=_text(case["input"]), height=160)
            context = st.text_area("Context", value=_text(case["context"]), height=160)
            written = st.text_area("Expectations", value=_text(case["expectations"]), height=200,
                                   help="golden/README.md lists what can be said.")  # fmt: skip
        person = signin.ask_name(signin.person())
        sent = st.form_submit_button("Save", type="primary", **signin.may("draft"))
    if not sent:
        return
    values = {"input": replay_drafts.parsed(given), "context": replay_drafts.parsed(context),
              "expectations": replay_drafts.parsed(written)}  # fmt: skip
    wrong = [name for name, value in values.items() if not isinstance(value, list if name == "expectations" else dict)]
    if wrong:
        html.show(html.answer("unknown", "Nothing was saved.", f"{wrong[0].capitalize()} is no JSON of its form."))
        return
    kept = values["expectations"]
    expectations = [*(kept if isinstance(kept, list) else []), *(e for e in chosen if e not in case["expectations"])]
    if way is not None and (said.strip() or way == "refuses"):
        own = {"criterion": CRITERION, **WAYS[way][1](said.strip())}
        expectations += [own] if own not in expectations else []
    tags = sorted({*case.get("tags", ()), "canary"} if canary else set(case.get("tags", ())) - {"canary"})
    criteria = [{**case["criteria"][0], "critical": critical}, *case["criteria"][1:]]
    changed = {**values, "expectations": expectations, "title": title, "tags": tags, "criteria": criteria}
    _try("Nothing was saved.", "Saved.", lambda: drafts.edit(
        cached.store(), cached.settings(), draft.id, draft.edition, person, case=changed))  # fmt: skip


def _suggested(draft: Draft) -> list[dict[str, Any]]:
    """Suggestions that are chosen; none is before a person chooses it."""
    there = list(draft.case["expectations"])
    open_ones = [each for each in draft.suggestions if each["expectation"] not in there]
    for each in there:
        st.markdown(f"- {_plain(in_words(each) or json.dumps(each, ensure_ascii=False))}")
    if open_ones:
        st.caption("Suggestions from what happened. Choose what must hold every time.")
    slot = f"draft-suggestion-{draft.id}-{draft.edition}"
    return [dict(each["expectation"]) for number, each in enumerate(open_ones)
            if st.checkbox(_plain(str(each["words"])), key=f"{slot}-{number}")]  # fmt: skip


def _plain(text: str) -> str:
    """Text as text, not as markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!|<>:$~" else c for c in text)


def _kinds() -> None:
    """What an expectation can say, from the table that the set's schema is made from."""
    with st.expander("What an expectation can say"):
        rows = [(f'<span class="key">{escape(kind.name)}</span>', escape(kind.what),
                 f'<span class="key">{escape(_short(kind.examples[0].expectation))}</span>')
                for kind in kinds.KINDS.values()]  # fmt: skip
        html.show(html.block(html.table(("Kind", "Met when", "Example"), rows)))


def _short(expectation: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in expectation.items() if name != "kind"}, ensure_ascii=False)


def _acts(draft: Draft) -> None:
    row = st.container(horizontal=True)
    agree = signin.may("draft", "You stand behind the case as it is written.")
    agree |= {"disabled": agree["disabled"] or bool(draft.problems) or draft.missing == 0}
    if row.button("Agree …", icon=":material/thumb_up:", key="draft-agree", **agree):
        _ask("Agree to this case", "Agree", lambda person: drafts.agree(
            cached.store(), cached.settings(), draft.id, draft.edition, person))  # fmt: skip
    if row.button("Put it away …", icon=":material/archive:", key="draft-drop", **signin.may("draft")):
        _ask("Put this draft away", "Put away", lambda person: drafts.drop(
            cached.store(), cached.settings(), draft.id, draft.edition, person))  # fmt: skip


def _ask(title: str, label: str, act: Callable[[Person], Draft]) -> None:
    @st.dialog(title)
    def confirm() -> None:
        with st.form("draft-act", border=False):
            person = signin.ask_name(signin.person())
            sent = st.form_submit_button(label, type="primary")
        if sent:
            _try("Nothing was changed.", "Done.", lambda: act(person))

    confirm()


def _try(failed: str, done: str, act: Callable[[], Draft]) -> None:
    try:
        found = act()
    except GreenlightError as error:
        html.show(html.answer("unknown", failed, str(error)))
        return
    then = found.problems[0] if found.problems and found.state == "draft" else ""
    st.session_state[replay_drafts.DONE] = (done, then)
    st.rerun()


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
