"""Starts replays and finds them again. The newest verdict first, a form, the trend, all runs."""

from __future__ import annotations

from html import escape

import streamlit as st

from services import clock
from services.errors import GreenlightError
from services.replay import canary, start, view
from services.replay.start import Wish
from services.store.replays import Run
from services.units import share
from ui import cached, charts, html, present, signin, state, widgets

VERDICTS = {"PASS": "passed", "BLOCK": "blocked", "INCONCLUSIVE": "not enough evidence"}
SHOWN = 50
TREND = 60
LISTS = {"all": "All", "count": "Count for an environment", "experiments": "Experiments"}


@widgets.guarded
def page() -> None:
    """The list; the form reruns the page, the list refreshes by itself."""
    head = st.container()
    _form()
    with head:
        _answer()
    _runs()


@widgets.live
def _answer() -> None:
    found = view.listed(cached.store(), cached.settings())
    for name, alarm in found.alarms.items():
        if alarm.on:
            html.show(html.answer("fail", f"Canary of {name}: {alarm.advice.what}", alarm.advice.fix))
    if not found.runs:
        what = "No replay was run yet."
        html.show(html.answer("unknown", what, "Choose an agent and press Start replay: its verdict will stand here."))
    elif (run := found.headline) is None:
        what = "No run that counts for an environment has finished yet."
        html.show(html.answer("unknown", what, "Start one of all cases, with an environment's agent. Experiments are "
                              "listed below."))  # fmt: skip
    else:
        ago = present.age(run.finished_ms, clock.now_ms())
        said = verdict_words(run.verdict, len(run.summary.get("quarantine", ())))
        what = f"{run.agent}, for {run.environment}: {said}, {ago}."
        html.show(html.answer(run.verdict, what, " ".join(run.summary.get("reasons", [])), mark=run.simulated))


def _form() -> None:
    try:
        name, total, small, tags = view.golden_summary(cached.settings())
    except GreenlightError as error:
        html.show(html.answer("unknown", "The golden set can't be used, so no replay can start.", str(error)))
        return
    st.subheader("Start a replay", anchor=False)
    first, second, third, fourth = st.columns([2, 2, 1, 1], vertical_alignment="bottom")
    settings = cached.settings()
    agents, wanted = start.agent_names(settings), state.environment(settings.names)
    own = next((name for name in agents if wanted and start.environment_of(settings, name) == wanted), None)
    agent = first.selectbox(
        "Agent", agents, index=agents.index(own) if own else 0, help="Agents come from greenlight.toml."
    )
    sizes = {"": f"all {total} cases"} | {tag: f"{tag}: {small} cases" if tag == "canary" else tag for tag in tags}
    subset = second.selectbox("Cases", list(sizes), format_func=lambda tag: sizes[tag])
    repeats = third.selectbox("Repeats", (1, 3, 5), help="Each case this often; it passes where all of them pass.")
    judge = fourth.selectbox("Judge", start.judge_names(settings), help="rubric: checks without a model. llm: the "
                             "model in [replay.judge]. panel: the majority of [[replay.judges]].")  # fmt: skip
    st.caption(f"Golden set {name}. A replay asks the agent for real; the worker does it, and you may close this page. "
               f"{_counts_for(start.environment_of(settings, str(agent)), str(subset))}")  # fmt: skip
    if wanted and own is None:
        missing = f"{wanted} has no agent here yet, so none of these runs counts for it."
        html.show(html.answer("unknown", missing, f'Add one under [replay] agents, with environment = "{wanted}".'))
    if st.button("Start replay", type="primary", icon=":material/play_arrow:", **signin.may("replay")):
        wish = Wish(agent=str(agent), subset=str(subset), repeats=int(repeats or 1), judge=str(judge))
        try:
            run = start.ask(cached.store(), cached.settings(), wish, by=signin.person())
        except GreenlightError as error:
            html.show(html.answer("fail", "The replay did not start.", str(error)))
            return
        state.put(state.RUN, run.id)
        st.rerun()


def _counts_for(environment: str, subset: str) -> str:
    """What a run would prove, so that nobody takes one for what it isn't."""
    if not environment:
        return "This agent isn't linked to an environment; the run won't count toward a verdict."
    whole = "" if subset == "" else " Only a run of all cases counts for the Go."
    return f"This agent is {environment}'s: what it achieves counts there.{whole}"


@widgets.live
def _runs() -> None:
    settings = cached.settings()
    found = view.listed(cached.store(), settings)
    if not found.runs:
        return
    st.subheader("Trend", anchor=False)
    agents = list(dict.fromkeys(run.agent for run in found.runs))
    picked = st.selectbox("Agent shown", agents, key="trend-agent", label_visibility="collapsed")
    _trend([run for run in found.runs if run.agent == picked and run.state == "done" and run.summary.get("total")])
    st.subheader("Runs", anchor=False)
    _list(found)
    if found.alarms:
        _, _, small, _ = view.golden_summary(settings)
        words = canary.false_alarms(small, settings.replay.min_pass_rate, settings.replay.canary_minutes)
        said = " ".join(f"{name}: {alarm.advice.what}" for name, alarm in found.alarms.items())
        st.caption(f"Canary every {settings.replay.canary_minutes} min. {said}. {words}")


def _list(found: view.Listed) -> None:
    """The runs, filtered, a page at a time."""
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    what = left.segmented_control("Show", list(LISTS), default="all", format_func=lambda key: LISTS[key], required=True,
                                  key="runs-shown")  # fmt: skip
    verdict = middle.selectbox("Verdict", [None, *VERDICTS], key="runs-verdict",
                               format_func=lambda v: VERDICTS[v] if v else "Every verdict")  # fmt: skip
    agents = sorted({run.agent for run in found.runs})
    agent = right.selectbox("Agent", [None, *agents], key="runs-agent", format_func=lambda name: name or "Every agent")
    rows = [
        run
        for run in found.runs
        if (what == "all" or (what == "count") == view.counts(run))
        and (verdict is None or run.verdict == verdict)
        and agent in {None, run.agent}
    ]
    pages = max(1, -(-len(rows) // SHOWN))
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page, of {pages}", 1, pages, 1, key="runs-page"))
    if not rows:
        html.show(html.block('<p class="dim">No run matches. Choose All, every verdict and every agent.</p>'))
        return
    html.show(runs_markup(found, tuple(rows[(page - 1) * SHOWN : page * SHOWN])))
    st.caption(f"{len(rows)} of {len(found.runs)} runs.")


def _trend(done: list[Run]) -> None:
    runs = [run for run in reversed(done[:TREND]) if run.summary.get("pass_rate") is not None]
    if len(runs) < 2:
        st.caption("The trend appears with the second finished run.")
        return
    where = widgets.zone()
    low, high = zip(*(run.summary["pass_rate_interval"] for run in runs), strict=True)
    texts = [
        f"{run.summary['passed']} of {run.summary['total']}{', ' + run.subset if run.subset else ''}" for run in runs
    ]
    figure = charts.trend(
        [clock.from_ms(run.created_ms).astimezone(where) for run in runs],
        [run.summary["pass_rate"] for run in runs], low, high, texts, [run.verdict or "" for run in runs],
        gate=float(runs[-1].options["min_pass_rate"]), zone=str(where),
    )  # fmt: skip
    st.plotly_chart(figure, config=charts.CONFIG, key="replay-trend")
    said = ", ".join(share(run.summary["pass_rate"]) for run in runs[-5:])
    st.caption(
        "● passed, ✕ blocked, ◇ not enough evidence; bars are 95 % intervals. "
        f"The newest pass rates, oldest first: {said}."
    )


def runs_markup(found: view.Listed, runs: tuple[Run, ...]) -> str:
    """The runs as a table, each with a link to its own address."""
    where, rows = widgets.zone(), []
    for run in runs:
        link = html.link(run.id, "replay_harness", run=run.id)
        is_baseline = found.baselines.get((run.golden_name, run.agent)) == run.id
        mark = " · baseline" if is_baseline else ""
        mark += "" if run.environment else ' <span class="dim">experiment</span>'
        rows.append(
            (
                f'<span class="tile-link">{link}</span>{mark}' + (f" {html.simulated()}" if run.simulated else ""),
                escape(present.moment(run.created_ms, where, short=True)),
                escape(run.agent) + (f' <span class="dim">{escape(run.subset)}</span>' if run.subset else ""),
                verdict_badge(run),
                _rate(run),
                escape(run.requested_by),
            )
        )
    return html.block(html.table(("Run", "Asked for", "Agent", "Verdict", "Passed", "By"), rows))


def verdict_words(verdict: str, aside: int) -> str:
    """A verdict in words; cases in quarantine are never left unsaid."""
    cases = f", without {aside} case{'s' if aside > 1 else ''} in quarantine" if aside else ""
    return VERDICTS[verdict] + cases


def verdict_badge(run: Run) -> str:
    """The run's verdict, or how far it is."""
    if run.state == "done":
        return html.badge(run.verdict, word=verdict_words(run.verdict, len(run.summary.get("quarantine", ()))))
    words = {"queued": "waiting", "running": "running", "cancelled": "cancelled", "failed": "could not run"}
    return html.badge("fail" if run.state == "failed" else "unknown", word=words[run.state])


def _rate(run: Run) -> str:
    if run.summary.get("pass_rate") is None:
        return '<span class="dim">–</span>'
    return f"{run.summary['passed']} of {run.summary['total']} ({share(run.summary['pass_rate'])})"
