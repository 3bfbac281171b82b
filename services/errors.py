"""The errors that may leave the services, and what a caller can decide on.

GreenlightError
├── SettingsError          the settings are wrong: all problems at once
├── UnknownEnvironment     a name that no setting defines: carries the names that exist
├── StoreError             the store can't do what was asked: carries a sentence and a fix
│   ├── StoreBusy          another process holds the lock; passes by itself
│   ├── StoreFull          disk or quota full; passes when space is made
│   ├── StoreReadOnly      file, folder or server is read-only
│   ├── StoreUnreachable   no such folder, no such server, refused
│   ├── StoreCorrupt       the file is damaged or is no database
│   ├── StoreRejected      the database refuses this content; other content it takes
│   ├── StoreFault         the database reports an error that this program doesn't know
│   └── StoreTooNew        written by a newer version of this program
├── Forbidden              access: this person may not do that
├── Refused                evidence.decisions: something that may not be decided so
├── RefusedPlan            envs.plan: a value that may not be written
├── NotWritten             env_files.writer: the file could not be written; it is as it was
├── UnreadableSource       env_files.document: an env file that can't be read
├── NotChanged             dependencies.inngest.control: a run that could not be cancelled or run again
├── NotDrilled             deploys.drilling: a drill that can't be started or followed
├── NoReport               report.seal: a file that is no report
├── UnknownHook            deploys.hooks: no environment has this address
├── NoProof                alerts.proof: a link, or a channel, that proves nothing
├── UnknownAlert           alerts.acts: no alert of this id
├── WrongAct               alerts.acts: something that can't be done to an alert
├── UnknownHeartbeat       heartbeats: no job calls at this address
├── TooManyCalls           heartbeats: a job calls too often
├── WrongAgent             replay.agents: a specification that names no agent
├── NotDrafted             replay.authoring.drafts: a draft case that was not changed or published
├── NotPublished           replay.authoring.publish: a version of a golden set that can't be written
├── WrongRun               replay.runs: a run that can't be begun or changed so
├── WrongChange            slo.changes: a deploy or maintenance that can't be noted so
└── Unreadable             slo.history: a file that can't be imported

What a service raises for itself alone (a wrong pattern, no JSON, Redis in trouble) is caught in it and not listed.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.advice import Advice


class GreenlightError(Exception):
    """Base of every error that the services raise on purpose."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong with the settings: where, what, and what to do. Never holds a secret's value."""

    source: str
    key: str
    advice: Advice

    def __str__(self) -> str:
        return f"{self.source}: {self.key}: {self.advice}"


class SettingsError(GreenlightError):
    """The settings can't be used; `problems` lists everything that is wrong with them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        noun = "problem" if len(problems) == 1 else "problems"
        super().__init__(f"{len(problems)} {noun} in the settings:\n" + "\n".join(f"  {p}" for p in problems))


class UnknownEnvironment(GreenlightError):
    """No environment of that name is configured; `known` lists those that are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        self.name = name[:80]
        self.known = known
        super().__init__(f"There is no environment {self.name!r}. Choose one of: {', '.join(known)}.")


class StoreError(GreenlightError):
    """The store can't do what was asked; `advice` is fit for a page. A class's `fix` is what it says by default."""

    fix = "Look at the log of the process that reports this."
    passes = False  # True where the cause can go away by itself, so that a retry makes sense

    def __init__(self, sentence: str, *, fix: str | None = None) -> None:
        self.advice = Advice(what=sentence, fix=self.fix if fix is None else fix)
        super().__init__(str(self.advice))


class StoreBusy(StoreError):
    fix = "It is tried again by itself; if it lasts, stop the program that holds the database open."
    passes = True


class StoreFull(StoreError):
    fix = "Free space on the disk of the data folder; writing goes on by itself."
    passes = True


class StoreReadOnly(StoreError):
    fix = "Make the data folder and the database file writable for this user; writing goes on by itself."
    passes = True


class StoreUnreachable(StoreError):
    fix = "Check DATABASE_URL and that the database server runs; it is tried again by itself."
    passes = True


class StoreCorrupt(StoreError):
    fix = (
        "Stop Greenlight, move the database file (and its -wal and -shm neighbours) aside, put a backup in its "
        "place or start with a new one, then start again."
    )


class StoreRejected(StoreError):
    fix = "What it refused is left out; the rest is written."


class StoreFault(StoreError):
    fix = "It is tried again by itself; if it lasts, look up the code in the database's own log."
    passes = True


class StoreTooNew(StoreError):
    fix = "Start the newer version of Greenlight that wrote it, or point GREENLIGHT_DATA at another folder."
