"""The floor of the cold start: what an app of this kind cannot do without, imported and not used.

A function app for the host, an identity, tables, and a way to call ARM. It does nothing.
"""

import azure.functions as func
import requests  # noqa: F401
from azure.data.tables import TableServiceClient  # noqa: F401
from azure.identity import DefaultAzureCredential

app = func.FunctionApp()


@app.queue_trigger(
    arg_name="message", queue_name="%RESTORE_REQUEST_QUEUE%", connection="RestoreStorage"
)
def accept_request(message: func.QueueMessage) -> None:
    """Make the identity, which asks nobody, and look at the message."""
    DefaultAzureCredential()
    message.get_body()
