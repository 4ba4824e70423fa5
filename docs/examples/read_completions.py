"""Take events off the completion queue: act on each once, then delete it."""

import json
import os
import sqlite3
from contextlib import closing
from typing import Any

from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient

QUEUE = os.environ.get("RESTORE_COMPLETION_QUEUE", "restore-completions")
LEASE_SECONDS = 300
"""Longer than `act` takes: until then no other reader sees the message."""


def open_queue() -> QueueClient:
    """Open the queue with the signed-in identity; on the local stack, by STORAGE."""
    if "STORAGE" in os.environ:
        return QueueClient.from_connection_string(os.environ["STORAGE"], QUEUE)
    url = f"https://{os.environ['RESTORE_STORAGE_ACCOUNT']}.queue.core.windows.net"
    return QueueClient(url, QUEUE, credential=DefaultAzureCredential())


def act(event: dict[str, Any]) -> None:
    """React to an event. After an exception the event comes back."""
    data = event["data"]
    if event["type"] == "azurefilesrestore.MessageRejected.v1":
        print("no request:", event["subject"], data["reason"], data["message"], data["problems"])
        return
    name, untouched = data["requestId"], data["restoreStarted"] == "no"
    match data["phase"]:
        case "Completed":
            print(name, "is restored:", data.get("counts"))
        case "CompletedWithWarnings":
            print(name, "is restored in part, do not go on:", data.get("counts"))
        case "Failed" | "Cancelled" if untouched:
            print(name, "did not start:", data["reason"], data["message"])
        case "Failed" | "Cancelled":
            print(name, "may have changed the target:", data["reason"], data["message"])
        case "Refused":
            print(name, "was refused:", data.get("rule"), data["message"])
        case "Planned":
            print(name, "would call", data["plan"]["url"])
        case "Indeterminate":
            print(name, "may be running, a person must look:", data["message"])
        case phase:
            raise ValueError(f"{phase} is no phase that this program knows")


def main() -> None:
    """Handle all events that are on the queue now."""
    with closing(sqlite3.connect("seen.sqlite")) as seen, open_queue() as completions:
        seen.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")
        for message in completions.receive_messages(visibility_timeout=LEASE_SECONDS):
            event = json.loads(message.content)
            with seen:  # one transaction: the id is stored only if `act` succeeds
                added = seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (event["id"],))
                if added.rowcount:
                    act(event)
            completions.delete_message(message)


if __name__ == "__main__":
    main()
