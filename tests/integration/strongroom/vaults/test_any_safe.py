"""Any Safe can be looked at; one that is sound is taken in by its own owners' batch."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from strongroom.vaults import official
from strongroom.vaults.adoption import NotAdoptable, adoption
from strongroom.vaults.configuration import NotASafe
from strongroom.vaults.health import judge
from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.deployment import artifacts
from strongroom_protocol.safe import SafeTx, payment_safe_tx
from tests.factories.parts.anvil import Chain
from tests.factories.safes import SafeStage, address_of, person

DAY = 86_400


@pytest.fixture(scope="module")
def safes(anvil_of_module: Chain) -> Iterator[SafeStage]:
    made = SafeStage(anvil_of_module)
    yield made
    made.close()


def states(safes: SafeStage, safe: Address) -> dict[str, str]:
    health = judge(safes.read(safe), safes.deployment)
    return {one.name: one.state for one in health.checks}


def test_the_packaged_safe_is_the_official_release() -> None:
    code = {name: bytes.fromhex(artifacts()[name]["runtime_keccak"][2:]) for name in artifacts()
            if "runtime_keccak" in artifacts()[name]}  # fmt: skip
    assert official.SINGLETONS[code["SafeL2"]] == official.SINGLETON
    assert official.PROXIES[code["SafeProxy"]] == "SafeProxy 1.5.0"


def test_a_vault_born_under_guard_scores_a_hundred(safes: SafeStage) -> None:
    vault = safes.vault(1)
    supplier = address_of(person("supplier"))
    found = safes.read(vault, tokens=[ZERO, safes.dollar, supplier], destinations=[supplier])
    health = judge(found, safes.deployment)
    assert (health.score, health.guarded, health.blockers) == (100, True, ())
    assert len(health.checks) == 10
    assert found.version == "1.5.0"
    assert [address_of(one) for one in safes.people] == sorted(found.owners)
    assert found.record is not None
    assert found.record.permit_signer == address_of(safes.permit_key)
    assert {token: one.day_units for token, one in found.record.limits.items()} == {
        ZERO: 10**18,
        safes.dollar: 10**9,
    }
    assert 0 < found.record.destinations[supplier] <= found.block_time


def test_what_is_wrong_with_a_plain_safe_is_said(safes: SafeStage) -> None:
    module = address_of(person("module"))
    safe = safes.plain_safe(2, handler=safes.dollar, threshold=1)
    enable = abi.call("enableModule(address)", abi.address(module))
    safes.execute(safe, SafeTx(safe, 0, enable, 0), signers=safes.people[:1], permit=False)
    bad = {name for name, state in states(safes, safe).items() if state == "bad"}
    assert bad == {
        "threshold", "transaction guard", "module guard", "modules", "fallback handler",
        "guard's record",
    }  # fmt: skip
    health = judge(safes.read(safe), safes.deployment)
    assert [one.name for one in health.blockers] == ["threshold"]
    assert health.score == 40
    with pytest.raises(NotAdoptable, match="raise the threshold"):
        adoption(safes.read(safe), safes.vault_content(adopted=safe), safes.deployment)


def test_a_contract_among_the_owners_and_other_code_are_seen(safes: SafeStage) -> None:
    owners = [address_of(one) for one in safes.people[:2]] + [safes.dollar]
    safe = safes.plain_safe(3, owners=owners, threshold=3)
    assert states(safes, safe)["owners"] == "bad"
    assert states(safes, safe)["threshold"] == "attention"
    found = safes.read(safe)
    other = replace(found, code_hash=bytes(32), code_hashes={found.singleton: bytes(32)})
    checks = {one.name: one for one in judge(other, safes.deployment).checks}
    assert checks["proxy"].state == checks["implementation"].state == "bad"
    older = next(key for key, name in official.SINGLETONS.items() if name == "SafeL2 1.4.1")
    older_safe = replace(found, code_hashes={found.singleton: older})
    assert "SafeMigration" in judge(older_safe, safes.deployment).checks[1].remedy
    lying = replace(safes.read(safes.vault(4)), threshold=3)
    assert judge(lying, safes.deployment).checks[8].state == "bad"


def test_what_is_no_safe_is_not_judged(safes: SafeStage) -> None:
    for other in (safes.dollar, address_of(safes.people[0]), safes.deployment.guard):
        with pytest.raises(NotASafe):
            safes.read(other)


def test_an_existing_safe_is_taken_in_by_its_owners_alone(safes: SafeStage) -> None:
    module, payee = address_of(person("old module")), address_of(person("supplier"))
    safe = safes.plain_safe(5, handler=safes.dollar)
    safes.fund(safe)
    for nonce, enabled in enumerate((module, safes.deployment.exit)):
        enable = abi.call("enableModule(address)", abi.address(enabled))
        safes.execute(safe, SafeTx(safe, 0, enable, nonce), permit=False)
    content = safes.vault_content(adopted=safe)
    with pytest.raises(NotAdoptable, match="other owners"):
        adoption(safes.read(safe), replace(content, threshold=3), safes.deployment)
    tx = adoption(safes.read(safe), content, safes.deployment)
    safes.execute(safe, tx, permit=False)
    found = safes.read(safe)
    assert (judge(found, safes.deployment).score, found.modules) == (100, (safes.deployment.exit,))
    with pytest.raises(NotAdoptable, match="stands on it already"):
        adoption(found, content, safes.deployment)
    payment = payment_safe_tx(safes.dollar, payee, 5, found.nonce)
    safes.execute(safe, payment, permit=False, succeeds=False)
    assert safes.units(payee) == 0
    safes.execute(safe, payment)
    assert safes.units(payee) == 5
