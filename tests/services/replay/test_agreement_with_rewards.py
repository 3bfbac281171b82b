"""What our expectations say agrees with how public benchmarks reward: the final state of a database and what was said.

The task shapes are tau-bench's retail and airline ones (Yao et al. 2024, `calculate_reward`: the hash of the database
after the agent's calls equals that after the annotated calls, and each output is in what was said, commas left out),
written here anew over a small database. Trajectories are made from the annotated one by what agents do: reads in
between, other orders, retries after an error, setting a thing twice, and mistakes of each kind.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from services.replay import golden
from services.replay.expectations import check_all
from services.replay.model import Answer, ToolCall
from tests.services.replay.test_kinds import case_with

Call = tuple[str, dict[str, Any]]
DATABASE: Mapping[str, Any] = {
    "orders": {
        "W1": {
            "status": "pending",
            "items": {"i1": "v1", "i2": "v2"},
            "address": "Old St 1",
            "paid": [["card", 120.0]],
        },
        "W2": {
            "status": "delivered",
            "items": {"i3": "v3", "i4": "v4"},
            "address": "Old St 1",
            "paid": [["gift", 54.04]],
        },
    },
    "users": {"ada": {"address": "Old St 1", "balance": 10.0}},
    "bookings": {},
}


def apply(database: dict[str, Any], tool: str, given: Mapping[str, Any]) -> bool:
    """One call on the database; False where the tool answers with an error and changes nothing."""
    order = database["orders"].get(given.get("order_id", ""), {})
    if tool == "cancel_order":
        if order.get("status") != "pending" or given.get("reason") not in {"no longer needed", "ordered by mistake"}:
            return False
        order |= {"status": "cancelled", "reason": given["reason"]}
    elif tool == "exchange_items":
        olds, news = given.get("item_ids", []), given.get("new_item_ids", [])
        if order.get("status") != "delivered" or len(olds) != len(news) or not set(olds) <= set(order["items"]):
            return False
        order["exchange"] = sorted([old, new] for old, new in zip(olds, news, strict=True))
    elif tool == "modify_address":
        if given.get("user_id") not in database["users"]:
            return False
        database["users"][given["user_id"]]["address"] = given["address"]
    elif tool == "book":
        payments = [[p["id"], float(p["amount"])] for p in given["payments"]]
        flights = [[f["number"], f["date"]] for f in given["flights"]]
        database["bookings"][str(len(database["bookings"]))] = {
            "flights": flights, "payments": sorted(payments), "cabin": given["cabin"], "bags": given.get("bags", 0),
            "passengers": sorted(p["name"] for p in given["passengers"]),
        }  # fmt: skip
    return True


def state_after(calls: list[Call]) -> tuple[str, list[ToolCall]]:
    database = copy.deepcopy(dict(DATABASE))
    made = [ToolCall(tool=tool, arguments=given, status="ok" if apply(database, tool, given) else "error")
            for tool, given in calls]  # fmt: skip
    return hashlib.sha256(json.dumps(database, sort_keys=True).encode()).hexdigest(), made


def reward(calls: list[Call], said: str, truth: list[Call], outputs: list[str]) -> bool:
    """As tau-bench rewards it."""
    plain = said.lower().replace(",", "")
    return state_after(calls)[0] == state_after(truth)[0] and all(out.lower() in plain for out in outputs)


READS = ("get_order_details", "get_user", "search_flights", "list_products", "calculate", "think")
FREE = ["get_*", "search_*", "list_*", "calculate", "think", "transfer_to_human_agents"]


def writes(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "final_writes", "writes": [{"match": "deep", **call} for call in calls], "read_only": FREE, **more}


BOOKING: dict[str, Any] = {
    "flights": [{"number": "HAT1", "date": "2024-05-20"}, {"number": "HAT2", "date": "2024-05-21"}], "cabin": "economy",
    "passengers": [{"name": "Ada"}, {"name": "Bob"}], "payments": [{"id": "card", "amount": 305}, {"id": "gift", "amount": 50}],
}  # fmt: skip
TASKS: dict[str, tuple[list[Call], list[str], list[dict[str, Any]]]] = {
    "cancel": (
        [("cancel_order", {"order_id": "W1", "reason": "no longer needed"})], [],
        [writes({"tool": "cancel_order", "arguments": {"order_id": "W1", "reason": "no longer needed"}}, repeats="ignore")],
    ),
    "exchange": (
        [("exchange_items", {"order_id": "W2", "item_ids": ["i3", "i4"], "new_item_ids": ["n3", "n4"]})], [],
        [writes({"tool": "exchange_items", "arguments": {"order_id": "W2", "item_ids": ["i3", "i4"],
                                                         "new_item_ids": ["n3", "n4"]}},
                paired=[["item_ids", "new_item_ids"]], last_of={"exchange_items": ["order_id"]})],
    ),
    "address": (
        [("modify_address", {"user_id": "ada", "address": "New St 2"})], [],
        [writes({"tool": "modify_address", "arguments": {"user_id": "ada", "address": "New St 2"}},
                last_of={"modify_address": ["user_id"]})],
    ),
    "book": (
        [("book", BOOKING)], [],
        [writes({"tool": "book", "arguments": {**BOOKING, "bags": {"$optional": 0}}},
                unordered=["passengers", "payments"])],
    ),
    "ask": (
        [], ["54.04", "1240"],
        [writes(), {"kind": "text_contains", "all_of": ["54.04", "1240"], "ignore_chars": ","}],
    ),
    "both": (
        [("modify_address", {"user_id": "ada", "address": "New St 2"}),
         ("cancel_order", {"order_id": "W1", "reason": "ordered by mistake"})], ["cancelled"],
        [writes({"tool": "cancel_order", "arguments": {"order_id": "W1", "reason": "ordered by mistake"}},
                {"tool": "modify_address", "arguments": {"user_id": "ada", "address": "New St 2"}},
                last_of={"modify_address": ["user_id"], "cancel_order": ["order_id"]}),
         {"kind": "text_contains", "all_of": ["cancelled"], "ignore_chars": ","}],
    ),
}  # fmt: skip


def trajectory(truth: list[Call], outputs: list[str], chance: random.Random) -> tuple[list[Call], str]:
    """What an agent may do with a task: the right thing in another form, or a mistake."""
    calls = copy.deepcopy(truth)
    said = " and ".join(f"It is {out}." if chance.random() < 0.8 else "It is done." for out in outputs) or "Done."
    said = said.replace("1240", chance.choice(["1,240", "1240", "$1,240.00", "1.240"]))
    for change in chance.sample(CHANGES, k=chance.choice([0, 1, 1, 2, 3])):
        change(calls, chance)
    for _ in range(chance.randrange(4)):
        calls.insert(chance.randrange(len(calls) + 1), (chance.choice(READS), {"q": str(chance.randrange(9))}))
    return calls, said


def _pick(calls: list[Call], chance: random.Random) -> int | None:
    own = [n for n, (tool, _) in enumerate(calls) if tool not in READS]
    return chance.choice(own) if own else None


def _shuffle_lists(calls: list[Call], chance: random.Random) -> None:
    for _, given in calls:
        if "item_ids" in given:
            pairs = list(zip(given["item_ids"], given["new_item_ids"], strict=False))
            chance.shuffle(pairs)
            given["item_ids"], given["new_item_ids"] = [a for a, _ in pairs], [b for _, b in pairs]
        for name in ("passengers", "payments"):
            if name in given:
                chance.shuffle(given[name])


def _swap_one_list(calls: list[Call], _chance: random.Random) -> None:
    for _, given in calls:
        if "new_item_ids" in given:
            given["new_item_ids"] = given["new_item_ids"][::-1]


def _other_order(calls: list[Call], chance: random.Random) -> None:
    chance.shuffle(calls)


def _twice(calls: list[Call], chance: random.Random) -> None:
    if (number := _pick(calls, chance)) is not None:
        calls.insert(number, copy.deepcopy(calls[number]))


def _failed_try(calls: list[Call], chance: random.Random) -> None:
    calls.insert(chance.randrange(len(calls) + 1), ("cancel_order", {"order_id": "W9", "reason": "no longer needed"}))
    calls.insert(0, ("cancel_order", {"order_id": "W1", "reason": "because"}))


def _corrected(calls: list[Call], _chance: random.Random) -> None:
    for number, (tool, given) in enumerate(list(calls)):
        if tool == "modify_address":
            calls.insert(number, (tool, {**given, "address": "Wrong St 3"}))
            return


def _wrong_last(calls: list[Call], _chance: random.Random) -> None:
    for tool, given in list(calls):
        if tool == "modify_address":
            calls.append((tool, {**given, "address": "Wrong St 3"}))
            return


def _left_out(calls: list[Call], chance: random.Random) -> None:
    if (number := _pick(calls, chance)) is not None:
        del calls[number]


def _extra_write(calls: list[Call], chance: random.Random) -> None:
    calls.append(chance.choice([("cancel_order", {"order_id": "W1", "reason": "no longer needed"}),
                                ("modify_address", {"user_id": "ada", "address": "Elsewhere 9"})]))  # fmt: skip


def _wrong_value(calls: list[Call], chance: random.Random) -> None:
    if (number := _pick(calls, chance)) is None:
        return
    _, given = calls[number]
    wrong = {"reason": "ordered by mistake", "cabin": "business", "address": "Nowhere 0", "order_id": "W2", "bags": 2}
    for name in (each for each in wrong if each in given or (each == "bags" and "cabin" in given)):
        if chance.random() < 0.5:
            given[name] = wrong[name]
            return


def _numbers_as_floats(calls: list[Call], _chance: random.Random) -> None:
    for _, given in calls:
        for payment in given.get("payments", ()):
            payment["amount"] = float(payment["amount"])
        for flight in given.get("flights", ()):
            flight["price"] = 99


def _default_written(calls: list[Call], _chance: random.Random) -> None:
    for tool, given in calls:
        if tool == "book":
            given["bags"] = 0


CHANGES: list[Callable[[list[Call], random.Random], None]] = [
    _shuffle_lists, _swap_one_list, _other_order, _twice, _failed_try, _corrected, _wrong_last, _left_out, _extra_write,
    _wrong_value, _numbers_as_floats, _default_written,
]  # fmt: skip


def test_six_hundred_trajectories_are_judged_as_the_benchmark_rewards_them() -> None:
    chance, disagreed, rewarded = random.Random(18), [], 0
    for name, (truth, outputs, expectations) in TASKS.items():
        raw = {"name": "x", "version": "v1", "cases": [case_with(*expectations)]}
        case = golden.parse(raw, "x").cases[0]
        for _ in range(100):
            calls, said = trajectory(truth, outputs, chance)
            official = reward(calls, said, truth, outputs)
            checked = check_all(case, Answer(output=said, tool_calls=tuple(state_after(calls)[1])))
            rewarded += official
            if all(each.met for each in checked) is not official:
                disagreed.append((name, official, calls, said, [each.why for each in checked if not each.met]))
    assert 150 < rewarded < 450, "both outcomes are there often enough to mean something"
    assert len(disagreed) <= 3, disagreed[:5]
