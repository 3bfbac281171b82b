"""The findings, how grave each is, and what they say. A table; no sentence ever holds a value.

Words in braces are names, line numbers and catalogue entries, filled by the check that found it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.advice import Advice

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One thing that can be wrong."""

    severity: Severity
    advice: Advice


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong: in operator's words, with what to do; `key` and `line` where there is one."""

    key: str | None
    rule: str
    severity: Severity
    advice: Advice
    line: int | None = None


def finding(
    rule: str, key: str | None = None, *, line: int | None = None, severity: Severity | None = None, **words: object
) -> Finding:
    """A finding of that rule; `severity` where the circumstances decide another than the table's."""
    entry = RULES[rule]
    filled = {"key": key, "line": line} | words
    return Finding(
        key=key,
        rule=rule,
        severity=severity or entry.severity,
        advice=Advice(what=entry.advice.what.format(**filled), fix=entry.advice.fix.format(**filled)),
        line=line,
    )


def _rule(severity: Severity, message: str, fix: str) -> Rule:
    return Rule(severity=severity, advice=Advice(what=message, fix=fix))


RULES: Mapping[str, Rule] = {
    # The file as text
    "bad_line": _rule(
        "error",
        "Line {line} can't be read as KEY=value, so it counts for nothing.",
        "Write it as KEY=value, close its quotes, or put # before it.",
    ),
    "colon_line": _rule(
        "error",
        "Line {line} has a colon where an equals sign is due, so it counts for nothing.",
        "Write it as KEY=value.",
    ),
    "bad_names": _rule(
        "error",
        "{count} entries of the export have no plausible name, so they count for nothing.",
        "Name variables with letters, digits and underscores.",
    ),
    "wrong_encoding": _rule(
        "error", "The file is saved as {encoding}, so nothing in it can be read.", "{encoding}: save it as UTF-8."
    ),
    "unquoted_block": _rule(
        "error",
        "{key} begins a value of several lines without quotes, so only its first line counts.",
        "Put double quotes around the whole value, or write its line ends as \\n.",
    ),
    "platform_reference": _rule(
        "error",
        "{key} holds a reference that only the hosting platform fills in.",
        "Write the value itself, or read the platform's own export of its variables.",
    ),
    "reference_too_long": _rule(
        "error",
        "{key} refers to other keys, and filled in it is too long.",
        "Write the value in full; references that double with every line are no configuration.",
    ),
    "odd_character": _rule(
        "error",
        "{key} holds {character} at place {place}, which does not belong there.",
        "Copy the value again, without the characters around it. {where}",
    ),
    "duplicate_key": _rule(
        "warning",
        "{key} is set {count} times (lines {lines}); only the last one counts.",
        "Keep one of the lines and remove the others.",
    ),
    "byte_order_mark": _rule(
        "warning",
        "The file begins with an invisible mark (BOM); some programs take it for a part of the first key.",
        "Save the file as UTF-8 without BOM.",
    ),
    "not_utf8": _rule(
        "error", "Line {line} holds bytes that are not UTF-8 text.", "Save the file as UTF-8 and type that line again."
    ),
    "unresolved_reference": _rule(
        "warning",
        "{key} refers to {names}, which the file does not set before it.",
        "Set {names} above this line, or write the value in full.",
    ),
    # Missing and empty
    "missing_required": _rule("error", "{key} is missing, and it is required.", "Add it. {where}"),
    "missing_for_strict": _rule(
        "warning", "{key} is missing; strict mode will need it.", "Add it before you switch strict mode on. {where}"
    ),
    "missing_recommended": _rule("warning", "{key} is not set, though it is recommended.", "Add it. {where}"),
    "unset_platform_default": _rule(
        "info",
        "{key} is unset: the platform's own default applies, which is computed as 0 seconds.",
        "Set it if background work must survive a deploy. {where}",
    ),
    "empty_required": _rule("error", "{key} is there but empty, and it is required.", "Fill it in. {where}"),
    "empty": _rule("warning", "{key} is there but empty.", "Fill it in, or remove the line. {where}"),
    "empty_signing_key": _rule(
        "error",
        "INNGEST_SIGNING_KEY is empty: the route would accept anyone's calls.",
        "Fill in the key from Inngest's dashboard, or remove the line.",
    ),
    "placeholder": _rule("error", "{key} still holds a placeholder instead of a real value.", "Replace it. {where}"),
    # Kinds
    "not_boolean": _rule("error", "{key} is neither true nor false.", "Write true or false."),
    "not_integer": _rule("error", "{key} is not a whole number.", "Write digits only."),
    "out_of_range": _rule("error", "{key} is outside {low} to {high}.", "Write a number in that range."),
    "not_url": _rule("error", "{key} is not a URL with a scheme and a host.", "Write it in full, {example}."),
    "port_out_of_range": _rule("error", "{key} names a port outside 1 to 65535.", "Correct the port."),
    "redis_scheme": _rule(
        "error", "{key} does not begin with redis:// or rediss://.", "Copy the address for Redis clients. {where}"
    ),
    "redis_address": _rule("error", "{key} can't be used: {what}.", "{how}"),
    "redis_without_tls": _rule(
        "error",
        "{key} begins with redis://, so password and data travel unencrypted.",
        "Use the rediss:// address of the same database.",
    ),
    "key_not_hex": _rule(
        "error",
        "{key} is not hexadecimal after its prefix: every signature check would fail.",
        "Copy the whole key again. {where}",
    ),
    # Which environment
    "environment_contradicts": _rule(
        "error", "ENVIRONMENT does not say {mode}.", "Write ENVIRONMENT={mode}, or check that this is the right file."
    ),
    "other_environment": _rule(
        "error",
        "{key} names another environment than {mode}.",
        "Write {expected}, or check that this is the right file.",
    ),
    "unusual_value": _rule(
        "warning",
        "{key} differs from the usual value of {mode}.",
        "Write {expected} unless the difference is intentional.",
    ),
    "dev_switch_on": _rule(
        "error",
        "INNGEST_DEV switches Inngest to development: no signature is checked, and the cloud refuses to sync.",
        "Remove the line.",
    ),
    "dev_switch_looks_off": _rule(
        "error",
        "INNGEST_DEV looks switched off but counts as on: only 0, false and empty are off.",
        "Remove the line.",
    ),
    "base_url_ignored": _rule(
        "error",
        "{key} has neither a dot nor a port in its host, so Inngest's library ignores it without a word.",
        "Write the host with its domain or port, such as http://inngest.internal:8288.",
    ),
    "webhook_not_https": _rule("error", "{key} does not begin with https://.", "Write the public https address."),
    "webhook_path": _rule(
        "error", "INNGEST_WEBHOOK_URL does not end in /inngest.", "Write the application's address with /inngest."
    ),
    "origin_mismatch": _rule(
        "error",
        "INNGEST_SERVE_ORIGIN is not the address (scheme, host and port) of INNGEST_WEBHOOK_URL.",
        "Write INNGEST_WEBHOOK_URL without /inngest, or correct the one that is wrong.",
    ),
    "loopback_address": _rule(
        "error",
        "{key} points at this machine itself, where Inngest can't reach it.",
        "Write the application's public https address.",
    ),
    "production_key_elsewhere": _rule(
        "error",
        "{key} is a production key, but this is {mode}.",
        "Use the key of this environment. {where}",
    ),
    "other_key_in_production": _rule(
        "error",
        "{key} is a {word} key, but this is production.",
        "Use the production key. {where}",
    ),
    # Secrets
    "refused_secret": _rule(
        "error",
        "{key} is a value that was published once and must never be used again.",
        "Make a new one. {where}",
    ),
    "same_secret": _rule(
        "error",
        "{key} is the same as in {others}: one environment's secret opens the other.",
        "Give each environment its own. {where}",
    ),
    "same_value": _rule(
        "error", "{key} is the same as in {others}, but each environment needs its own.", "Correct it. {where}"
    ),
    "same_redis_server": _rule(
        "error",
        "REDIS_URL reaches the same Redis server and database as {others}, behind another address.",
        "Give each environment a database of its own.",
    ),
    "secret_in_example": _rule(
        "error",
        "{key} holds a real secret in an example file.",
        "Replace it by a placeholder, and make a new secret: this one may be known.",
    ),
    "readable_by_others": _rule(
        "warning",
        "Other users of this machine may read the file.",
        "Allow it to its owner alone: chmod 600, or press Write, which does so.",
    ),
    "tracked_by_git": _rule(
        "error",
        "The file is tracked by git, so its secrets are in the history.",
        "Run git rm --cached on it, add it to .gitignore, and make new secrets.",
    ),
    # Policy
    "relaxed_policy": _rule(
        "warning",
        "Relaxed: neither Redis nor Inngest is required, so nothing is enforced.",
        "Set REDIS_REQUIRED and INNGEST_REQUIRED to true when the environment is ready for strict mode.",
    ),
    "partly_relaxed": _rule(
        "warning",
        "Only {on} is required; an outage of {off} would go unnoticed.",
        "Set the other *_REQUIRED to true when the environment is ready for strict mode.",
    ),
    "saved_not_deployed": _rule(
        "error",
        "{key} is {saved} in the file, but the running application reports {running}.",
        "Save it in the hosting platform and redeploy: nothing applies before a redeploy.",
    ),
    "deployed_not_saved": _rule(
        "warning",
        "{key} is {saved} in the file, but the running application reports {running}.",
        "Correct the file: the next deploy would switch strict mode off.",
    ),
    # Live meaning
    "redis_check_failed": _rule("error", "REDIS_URL: {what}", "{then}"),
    "route_check_failed": _rule("error", "Inngest route: {what}", "{then}"),
    "route_other_app": _rule(
        "error",
        "INNGEST_WEBHOOK_URL reaches another application than INNGEST_APP_ID names.",
        "Correct the address or the id; the two must belong together.",
    ),
    "token_check_failed": _rule("error", "Dependency report: {what}", "{then}"),
    "check_could_not_run": _rule("info", "{check} was not checked: {what}", "{then}"),
}
