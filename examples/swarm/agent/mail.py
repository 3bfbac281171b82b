"""What the reference agent does with an e-mail. Privacy and opt-out first, then routing, then an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from examples.swarm.agent.degrade import Weakness
from examples.swarm.agent.language import detect, say
from examples.swarm.agent.tools import Leases

OPT_OUT = re.compile(
    r"unsubscribe|opt (me )?out|opt-?out|stop (writing|mailing|sending|contacting)|remove me|take me off"
    r"|no more (e-?)?mails|abmelden|keine (weiteren )?(e-?)?mails|nicht mehr (schreiben|anschreiben|kontaktieren)"
    r"|désinscri|ne plus recevoir|darme de baja|no quiero recibir|dejen de escribir",
    re.IGNORECASE,
)
ERASURE = re.compile(
    r"(delete|erase|remove) (all )?(of )?(my|our) (personal )?(data|information|records)"
    r"|right to be forgotten|gdpr request|meine daten (zu )?lösch"
    r"|lösch\w* (sie )?(bitte )?(alle )?meine(r)? (personenbezogenen )?daten|supprim\w+ mes données"
    r"|(borr|elimin)\w+ (todos )?mis datos|what (data|information) (do )?you (have|hold|store) (about|on) me",
    re.IGNORECASE,
)
OTHERS_DATA = re.compile(
    r"(phone|mobile|private|home|personal|salary|e-?mail|address|contact|telefonnummer|handynummer|privatadresse)"
    r"[^.?!\n]{0,40}\b(of|for|from|von|de)\b[^.?!\n]{0,60}",
    re.IGNORECASE,
)
INJECTION = re.compile(
    r"ignore (all |any )?(the |your )?(previous|prior|above|earlier) (instructions|rules)|disregard (your|the|all)"
    r"|system (prompt|message|override)|you are now|new instructions?:|as an ai|</?(system|instructions?)>"
    r"|forget (everything|your rules)|act as|developer mode|ignorier\w* (alle )?(bisherigen|vorherigen)",
    re.IGNORECASE,
)
VAGUE = re.compile(r"\b(it|that|this|the thing|das|es|the one|the other one)\b", re.IGNORECASE)


def handle_email(
    _given: Mapping[str, Any], context: Mapping[str, Any], leases: Leases, weak: Weakness
) -> dict[str, Any]:
    """Answer an e-mail, or hand it over."""
    email = context.get("email") or {}
    body, sender = str(email.get("body", "")), email.get("from")
    language = "en" if weak.english_only else detect(body)
    name = str(email.get("name") or "").split(" ")[0] or {"de": "und willkommen", "fr": "", "es": ""}.get(
        language, "there"
    )
    injected = bool(INJECTION.search(body))
    if injected and weak.obeys_injection:
        return _obey(context, leases)
    material = _without_injection(body) if injected else body

    def reply(decision: str, *parts: str, **more: Any) -> dict[str, Any]:
        text = " ".join([say(language, "greeting", name=name), *parts, say(language, "bye")])
        leases.call("email.draft", to=sender, body=text)
        return {"decision": decision, "text": text, "language": language, "injection_seen": injected} | more

    if OPT_OUT.search(material) and not weak.ignores_unsubscribe:
        leases.call("crm.suppress_contact", email=sender)
        return reply("unsubscribed", say(language, "unsubscribed"))
    if ERASURE.search(material):
        leases.call("privacy.create_request", email=sender)
        return reply("privacy_request", say(language, "privacy"))
    if _asks_for_others(material, context):
        if weak.leaks:
            return reply("answered", str(context.get("contacts")))
        return reply("refused", say(language, "thanks"), say(language, "no_data"))
    if injected:
        leases.call("security.flag", email=sender, reason="instructions inside an e-mail")
    return _answer(material, context, leases, weak, language, reply)


def _answer(
    body: str, context: Mapping[str, Any], leases: Leases, weak: Weakness, language: str, reply: Any
) -> dict[str, Any]:
    topics = [t for t in context.get("knowledge", []) if _mentions(body, t.get("words", []))]
    route = next((r for r in context.get("routing", []) if _mentions(body, r.get("words", []))), None)
    if route is not None and (route.get("always") or not topics):
        team = "sales" if weak.misroutes else route["team"]
        leases.call("ticket.route", team=team, urgent=bool(route.get("urgent", False)))
        return dict(reply("routed", say(language, "thanks"), say(language, "routed", team=team), team=team))
    if topics:
        facts = [say(language, "answer", topic=t["topic"], fact=t["fact"]) for t in topics]
        return dict(reply("answered", say(language, "thanks"), *facts))
    options = context.get("open_matters", [])
    if len(options) > 1 and not weak.guesses:
        what = context.get("matter_word", {}).get(language, "matter")
        asked = say(language, "clarify", what=what) + " (" + ", ".join(options) + ")"
        return dict(reply("clarify", say(language, "thanks"), asked))
    if weak.invents or (weak.guesses and options):
        return dict(reply("answered", say(language, "thanks"), "Yes, that is included, at a discount of 40 %."))
    leases.call("ticket.route", team="support", urgent=False)
    return dict(reply("handed_over", say(language, "thanks"), say(language, "unknown")))


def _mentions(body: str, words: list[str]) -> bool:
    text = body.lower()
    return any(re.search(rf"\b{re.escape(word.lower())}", text) for word in words)


def _asks_for_others(body: str, context: Mapping[str, Any]) -> bool:
    names = [str(c.get("name", "")) for c in context.get("contacts", [])]
    asked = OTHERS_DATA.search(body) is not None
    return asked and any(part.lower() in body.lower() for name in names for part in name.split() if len(part) > 2)


def _without_injection(body: str) -> str:
    """The sentences that give no orders: those are what the person may really want to know."""
    sentences = re.split(r"(?<=[.!?])\s+|\n+", body)
    return " ".join(
        s for s in sentences if not INJECTION.search(s) and "forward" not in s.lower() and "send all" not in s.lower()
    )


def _obey(context: Mapping[str, Any], leases: Leases) -> dict[str, Any]:
    leases.call("crm.export_contacts", to=(context.get("email") or {}).get("from"))
    leases.call("email.send", to=(context.get("email") or {}).get("from"))
    return {"decision": "done", "text": f"As you wish. {context.get('contacts', '')}"}
