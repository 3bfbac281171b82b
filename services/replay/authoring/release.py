"""Drafts that are ready become the next version of the golden set; how that is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from services import access, clock
from services.access import Person
from services.replay import golden
from services.replay.authoring import publish
from services.replay.authoring.drafts import Draft, NotDrafted
from services.replay.authoring.publish import Plan
from services.replay.identity import golden_path
from services.settings.model import Settings
from services.store import Store, drafts
from services.store.drafts import DRAFT, PUBLISHED


def plan(settings: Settings, chosen: Sequence[Draft], *, today: date) -> Plan:
    """The next version of the golden set with these drafts in it. Raises NotDrafted, NotPublished, SettingsError."""
    if not chosen:
        raise NotDrafted("Choose a draft that is ready.")
    for draft in chosen:
        if not draft.is_ready:
            raise NotDrafted(f"{draft.case['title']} is not ready: " + (draft.problems[0] if draft.problems else
                          f"{draft.missing} more people have to agree."))  # fmt: skip
    return publish.plan(golden_path(settings), [_final(draft) for draft in chosen], today=today)


def _final(draft: Draft) -> dict[str, Any]:
    case = dict(draft.case)
    return {**case, "provenance": {**case["provenance"], "agreed": [a.who for a in draft.agreed]}}


def write(store: Store, chosen: Sequence[Draft], plan_: Plan, person: Person) -> str:
    """Write the planned version; returns the name of the file that holds the one before, "" where there was none.

    Raises Forbidden, NotDrafted, NotPublished, StoreError.
    """
    access.require(person, "publish")
    now = clock.now_ms()
    with store.write() as connection:
        rows = [row for draft in chosen if (row := drafts.get(connection, draft.id)) is not None
                and (row.state, row.edition) == (DRAFT, draft.edition)]  # fmt: skip
        if len(rows) != len(chosen):
            raise NotDrafted("A draft has changed since the preview. Look at it again.")
        kept = publish.write(plan_)  # within the transaction: where it fails, no draft is marked as published
        name = "" if kept is None else kept.name
        for row in rows:
            body = {**row.body, "kept": name, "sha256": golden.sha256_of(plan_.body), "published_by": str(person)}
            drafts.change(connection, row.id, row.edition, body=body, now_ms=now, state=PUBLISHED)
    return name


def take_back(store: Store, settings: Settings, id_: str, person: Person) -> str:
    """Undo a publishing while nothing was written after it; returns the version that stands again.

    All drafts of that version are open again. Raises Forbidden, NotDrafted, NotPublished, StoreError.
    """
    access.require(person, "publish")
    file = golden_path(settings)
    with store.write() as connection:
        row = drafts.get(connection, id_)
        if row is None or row.state != PUBLISHED or not row.body["kept"]:
            raise NotDrafted("This publishing can't be taken back. Change the golden set's file by hand.")
        if golden.sha256_of(golden.own(file)) != row.body["sha256"]:
            raise NotDrafted(f"{file.name} was changed after it. Change it by hand.")
        before = file.with_name(row.body["kept"])
        version = golden.read(before).version
        same = [
            each for each in drafts.newest(connection, state=PUBLISHED) if each.body.get("sha256") == row.body["sha256"]
        ]
        publish.put_back(file, before)
        for each in same:
            drafts.change(connection, each.id, each.edition, body={**each.body, "kept": ""}, now_ms=clock.now_ms())
    return version
