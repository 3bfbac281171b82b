"""Random lives of an environment: whatever comes in whatever order, GO needs every rule's fresh evidence at that moment."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.evidence.freshness import Context, max_age_ms
from services.evidence.model import Evidence
from services.soak.evaluate import CHECK as SOAK
from services.verdict.evaluate import evaluate
from services.verdict.model import Facts, Verdict
from tests.services.verdict.test_evaluate import CHECKS, PRODUCTION

HOUR = 3_600_000
GATE = "replay.gate"
outcomes = st.sampled_from(["pass", "pass", "pass", "fail", "unknown"])


class Life(RuleBasedStateMachine):
    """Production and its staging, with time."""

    @initialize()
    def begin(self) -> None:
        self.now = 1_800_000_000_000
        self.mine, self.staging = [1, 1], [1, 1]  # fingerprint and version
        self.gate = [1, 1]  # golden set and judge
        self.records: dict[str, Evidence] = {}
        self.soak: Evidence | None = None

    def context(self, of: list[int]) -> Context:
        golden, judge = self.gate
        return Context(fingerprint=f"k-{of[0]}", version=f"v{of[1]}", golden_sha256=f"g{golden}",
                     judges=frozenset({f"j{judge}", "another"}))  # fmt: skip

    def made(self, check: str, outcome: str, of: list[int], *, simulated: bool = False) -> Evidence:
        personal = check.startswith("confirm.")
        return Evidence(
            environment="x", check=check, outcome=outcome, at_ms=self.now, simulated=simulated,  # type: ignore[arg-type]
            fingerprint=None if personal else f"k-{of[0]}", version=None if personal else f"v{of[1]}",
            golden_sha256=f"g{self.gate[0]}" if check == GATE else None,
            judge_sha256=f"j{self.gate[1]}" if check == GATE else None,
        )  # fmt: skip

    @rule(check=st.sampled_from(CHECKS), outcome=outcomes)
    def measure(self, check: str, outcome: str) -> None:
        self.records[check] = self.made(check, outcome, self.mine)

    @rule()
    def all_is_well(self) -> None:
        for check in CHECKS:
            self.records[check] = self.made(check, "pass", self.mine)
        self.soak = self.made(SOAK, "pass", self.staging)

    @rule(check=st.sampled_from(CHECKS))
    def a_simulated_one_says_pass(self, check: str) -> None:
        self.records[check] = self.made(check, "pass", self.mine, simulated=True)

    @rule(outcome=outcomes)
    def soaked(self, outcome: str) -> None:
        self.soak = self.made(SOAK, outcome, self.staging)

    @rule(place=st.sampled_from([0, 1]))
    def deployed_or_changed(self, place: int) -> None:
        self.mine[place] += 1

    @rule(place=st.sampled_from([0, 1]))
    def staging_changed(self, place: int) -> None:
        self.staging[place] += 1

    @rule(place=st.sampled_from([0, 1]))
    def golden_set_or_judge_changed(self, place: int) -> None:
        self.gate[place] += 1

    @rule(minutes=st.sampled_from([1, 60, 60 * 24 * 365]))
    def the_clock_is_set_back(self, minutes: int) -> None:
        self.now -= minutes * 60_000

    @rule(hours=st.sampled_from([1, 3, 30, 24 * 8]))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    def verdict(self) -> Verdict:
        return evaluate(Facts(subject=PRODUCTION, now_ms=self.now, context=self.context(self.mine), records=self.records,
                            soak=self.soak, soak_context=self.context(self.staging)))  # fmt: skip

    def counts(self, record: Evidence | None, of: list[int]) -> bool:
        """Told again in the simplest words: there, real, not too old, taken under what holds now."""
        if record is None or record.simulated:
            return False
        if record.check.startswith("confirm."):
            return True
        if not -5 * 60_000 <= self.now - record.at_ms <= max_age_ms(record.check):
            return False
        if record.check == GATE and (record.golden_sha256, record.judge_sha256) != (
            f"g{self.gate[0]}",
            f"j{self.gate[1]}",
        ):
            return False
        return (record.fingerprint, record.version) == (f"k-{of[0]}", f"v{of[1]}")

    @invariant()
    def the_verdict_is_what_the_facts_say(self) -> None:
        if not hasattr(self, "now"):
            return
        known = [(self.records.get(check), self.mine) for check in CHECKS] + [(self.soak, self.staging)]
        outcomes = [r.outcome if r is not None and self.counts(r, of) else "unknown" for r, of in known]
        expected = "NO_GO" if "fail" in outcomes else "GO" if set(outcomes) == {"pass"} else "INCONCLUSIVE"
        found = self.verdict()
        assert found.state == expected
        if found.state == "NO_GO":
            assert found.blocking[0].outcome == "fail"
        if found.state != "GO":
            assert found.next_step


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
