"""A request as code that sends it to the provider, with a placeholder for the key."""

import json
from collections.abc import Mapping
from pprint import pformat
from typing import Any

_ENDPOINT = "https://api.aimlapi.com/v2/video/generations"
_KEY = "AIML_API_KEY"
_INPUTS_NOTE = "# Put a public link or a data URI in the place of each input:…"


def as_json(payload: Mapping[str, Any]) -> str:
    """Return the request as it stands in the ledger."""
    return json.dumps(payload, indent=2, ensure_ascii=False)


def as_curl(payload: Mapping[str, Any]) -> str:
    """Return a command for a POSIX shell."""
    body = as_json(payload).replace("'", "'\\''")
    return "\n".join(
        [
            *_notes(payload),
            f"curl {_ENDPOINT} \\",
            f'  -H "Authorization: Bearer ${_KEY}" \\',
            '  -H "Content-Type: application/json" \\',
            f"  -d '{body}'",
        ]
    )


def as_python(payload: Mapping[str, Any]) -> str:
    """Return a script that needs the `requests` package."""
    body = pformat(dict(payload), sort_dicts=False, width=88)
    return "\n".join(
        [
            "from os import environ",
            "",
            "import requests",
            "",
            *_notes(payload),
            f"payload = {body}",
            "answer = requests.post(",
            f'    "{_ENDPOINT}",',
            f'    headers={{"Authorization": f"Bearer {{environ[\'{_KEY}\']}}"}},',
            "    json=payload,",
            "    timeout=60,",
            ")",
            "print(answer.status_code, answer.json())",
        ]
    )


def _notes(payload: Mapping[str, Any]) -> list[str]:
    return [_INPUTS_NOTE] if '"input:' in json.dumps(payload) else []
