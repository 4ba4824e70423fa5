"""What the guards say of a request before anything is read for it."""

from __future__ import annotations

import pytest

from restore_core.arm_ids import share_id
from restore_core.domain.record import RestoreRecord
from restore_core.messages.parsing import read_request
from restore_core.messages.request import RestoreRequest
from restore_core.policy.guards import Guards, Rule
from restore_core.policy.judging import Foreseen, NotAllowed, covers, foresee, judge
from restore_core.policy.patterns import SHARE
from tests.restore_core.given import ACCOUNT, ITEM, NOW, VAULT, Json, decided, request_body
from tests.restore_core.policy.test_guards import guards_of, rule

ELSEWHERE = VAULT.replace("harbour", "lagoon")
BY_ITEM: Json = {"source": {"protectedItemId": ITEM}}
OTHER_SHARE: Json = {"source": {"storageAccountId": ACCOUNT, "fileShare": "secrets"}}


def record_of(body: Json) -> RestoreRecord:
    request = read_request(request_body(**body))
    assert isinstance(request, RestoreRequest)
    return RestoreRecord.accept(request, message_id="m", requested_at=NOW, now=NOW)


def refused(guards: Guards, body: Json) -> tuple[str, str]:
    said = foresee(guards, record_of(body))
    assert isinstance(said, NotAllowed)
    return said.rule, said.message


@pytest.mark.parametrize("source", [{}, BY_ITEM])
def test_a_vault_that_no_rule_covers_is_refused_unread(source: Json) -> None:
    body = source or {"vaultId": VAULT}
    one = rule(vaults=[ELSEWHERE])
    message = f"No rule covers the vault {VAULT}."
    assert refused(guards_of(one), body) == ("harbour/vaults", message)
    two = rule("other", vaults=[ELSEWHERE])
    assert refused(guards_of(one, two), body) == ("rules", message)


def test_a_share_that_no_rule_covers_is_refused_unread() -> None:
    _, message = refused(guards_of(rule()), OTHER_SHARE)
    assert (
        message == f"No rule covers the share {share_id(ACCOUNT, 'secrets')} in the vault {VAULT}."
    )
    # A rule about the share in another vault, and one about another share here, are not one rule.
    there = rule("there", vaults=[ELSEWHERE], sources=[share_id(ACCOUNT, "*")])
    assert refused(guards_of(rule(), there), OTHER_SHARE)[0] == "rules"


def test_a_source_in_another_group_is_left_to_the_vault_to_tell() -> None:
    """The vault may know where an account is that its sender puts elsewhere."""
    account = ACCOUNT.replace("files-rg", "sandbox")
    body: Json = {"source": {"storageAccountId": account, "fileShare": "ledgers"}}
    assert isinstance(foresee(guards_of(rule()), record_of(body)), Foreseen)


@pytest.mark.parametrize(("by", "allowed"), [([], False), (["day *"], False), (["night *"], True)])
@pytest.mark.parametrize("source", [{}, BY_ITEM])
def test_an_emergency_counts_where_a_rule_lets_it(
    by: list[str], allowed: bool, source: Json
) -> None:
    body = {"priority": "emergency", "requestedBy": "night shift 7"} | source
    said = foresee(guards_of(rule(emergencyBy=by)), record_of(body))
    assert said == Foreseen(emergency_allowed=allowed)


def test_a_rule_for_other_shares_lets_no_emergency_count() -> None:
    others = rule("others", sources=[share_id(ACCOUNT, "charts")], emergencyBy=["*"])
    body: Json = {"priority": "emergency", "requestedBy": "night shift 7"}
    assert foresee(guards_of(rule(), others), record_of(body)) == Foreseen(emergency_allowed=False)


@pytest.mark.parametrize("vaults", [[VAULT], [ELSEWHERE]])
@pytest.mark.parametrize("share", ["ledgers", "charts"])
@pytest.mark.parametrize("body", [{}, BY_ITEM, OTHER_SHARE])
def test_what_is_refused_unread_would_be_refused_once_it_is_read(
    vaults: list[str], share: str, body: Json
) -> None:
    guards = guards_of(rule(vaults=vaults, sources=[SHARE.format("*", "*", "*", share)]))
    if isinstance(foresee(guards, record_of(body)), NotAllowed):
        found = body.get("source", {}).get("fileShare", "ledgers")
        record, decision = decided(request_body(**body), share=found)
        assert isinstance(judge(guards, record, decision), NotAllowed)


def test_a_rule_covers_a_share_in_its_vault_alone() -> None:
    guards = guards_of(rule())
    vault = record_of({}).request.vault
    assert covers(guards, vault, share_id(ACCOUNT, "ledgers"))
    assert not covers(guards, vault, share_id(ACCOUNT, "secrets"))
    elsewhere = record_of({"vaultId": ELSEWHERE}).request.vault
    assert not covers(guards, elsewhere, share_id(ACCOUNT, "ledgers"))
    assert isinstance(judge(guards, *decided(request_body())), Rule)
