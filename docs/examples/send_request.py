"""Put a request on the queue: python send_request.py request.json"""

import os
import sys
from pathlib import Path

from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient

QUEUE = os.environ.get("RESTORE_REQUEST_QUEUE", "restore-requests")


def open_queue() -> QueueClient:
    """Open the queue with the signed-in identity; on the local stack, by STORAGE."""
    if "STORAGE" in os.environ:
        return QueueClient.from_connection_string(os.environ["STORAGE"], QUEUE)
    url = f"https://{os.environ['RESTORE_STORAGE_ACCOUNT']}.queue.core.windows.net"
    return QueueClient(url, QUEUE, credential=DefaultAzureCredential())


def main() -> None:
    """Send the file unchanged."""
    request = Path(sys.argv[1]).read_text(encoding="utf-8")
    with open_queue() as requests:
        # By default a message is deleted after seven days, read or not; -1 keeps it.
        message = requests.send_message(request, time_to_live=-1)
    print("sent as the message", message.id)


if __name__ == "__main__":
    main()
