"""Emulators on real sockets, ended with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.vault import EmulatorOptions, VaultEmulator
from tests.local.vault.arm import Arm, small_root

Serve = Callable[..., Arm]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve the small root (or `root`, as it is) with these options, 200 times faster."""
    with ExitStack() as stack:

        def start(root: Path | None = None, files: int = 0, **options: object) -> Arm:
            chosen = EmulatorOptions(**{"time_scale": 200.0, **options})  # type: ignore[arg-type]
            if root is None:
                root = small_root(tmp_path / "root", files=files).root
            arm = Arm(stack.enter_context(VaultEmulator(root, chosen)))
            stack.callback(arm.close)
            return arm

        yield start


@pytest.fixture
def arm(serve: Serve) -> Arm:
    """The small root, 200 times faster, otherwise as the service is."""
    return serve()
