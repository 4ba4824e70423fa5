"""The calls that the strict Azure of the tests takes: all others are problems."""

from __future__ import annotations

from tests.acceptance import fake_app, fake_items, fake_resources, fake_vault
from tests.acceptance.fake_parts import Route

ROUTES: tuple[Route, ...] = (
    *fake_resources.ROUTES,
    *fake_vault.ROUTES,
    *fake_items.ROUTES,
    *fake_app.ROUTES,
)
