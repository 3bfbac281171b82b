"""Attribute names and what they mean here: one table, the newest name first.

Read: OpenTelemetry semantic conventions for generative AI (development), package 0.66b2 of November 2026, with the
names that it deprecates; OpenInference (`llm.*`, `openinference.*`), the Vercel AI SDK (`ai.*`), Inngest (`sdk.*`,
`sys.*`).
"""

from __future__ import annotations

from collections.abc import Mapping

VERSION = "OpenTelemetry semantic conventions 0.66b2"
FIELDS: Mapping[str, tuple[str, ...]] = {
    "operation": ("gen_ai.operation.name", "ai.operationId", "openinference.span.kind", "operation.name"),
    "provider": ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"),
    "model": ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "ai.response.model", "ai.model.id"),
    "tool": ("gen_ai.tool.name", "ai.toolCall.name", "tool.name", "tool_call.function.name"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
                     "ai.usage.inputTokens", "ai.usage.promptTokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
                      "ai.usage.outputTokens", "ai.usage.completionTokens"),
    "cost_usd": ("gen_ai.usage.cost", "llm.cost.total", "cost_usd"),
    "correlation_id": ("gen_ai.conversation.id", "session.id", "correlation_id"),
    "function": ("inngest.function.id", "sys.function.id", "function.id", "gen_ai.workflow.name", "gen_ai.agent.name"),
    "run_id": ("inngest.run.id", "sdk.run.id", "sys.run.id", "run_id"),
    "step": ("inngest.step.id", "inngest.step.name", "sdk.step.id", "step"),
    "input_sha256": ("greenlight.input_sha256", "input_sha256"),
    "environment": ("greenlight.environment", "deployment.environment.name", "deployment.environment", "environment"),
    "service": ("service.name",),
    "version": ("service.version", "RAILWAY_GIT_COMMIT_SHA"),
    "error": ("error.type", "exception.type"),
}  # fmt: skip
# What people and models said. Only its size and hash are kept, unless content is asked for.
CONTENT = (
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt",
    "gen_ai.completion", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.tool.definitions",
    "gen_ai.retrieval.documents", "gen_ai.retrieval.query.text", "gen_ai.evaluation.explanation", "gen_ai.content",
    "gen_ai.event.content", "ai.prompt", "ai.response.text", "ai.response.object", "ai.response.toolCalls",
    "ai.toolCall.args", "ai.toolCall.result", "ai.value", "ai.schema", "input.value", "output.value",
    "llm.input_messages", "llm.output_messages", "llm.prompts", "llm.invocation_parameters", "llm.prompt_template",
    "retrieval.documents", "exception.message", "exception.stacktrace", "http.request.body", "http.response.body",
    "prompt", "completion", "messages", "input", "output", "arguments", "result", "body", "text", "content",
)  # fmt: skip
CONTENT_PREFIXES = tuple(f"{name}." for name in CONTENT if "." in name)
MODELS = frozenset({"chat", "text_completion", "generate_content", "embeddings", "llm", "ai.generatetext.dogenerate",
                    "ai.streamtext.dostream", "ai.generateobject.dogenerate", "ai.embed.doembed"})  # fmt: skip
AGENTS = frozenset({"invoke_agent", "create_agent", "agent", "chain", "ai.generatetext", "ai.streamtext"})
TOOLS = frozenset({"execute_tool", "tool", "ai.toolcall"})


def is_content(name: str) -> bool:
    """Whether an attribute holds what was said."""
    return name in _CONTENT or name.startswith(CONTENT_PREFIXES)


def kind_of(operation: str, tool: str, model: str) -> str:
    """A tool, a model's or an agent's call; "" for another span."""
    word = operation.casefold()
    if word in TOOLS or (tool and word not in MODELS):
        return "tool"
    if word in MODELS:
        return "model"
    return "agent" if word in AGENTS else "model" if model else ""


_CONTENT = frozenset(CONTENT)
