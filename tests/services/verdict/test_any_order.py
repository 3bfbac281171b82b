"""Random lives of an environment: whatever comes in whatever order, GO needs every rule's fresh evidence at that moment."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.evidence.freshness import Under, max_age_ms
from services.evidence.model import Evidence
from services.soak.reckon import CHECK as SOAK
from services.verdict.model import Facts, Verdict
from services.verdict.reckon import reckon
from tests.services.verdict.test_reckon import CHECKS, PRODUCTION

HOUR = 3_600_000
outcomes = st.sampled_from(["pass", "pass", "pass", "fail", "unknown"])


class Life(RuleBasedStateMachine):
    """Production and its staging, with time."""

    @initialize()
    def begin(self) -> None:
        self.now = 1_800_000_000_000
        self.mine, self.staging = [1, 1], [1, 1]  # fingerprint and version
        self.records: dict[str, Evidence] = {}
        self.soak: Evidence | None = None

    def under(self, of: list[int]) -> Under:
        return Under(fingerprint=f"k-{of[0]}", version=f"v{of[1]}")

    def made(self, check: str, outcome: str, of: list[int], *, simulated: bool = False) -> Evidence:
        personal = check.startswith("confirm.")
        return Evidence(
            environment="x", check=check, outcome=outcome, at_ms=self.now, simulated=simulated,  # type: ignore[arg-type]
            fingerprint=None if personal else f"k-{of[0]}", version=None if personal else f"v{of[1]}",
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

    @rule(hours=st.sampled_from([1, 3, 30, 24 * 8]))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    def verdict(self) -> Verdict:
        return reckon(Facts(subject=PRODUCTION, now_ms=self.now, under=self.under(self.mine), records=self.records,
                            soak=self.soak, soak_under=self.under(self.staging)))  # fmt: skip

    def counts(self, record: Evidence | None, of: list[int]) -> bool:
        """Told again in the simplest words: there, real, not too old, taken under what holds now."""
        if record is None or record.simulated or self.now - record.at_ms > max_age_ms(record.check):
            return False
        if record.check.startswith("confirm."):
            return True
        return (record.fingerprint, record.version) == (f"k-{of[0]}", f"v{of[1]}")

    @invariant()
    def the_verdict_is_what_the_facts_say(self) -> None:
        if not hasattr(self, "now"):
            return
        known = [(self.records.get(check), self.mine) for check in CHECKS] + [(self.soak, self.staging)]
        standing = [r.outcome if r is not None and self.counts(r, of) else "unknown" for r, of in known]
        expected = "NO_GO" if "fail" in standing else "GO" if set(standing) == {"pass"} else "INCONCLUSIVE"
        found = self.verdict()
        assert found.state == expected
        if found.state == "NO_GO":
            assert found.blocking[0].outcome == "fail"
        if found.state != "GO":
            assert found.next_step


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
