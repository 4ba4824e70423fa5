"""Many threads at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.patience import PATIENCE


def hammer(threads: int, act: Callable[[int], object]) -> None:
    """Let threads do something at the same moment; what one raises is raised."""
    gate, raised = threading.Barrier(threads), list[BaseException]()

    def run(number: int) -> None:
        gate.wait(PATIENCE)
        try:
            act(number)
        except BaseException as error:  # noqa: BLE001  (raised below)
            raised.append(error)

    each = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join(PATIENCE)
    for error in raised:
        raise error
