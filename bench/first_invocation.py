"""`python -m bench.first_invocation APP`: import an app and run it once, in a process that is new.

Prints one line of JSON with the seconds of each. `APP` is the module that holds the function app.
The message comes on standard input.
"""

import sys
import time

_begun = time.perf_counter()


def main() -> None:
    """Import, run, tell."""
    import importlib  # noqa: PLC0415  (everything here is timed)

    app = importlib.import_module(sys.argv[1])
    imported = time.perf_counter()

    import json  # noqa: PLC0415

    import azure.functions as func  # noqa: PLC0415

    (function,) = (
        one.get_user_function()
        for one in app.app.get_functions()
        if one.get_function_name() == "accept_request"
    )
    body = sys.stdin.buffer.read()
    called = time.perf_counter()
    if sys.argv[1] == "function_app":
        # Ours asks for no token on this machine and so would not import what asks. On Azure it
        # does, in the first invocation, as the peer does at import.
        from restore_core.wiring import credential  # noqa: PLC0415

        credential("", "https://login.microsoftonline.com")
    function(func.QueueMessage(id="message", body=body))
    done = time.perf_counter()
    print(
        json.dumps(
            {
                "import": imported - _begun,
                "invocation": done - called,
                "modules": len(sys.modules),
            }
        )
    )


if __name__ == "__main__":
    main()
