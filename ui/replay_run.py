"""One replay run as markup. Live while it runs; then the verdict, what it rests on, its cases, and what to do with
it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from services import clock, export
from services.errors import GreenlightError
from services.replay import report, runs, start, view
from services.replay.start import Wish
from services.store import replays
from services.store.replays import Run
from services.units import share
from ui import cached, charts, html, present, replay_case, replay_list, signin, state, widgets

SHOWN = 200
DONE = "replay-done"
STATES = {
    "problems": "Not passed",
    "all": "All",
    "passed": "Passed",
    "failed": "Failed",
    "error": "Errors",
    "unscored": "Unscored",
}
LEVELS = {"passed": "ok", "failed": "fail", "error": "warning", "unscored": "unknown"}


@widgets.guarded
def page(run_id: str) -> None:
    """The run of that id."""
    html.show(html.block(f"<p>{html.link('All runs', 'replay_harness')}</p>"))
    found = view.progress(cached.store(), run_id)
    if found is None:
        what = f"There is no run {run_id[:60]!r}."
        html.show(html.answer("unknown", what, "It may belong to another installation. Open All runs."))
        return
    if found.run.state in replays.OPEN:
        _live(run_id)
        return
    _finished(run_id)


@widgets.live
def _live(run_id: str) -> None:
    found = view.progress(cached.store(), run_id)
    if found is None or found.run.state not in replays.OPEN:
        st.rerun()
    assert found is not None  # noqa: S101 - the rerun above does not return
    run = found.run
    took = present.seconds((clock.now_ms() - (run.started_ms or run.created_ms)) / 1000)
    waiting = f"Waiting for a worker. {widgets.nobody_works()}".rstrip() if run.state == "queued" else ""
    what = f"{run.agent}: {found.done} of {run.total} answers, {took} so far."
    html.show(html.answer("unknown", what, waiting or "You may close this page; the run goes on.", mark=run.simulated))
    st.progress(found.done / run.total if run.total else 0.0)
    parts = [
        f"{found.counts[name]} {name}" for name in ("passed", "failed", "error", "unscored") if found.counts.get(name)
    ]
    st.caption(", ".join(parts) or "No answer yet.")
    allowed = signin.may("replay", "What is finished stays; the run can be resumed.")
    if st.button("Cancel the run", icon=":material/stop:", **allowed):
        runs.cancel(cached.store(), run_id, by=signin.person())
        st.rerun()


def _finished(run_id: str) -> None:
    against = state.text(state.AGAINST)
    try:
        found = cached.replay_in_depth(run_id, against, _version(run_id))
    except GreenlightError as error:
        html.show(html.answer("unknown", "The run can't be shown.", str(error)))
        return
    doc, run = found.document, found.run
    if run.state == "cancelled":
        html.show(html.answer("unknown", "The run was cancelled: this is what it had found.", "Resume it below."))
    elif run.state == "failed":
        html.show(html.answer("fail", "The run could not be carried out.", run.message))
    else:
        what = f"{run.agent}: {replay_list.verdict_words(doc['verdict'], len(doc['quarantine']))}."
        html.show(html.answer(doc["verdict"], what, " ".join(doc["reasons"]), mark=run.simulated))
    if said := st.session_state.pop(DONE, None):
        html.show(html.answer("ok", said, ""))
    html.show(_headed(run, doc))
    if doc["comparison"]:
        html.show(_flipped(run.id, doc["comparison"]))
    html.show(_facts(doc) + _earlier(run))
    if run.options["judge"] in {"llm", "panel"}:
        _judge_words(doc)
    _charts(found)
    _in_a_row(doc)
    _cases(doc)
    _downloads(doc)
    _actions(found)
    case = state.text(state.CASE)
    if case is not None:
        replay_case.show(run_id, case, against)


def _headed(run: Run, doc: Mapping[str, Any]) -> str:
    """Which run this is: when, id, asked for by whom, which agent, how long; and whether it counts."""
    counted = f"counts for {run.environment}" if view.counts(run) else "an experiment: it counts for no environment"
    said = (present.moment(run.created_ms, widgets.zone()), f"run {run.id}", f"asked for by {run.requested_by}",
            f"agent {run.agent}", f"took {present.seconds(doc['duration_s'])}", counted)  # fmt: skip
    return html.block(f'<p class="dim">{escape(" · ".join(said))}</p>')


def _earlier(run: Run) -> str:
    """The verdicts before it was scored again: they stand beside the present one."""
    rows = [
        (html.badge(item["verdict"], word=replay_list.VERDICTS.get(item["verdict"], "none")),
         f"{item['passed']} of {item['total']}", escape(str(item["judge_sha256"])[:12]),
         escape(present.moment(item["until_ms"], widgets.zone())))
        for item in reversed(run.summary.get("earlier", ()))
    ]  # fmt: skip
    if not rows:
        return ""
    head = html.heading("Earlier verdicts of this run", "From before it was scored again with a newer rubric.")
    return html.block(head, html.table(("Verdict", "Passed", "Judge", "Stood until"), rows))


def _flipped(run_id: str, found: Mapping[str, Any]) -> str:
    """The cases that passed in one of the two runs only, those that got worse first."""
    against = found["against"]
    rows = [
        (html.link(case, "replay_harness", run=run_id, case=case, against=against), html.badge(state, word=words))
        for names, state, words in (
            (found["flipped_worse"], "fail", "failed now, passed before"),
            (found["flipped_better"], "pass", "passed now, failed before"),
        )
        for case in names
    ]
    if not rows:
        return html.block(f'<p class="dim">No case flipped against {escape(against)}.</p>')
    return html.block(html.heading(f"Flipped against {against}"), html.table(("Case", "Change"), rows))


def _version(run_id: str) -> str:
    """Changes whenever what is shown of the run may have changed, so that a cache never holds it back."""
    found = view.progress(cached.store(), run_id)
    if found is None:
        return ""
    run = found.run
    with cached.store().read() as connection:
        baseline = replays.baseline(connection, run.golden_name, run.agent)
        pair = [other.state for other in replays.newest(connection, limit=20, agent=run.agent)
                if run.options.get("aa") and other.options.get("aa") == run.options["aa"]]  # fmt: skip
    return f"{run.state} {run.finished_ms} {run.summary.get('rescored_ms')} {found.done} {baseline} {pair}"


def _facts(doc: Mapping[str, Any]) -> str:
    judged = doc["passed"] + doc["failed"]
    low, high = doc["pass_rate_interval"]
    interval = f"95 % interval {share(low)} to {share(high)}"
    rate = "not measured" if doc["pass_rate"] is None else share(doc["pass_rate"])
    score = "not measured" if doc["avg_score"] is None else f"{doc['avg_score']:.2f} of 5"
    rows = [
        ("Passed", f"<b>{rate}</b> ({doc['passed']} of {judged} judged); {interval}", share(doc["min_pass_rate"])),
        ("Critical failures", escape(", ".join(doc["critical_failures"]) or "none"), "none"),
        ("In quarantine", escape("; ".join(f"{item['case_id']} until {item['until']}, owner {item['owner']}"
                                           for item in doc["quarantine"]) or "none"), "at most 10 % of the cases"),
        ("Errors and unscored", f"{doc['errors']} and {doc['unscored']} of {doc['total']}", "at most 5 % of the cases"),
        ("Mean score", score, "–"),
        ("Took", present.seconds(doc["duration_s"]), "–"),
        ("Gate reliability", escape(" ".join(doc["gate_error_rates"])), "–"),
    ]  # fmt: skip
    if doc["aa"]:
        rows.append(("The same agent twice", escape(doc["aa"]["in_words"]), "–"))
    if compared := doc["comparison"]:
        rows.append((f"Compared with {escape(compared['against'])}", escape(compared["in_words"]), "–"))
    golden = doc["golden_set"]
    basis = (
        f"Golden set {golden['name']} {golden['version']} ({golden['sha256'][:12]}), judge {doc['judge']['name']} "
        f"({doc['judge']['sha256'][:12]}), {doc['repeats']} repeat{'s' if doc['repeats'] > 1 else ''} a case."
    )
    return html.block(html.table(("Fact", "Measured", "Gate"), rows), f'<p class="dim">{escape(basis)}</p>')


def _judge_words(doc: Mapping[str, Any]) -> None:
    judge = doc["judge"]
    agreement = "not measured" if judge["agreement"] is None else share(judge["agreement"])
    usage = judge["usage"]
    cost = f", cost {usage['cost']:.2f}" if "cost" in usage else ""
    tokens = f"{usage.get('input_tokens', 0):,} tokens in, {usage.get('output_tokens', 0):,} out{cost}"
    rows = [("All criteria" if item["criterion"] is None else item["criterion"], report.agreement_words(item))
            for item in judge["panel"]]  # fmt: skip
    rows += [(f"Judge {item['judge']}", report.sealed_words(item)) for item in judge["sealed"]]
    if rows:
        drawn = [(escape(name), escape(words)) for name, words in rows]
        head = html.heading("How far the judges agree", "With each other, with the labels, with their earlier words.")
        html.show(html.block(head, html.table(("On", "Agreement"), drawn)))
    st.caption(f"The judge agrees with {agreement} of the labelled answers (85 % are needed). It used {tokens}.")


def _charts(found: view.InDepth) -> None:
    doc = found.document
    gate = float(doc["min_pass_rate"])
    means, categories = found.by_criterion, found.by_category
    rates = {name: passed / judged for name, (passed, judged) in categories.items()}
    columns = zip(
        st.columns(3),
        ("Scores", "By criterion", "By category"),
        (
            charts.stacked(report.distribution(doc), x="cases"),
            charts.bars(means, x="mean score of 5, lowest first", top=5.0, labels=[f"{v:.2f}" for v in means.values()]),
            charts.bars(rates, x=f"cases passed, lowest first; gate {share(gate)}", top=1.0, gate=gate,
                        labels=[f"{passed} of {judged}" for passed, judged in categories.values()]),
        ),
        strict=True,
    )  # fmt: skip
    for column, title, figure in columns:
        with column:
            st.markdown(f"**{title}**")
            st.plotly_chart(figure, config=charts.CONFIG, key=f"chart-{title}")


def _in_a_row(doc: Mapping[str, Any]) -> None:
    """pass^k, where cases were judged more than once."""
    if len(doc["pass_hat"]) < 2:
        return
    spans = doc["pass_hat_intervals"]
    labels = [f"{share(value)} ({' to '.join(map(share, spans[k]))})" for k, value in doc["pass_hat"].items()]
    st.markdown("**Right k times in a row (pass^k)**")
    values = {f"k = {k}": value for k, value in doc["pass_hat"].items()}
    figure = charts.bars(values, x="share of cases, with 95 % interval", top=1.0, labels=labels)
    st.plotly_chart(figure, config=charts.CONFIG, key="chart-pass-hat")


def _cases(doc: Mapping[str, Any]) -> None:
    st.subheader("Cases", anchor=False)
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    bad = sum(case["state"] != "passed" for case in doc["cases"])
    show = state.one_of("show", tuple(STATES), "problems" if bad else "all")
    left.segmented_control(
        "Show", list(STATES), default=show, format_func=lambda s: STATES[s], required=True,
        **state.follow("show", show, lambda picked: state.put("show", picked)),
    )  # fmt: skip
    categories = sorted({case["category"] for case in doc["cases"]})
    category = middle.selectbox("Category", [None, *categories], format_func=lambda c: c or "All categories")
    text = right.text_input("Search", placeholder="Part of an id or reason", key="case-search").strip().lower()
    rows = [c for c in doc["cases"] if _matches(c, show, category, text)]
    rows.sort(key=lambda c: (list(LEVELS).index(c["state"]) == 0, not c["critical_failed"], c["score"] or 0, c["id"]))
    html.show(cases_markup(doc["run_id"], rows))


def _matches(case: Mapping[str, Any], show: str, category: str | None, text: str) -> bool:
    fits = show == "all" or case["state"] == show or (show == "problems" and case["state"] != "passed")
    reasons = " ".join(c["reason"] for c in case["criteria"]) if text else ""
    return fits and category in {None, case["category"]} and text in f"{case['id']} {reasons}".lower()


def cases_markup(run_id: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The cases as a table; each links to everything about it."""
    if not rows:
        return html.block('<p class="dim">No case matches. Choose “All”, or empty the search.</p>')
    drawn = []
    for case in rows[:SHOWN]:
        bad = [c for c in case["criteria"] if c["passed"] is False]
        why = case["error"] or case["unscored"] or "; ".join(f"{c['id']} {c['score']:.1f}: {c['reason']}" for c in bad)
        critical = " · critical" if case["critical_failed"] else ""
        critical += f" {html.badge('slow', word='in quarantine')}" if case["in_quarantine"] else ""
        score = "–" if case["score"] is None else f"{case['score']:.1f}"
        link = html.link(case["id"], "replay_harness", run=run_id, case=case["id"])
        drawn.append(
            (
                link,
                escape(case["category"].replace("_", " ")),
                html.badge(LEVELS[case["state"]], word=case["state"]) + critical,
                score,
                escape(why[:300]),
            )
        )
    more = (
        f'<p class="dim">{SHOWN} of {present.number(len(rows))} are shown. Filter, or download all.</p>'
        if len(rows) > SHOWN
        else ""
    )
    return html.block(html.table(("Case", "Category", "State", "Score", "Why"), drawn), more)


def _downloads(doc: Mapping[str, Any]) -> None:
    row = st.container(horizontal=True)
    for label, name, mime, make in (
        ("JUnit XML", "xml", "application/xml", lambda: report.junit(doc)),
        ("JSON", "json", "application/json", lambda: json.dumps(doc, indent=2, ensure_ascii=False)),
        ("CSV", "csv", "text/csv", lambda: export.csv_text(report.COLUMNS, report.csv_rows(doc))),
        ("HTML", "html", "text/html", lambda: report.html(doc)),
    ):
        row.download_button(
            label, make, file_name=f"replay-{doc['run_id']}.{name}", mime=mime, on_click="ignore",
            icon=":material/download:", key=f"replay-{name}",
        )  # fmt: skip


def _actions(found: view.InDepth) -> None:
    run = found.run
    with cached.store().read() as connection:
        others = [r.id for r in replays.newest(connection, limit=50, golden_name=run.golden_name) if r.id != run.id]
    if others:
        current = state.text(state.AGAINST)
        options = [None, *others]
        index = options.index(current) if current in options else 0
        follows = state.follow(state.AGAINST, options[index], lambda picked: state.put(state.AGAINST, picked))
        st.selectbox("Compare with", options, index=index, format_func=lambda r: r or "the baseline", **follows)
    row = st.container(horizontal=True)
    same = signin.may("replay", "The same cases, repeats and judge, with the agent as it is now.")
    if row.button("Run again", icon=":material/replay:", **same):
        wish = Wish(agent=run.agent, subset=run.subset, repeats=int(run.options["repeats"]), judge=run.options["judge"],
                    per_case=run.options["per_case"], min_pass_rate=float(run.options["min_pass_rate"]))  # fmt: skip
        try:
            again = start.ask(cached.store(), cached.settings(), wish, by=signin.person())
        except GreenlightError as error:
            html.show(html.answer("fail", "The replay did not start.", str(error)))
            return
        state.put(state.RUN, again.id)
        st.rerun()
    if (
        run.state == "done"
        and not found.is_baseline
        and row.button(
            "Make it the baseline",
            icon=":material/flag:",
            **signin.may("baseline", "Later runs of this agent are compared with it."),
        )
    ):
        runs.promote(cached.store(), run.id, by=signin.person())
        st.session_state[DONE] = f"This run is the baseline now: later runs of {run.agent} are compared with it."
        st.rerun()
    if found.is_baseline:
        row.markdown(":material/flag: This run is the baseline.")
        allowed = signin.may("baseline", "The run that was the baseline before is it again.")
        if row.button("Undo", icon=":material/undo:", key="baseline-undo", **allowed):
            before = runs.take_back_baseline(cached.store(), run.golden_name, run.agent, by=signin.person())
            st.session_state[DONE] = f"Run {before} is the baseline again." if before else "There was none before it."
            st.rerun()
    if (
        run.state == "cancelled"
        and run.runner == "worker"
        and row.button("Resume", icon=":material/play_arrow:", **signin.may("replay"))
    ):
        runs.resume(cached.store(), run.id, by=signin.person())
        st.rerun()
    if (
        run.state == "done"
        and run.options["judge"] == "rubric"
        and row.button(
            "Score again",
            icon=":material/calculate:",
            **signin.may("rescore", "Judges the kept answers with today's rubric; asks no agent."),
        )
    ):
        runs.rescore(cached.store(), run.id, by=signin.person())
        st.session_state[DONE] = "The kept answers were scored again with today's rubric."
        st.rerun()
