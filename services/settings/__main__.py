"""Prints the JSON Schema of `greenlight.toml`: `python -m services.settings > docs/greenlight.schema.json`."""

import json

from services.settings.load import json_schema

print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
