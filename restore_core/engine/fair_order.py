"""In which order a sweep takes what is due, so that neither a vault nor a flood keeps all else out.

Knows that each vault gets its turn, that the longest due goes first within one, and that of four
places in a row the fourth is kept for what is no emergency. So a vault with hundreds of requests
that get nowhere takes every second place from one other vault, and no more. Refuses to know what a
request needs, and how long it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest

from restore_core.domain.record import OpenRow

EMERGENCIES_IN_A_ROW = 3
"""So many go before what is no emergency gets a place: they go first, and starve nobody."""


def in_fair_order(due: Sequence[OpenRow]) -> list[OpenRow]:
    """Order what is due: emergencies that a guard has allowed, and the longest due, first."""
    emergencies = _vault_by_vault(row for row in due if row.is_emergency)
    others = _vault_by_vault(row for row in due if not row.is_emergency)
    ordered: list[OpenRow] = []
    while len(ordered) < len(due):
        ordered += islice(emergencies, EMERGENCIES_IN_A_ROW)
        ordered += islice(others, 1)
    return ordered


def _vault_by_vault(rows: Iterable[OpenRow]) -> Iterator[OpenRow]:
    """Take one row of each vault, then the next of each; a vault's longest due first."""
    by_vault: dict[str, list[OpenRow]] = {}
    for row in sorted(rows, key=lambda row: (row.next_check_at, row.key)):
        by_vault.setdefault(row.vault_id.casefold(), []).append(row)
    rounds = zip_longest(*by_vault.values())
    return (row for row in chain.from_iterable(rounds) if row is not None)
