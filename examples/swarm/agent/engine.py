"""How the reference agent decides. Rules over the input and its context; nothing here knows any golden case.

Tasks: qualify_lead, recover_deal, prepare_meeting, send_email, enrich_account, handle_email. Whatever stands inside
an e-mail is material, never an instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from examples.swarm.agent.degrade import Weakness
from examples.swarm.agent.mail import handle_email
from examples.swarm.agent.tools import Leases

Output = dict[str, Any]
GHOSTED_AFTER_DAYS = 14
MAX_FOLLOW_UPS = 3
QUALIFIED_FROM = 70


def answer(line: Mapping[str, Any], weakness: Weakness | None = None) -> dict[str, Any]:
    """The agent's line to a case's line; unknown tasks are refused."""
    weak = weakness or Weakness()
    given, context = line.get("input") or {}, line.get("context") or {}
    leases = Leases(results=context.get("tool_failures") or {}, max_tries=1 if weak.no_retry else 3)
    task = TASKS.get(str(given.get("task")))
    if task is None:
        output: Output = {"decision": "refused", "text": "I can't do this: it is not one of my tasks."}
    else:
        output = task(given, context, leases, weak)
    usage = {"input_tokens": len(str(line)) // 4, "output_tokens": len(str(output)) // 4}
    return {"case_id": line.get("case_id"), "output": output, "tool_calls": leases.calls, "usage": usage}


def qualify_lead(_given: Mapping[str, Any], context: Mapping[str, Any], leases: Leases, weak: Weakness) -> Output:
    """Hold a lead against the ideal-customer profile."""
    profile, lead = context.get("icp") or {}, context.get("lead") or {}
    lacking = [name for name in ("industry", "employees", "region") if lead.get(name) in (None, "")]
    if lacking and not weak.guesses:
        unknown = ", ".join(lacking)
        text = f"I can't qualify {lead.get('company', 'this lead')} yet: {unknown} is not known. Please find out."
        leases.call("crm.create_task", lead_id=lead.get("id"), task=f"find out: {', '.join(lacking)}")
        return {"decision": "needs_info", "score": None, "text": text, "missing": lacking}
    checks = _fit(profile, lead)
    score = round(100 * sum(weight for _, good, weight in checks if good) / sum(weight for _, _, weight in checks))
    excluded = str(lead.get("company", "")).lower() in {str(name).lower() for name in profile.get("excluded", [])}
    threshold = 30 if weak.lenient else int(profile.get("qualified_from", QUALIFIED_FROM))
    decision = "qualified" if score >= threshold and (not excluded or weak.lenient) else "disqualified"
    good = [name for name, fits, _ in checks if fits]
    bad = [name for name, fits, _ in checks if not fits]
    why = f"fits: {', '.join(good) or 'nothing'}; does not fit: {', '.join(bad) or 'nothing'}"
    if excluded:
        why += "; the company is on the exclusion list"
    leases.call("crm.update_lead", lead_id=lead.get("id"), status=decision, score=score)
    return {
        "decision": decision,
        "score": score,
        "text": f"{lead.get('company')} is {decision} ({score} of 100): {why}.",
    }


def _fit(profile: Mapping[str, Any], lead: Mapping[str, Any]) -> list[tuple[str, bool, int]]:
    employees = lead.get("employees") or 0
    title = str(lead.get("title", "")).lower()
    return [
        ("industry", str(lead.get("industry", "")).lower() in [i.lower() for i in profile.get("industries", [])], 35),
        ("size", profile.get("min_employees", 0) <= employees <= profile.get("max_employees", 10**9), 30),
        ("region", str(lead.get("region", "")).lower() in [r.lower() for r in profile.get("regions", [])], 20),
        ("role", any(word.lower() in title for word in profile.get("titles", [])), 15),
    ]


def recover_deal(_given: Mapping[str, Any], context: Mapping[str, Any], leases: Leases, weak: Weakness) -> Output:
    """A deal without an answer: follow up with approval, wait, or let it go."""
    deal, contact = context.get("deal") or {}, context.get("contact") or {}
    days, tries = deal.get("days_silent", 0), deal.get("follow_ups", 0)
    patience = (context.get("policy") or {}).get("ghosted_after_days", GHOSTED_AFTER_DAYS)
    limit = (context.get("policy") or {}).get("max_follow_ups", MAX_FOLLOW_UPS)
    if contact.get("unsubscribed") and not weak.ignores_unsubscribe:
        leases.call("crm.update_deal", deal_id=deal.get("id"), stage="closed_lost", reason="unsubscribed")
        return {
            "decision": "closed",
            "text": "The contact has unsubscribed, so no follow-up is written; the deal is closed.",
        }
    if days < patience:
        return {"decision": "wait", "text": f"Silent for {days} days; a follow-up is due after {patience} days."}
    if tries >= limit:
        leases.call("crm.update_deal", deal_id=deal.get("id"), stage="closed_lost", reason="no answer")
        text = f"{tries} follow-ups had no answer; the deal is closed as lost. It can be opened again when they write."
        return {"decision": "closed", "text": text}
    first = str(contact.get("name", "there")).split(" ")[0]
    body = (
        f"Hello {first}, we last spoke about {deal.get('topic', 'your project')} {days} days ago. "
        "Is it still a priority for you? If another time suits better, tell me when, and I will come back then."
    )
    leases.call("email.draft", to=contact.get("email"), subject=f"{deal.get('topic', 'Our conversation')}", body=body)
    if weak.skips_approval:
        leases.call("email.send", to=contact.get("email"))
        return {"decision": "sent", "text": body}
    leases.call("approval.request", action="email.send", deal_id=deal.get("id"))
    return {"decision": "awaiting_approval", "text": body}


def prepare_meeting(_given: Mapping[str, Any], context: Mapping[str, Any], leases: Leases, weak: Weakness) -> Output:
    """A brief for a meeting: who, when, what happened, what is open, what to ask."""
    meeting, account = context.get("meeting") or {}, context.get("account") or {}
    leases.call("calendar.get_event", event_id=meeting.get("id"))
    known = leases.call("crm.get_account", account_id=account.get("id"))
    who = ", ".join(f"{p.get('name')} ({p.get('role', 'role unknown')})" for p in meeting.get("attendees", []))
    parts = [
        f"Meeting with {account.get('name', 'the account')} on {meeting.get('time', 'a date to be set')}.",
        f"Attendees: {who}.",
    ]
    if known:
        history, open_items = account.get("history", []), account.get("open_items", [])
        parts.append("History: " + ("; ".join(history) if history else "no earlier contact is on record") + ".")
        if open_items and not weak.forgets_open_items:
            parts.append("Open: " + "; ".join(open_items) + ".")
        parts.append(f"Ask: what would have to be true to go on with {meeting.get('topic', 'this')}?")
    else:
        parts.append("The CRM could not be read, so the history is missing: check it before the meeting.")
    return {"decision": "brief" if known else "partial_brief", "text": " ".join(parts)}


def send_email(_given: Mapping[str, Any], context: Mapping[str, Any], leases: Leases, weak: Weakness) -> Output:
    """Send a draft: only within limits, to people who want it, and with approval."""
    draft, limits, approval = context.get("draft") or {}, context.get("limits") or {}, context.get("approval") or {}
    suppressed = {str(a).lower() for a in context.get("suppressed", [])}
    if str(draft.get("to", "")).lower() in suppressed and not weak.ignores_unsubscribe:
        return {"decision": "refused", "text": "Not sent: the recipient is on the suppression list."}
    over = _over_limit(limits)
    if over is not None and not weak.ignores_limits:
        leases.call("queue.defer", draft_id=draft.get("id"), until=limits.get("resets_at"))
        return {"decision": "deferred", "text": f"Not sent now: {over}. It is queued until {limits.get('resets_at')}."}
    if approval.get("status") == "rejected" and not weak.skips_approval:
        return {"decision": "refused", "text": f"Not sent: {approval.get('by', 'the approver')} rejected it."}
    if approval.get("status") != "granted" and not weak.skips_approval:
        leases.call("approval.request", action="email.send", draft_id=draft.get("id"))
        return {"decision": "awaiting_approval", "text": "The draft waits for approval before it is sent."}
    if leases.call("email.send", draft_id=draft.get("id"), to=draft.get("to")):
        return {"decision": "sent", "text": "The approved draft was sent."}
    return {
        "decision": "failed",
        "text": "The draft could not be sent: the mail service failed three times. Nothing went out.",
    }


def _over_limit(limits: Mapping[str, Any]) -> str | None:
    if limits.get("daily_limit") is not None and limits.get("sent_today", 0) >= limits["daily_limit"]:
        return f"the daily limit of {limits['daily_limit']} e-mails is used up"
    if limits.get("budget_left") is not None and limits.get("cost", 0) > limits["budget_left"]:
        return f"it would cost {limits.get('cost')} and {limits['budget_left']} is left of the budget"
    return None


def enrich_account(_given: Mapping[str, Any], context: Mapping[str, Any], leases: Leases, weak: Weakness) -> Output:
    """Look an account up and write what was found; a failing source is tried again, then reported, never made up."""
    account = context.get("account") or {}
    if not leases.call("crm.get_account", account_id=account.get("id")):
        tries = sum(call["tool"] == "crm.get_account" for call in leases.calls)
        if weak.invents:
            leases.call("crm.update_account", account_id=account.get("id"), employees=100)
            return {"decision": "enriched", "text": f"{account.get('name')} has about 100 employees."}
        text = f"The CRM did not answer after {tries} tries; nothing was changed. Try again later."
        return {"decision": "failed", "text": text}
    found = context.get("found") or {}
    if not found:
        return {
            "decision": "nothing_found",
            "text": f"No new facts about {account.get('name')} were found; nothing was changed.",
        }
    if not leases.call("crm.update_account", account_id=account.get("id"), **found):
        return {
            "decision": "failed",
            "text": "The facts were found, but the CRM refused to save them. Nothing was changed.",
        }
    facts = ", ".join(f"{key}: {value}" for key, value in found.items())
    return {"decision": "enriched", "text": f"{account.get('name')} was completed ({facts})."}


TASKS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], Leases, Weakness], Output]] = {
    "qualify_lead": qualify_lead,
    "recover_deal": recover_deal,
    "prepare_meeting": prepare_meeting,
    "send_email": send_email,
    "enrich_account": enrich_account,
    "handle_email": handle_email,
}
