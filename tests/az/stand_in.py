"""Plays `az` and `curl`: writes down each call and prints what the real program would print.

    python stand_in.py az storage account show --name … --query id --output tsv

The answers are whole documents (`tests/samples/az_answers.json`), and a `--query` is evaluated on
them by jmespath, which `az` uses too. So a query for a field that is not there prints nothing and
succeeds, as it does with `az`. `SILENT=2` makes the second query print nothing, whatever it asks.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import jmespath

ANSWERS = Path(__file__).parents[1] / "samples/az_answers.json"
STATUS = "--write-out"


def commands() -> dict[str, object]:
    """What is printed, by command."""
    held: dict[str, object] = json.loads(ANSWERS.read_text(encoding="utf-8"))["answers"]
    return held


def answer_of_az(words: list[str]) -> str:
    """What `az` prints; raises LookupError for a command that nobody has looked up."""
    text = " ".join(["az", *words])
    known = commands()
    named = [one for one in known if f"{text} ".startswith(f"{one} ")]
    if not named:
        raise LookupError(f"no answer is known for: {text}")
    document = known[max(named, key=len)]
    if "--query" in words:
        document = jmespath.search(words[words.index("--query") + 1], document)
    if document is None:
        return ""
    return document if isinstance(document, str) else json.dumps(document)


def answer_of_curl(words: list[str]) -> str:
    """What `curl` prints: a state with its end, and the status where it is asked for."""
    body = '{"event": "refresh-test-2026-02-05/Completed"}'
    return f"{body}\n{os.environ.get('STATUS', '200')}" if STATUS in words else body


def main() -> int:
    """Write the call down, and answer."""
    program, *words = sys.argv[1:]
    calls = Path(os.environ["CALLS"])
    earlier = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
    with calls.open("a", encoding="utf-8") as file:
        print(json.dumps([program, *words]), file=file)
    queries = sum(1 for line in earlier if "--query" in json.loads(line))
    if "--query" in words and os.environ.get("SILENT") == str(queries + 1):
        return 0
    said = answer_of_curl(words) if program == "curl" else answer_of_az(words)
    if said:
        print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
