"""An address is given out only when xpub, manifest and attest key agree (P6); watched at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from bip_utils import Bip32Slip10Secp256k1
from structlog.testing import capture_logs

from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.wallets import service as wallets
from strongroom.wallets.errors import (
    AccountNameInvalid,
    AccountTaken,
    AccountUnknown,
    AddressTaken,
    CeremonyInvalid,
    IndexTaken,
    OfficersMissing,
    PoolEmpty,
    ProvenanceInvalid,
    TokenTaken,
)
from strongroom.wallets.types import Officers, Provenance
from strongroom_protocol.addresses import checksum
from strongroom_protocol.hd import addresses, path, xpub_hash
from strongroom_protocol.intents import AddressProvenance, CustodyManifest
from strongroom_protocol.merkle import inclusion_proof, manifest_leaf, root, verify_inclusion
from tests.factories.books import Connections, make_organisation
from tests.unit.strongroom_protocol.organisation import Key

CHAIN, INDEX, COUNT = 31337, 7, 5
OLA, PIA, ROY, STRANGER = (Key(name) for name in ("ola", "pia", "roy", "eve"))
ATTEST = Key("attest")
OFFICERS = Officers(frozenset({OLA.address, PIA.address, ROY.address}), 2)
SEED = bytes(range(64))


def make_xpub(seed: bytes = SEED) -> str:
    node = Bip32Slip10Secp256k1.FromSeed(seed).DerivePath(f"44'/60'/{INDEX}'")
    return str(node.PublicKey().ToExtended())


XPUB = make_xpub()
ADDRESSES = list(addresses(XPUB, 0, COUNT))
LEAVES = [manifest_leaf(path(INDEX, i), item) for i, item in enumerate(ADDRESSES)]
MANIFEST = CustodyManifest(INDEX, root(LEAVES), COUNT, xpub_hash(XPUB))


def ceremony(**changes: Any) -> dict[str, Any]:
    return {
        "account_index": INDEX,
        "xpub": XPUB,
        "xpub_hash": "0x" + MANIFEST.xpub_hash.hex(),
        "count": COUNT,
        "root": "0x" + MANIFEST.root.hex(),
        "addresses": [checksum(item) for item in ADDRESSES],
        **changes,
    }


def signatures(*keys: Key) -> list[bytes]:
    return [key.sign(MANIFEST.digest(CHAIN)).to_bytes() for key in keys]


@dataclass
class Office:
    """One organisation's wallets through the service's door."""

    database: Database
    organisation: UUID
    ref: bytes

    def unit(self, work: Callable[[Any], Any]) -> Any:
        with self.database.unit(self.organisation, system("test")) as uow:
            return work(uow)

    def register(self, output: dict[str, Any] | None = None, **more: Any) -> Any:
        asked = {
            "ceremony_output": output or ceremony(),
            "officer_signatures": signatures(OLA, PIA),
            "officers": OFFICERS,
            "chain_id": CHAIN,
            **more,
        }
        return self.unit(lambda uow: wallets.register_account(uow, **asked))

    def provenance(self, index: int = 0) -> Provenance:
        digest = AddressProvenance(self.ref, path(INDEX, index), ADDRESSES[index]).digest(CHAIN)
        return Provenance(
            index=index,
            path=path(INDEX, index),
            address=ADDRESSES[index],
            signature=ATTEST.sign(digest).to_bytes(),
            proof=tuple(inclusion_proof(LEAVES, index)),
            root=MANIFEST.root,
        )

    def give_out(self, given: Provenance, **more: Any) -> Any:
        asked = {"attest_key": ATTEST.address, "label": "", **more}
        return self.unit(lambda uow: wallets.new_address(uow, provenance=given, **asked))


@pytest.fixture
def office(connect: Connections) -> Office:
    organisation = make_organisation(connect.found)
    with psycopg.connect(connect.found.conninfo()) as connection:
        connection.execute("ALTER TABLE organisation DISABLE TRIGGER append_only")
        connection.execute(
            "UPDATE organisation SET account_index = %s WHERE id = %s", (INDEX, organisation)
        )
        connection.execute("ALTER TABLE organisation ENABLE TRIGGER append_only")
    return Office(connect(pool_size=3), organisation, organisation.bytes * 2)


def test_an_account_signed_by_its_officers_is_taken_over(office: Office):
    view = office.register()
    assert (view.account_index, view.count, view.root) == (INDEX, COUNT, MANIFEST.root)
    with pytest.raises(AccountTaken):
        office.register()


@pytest.mark.parametrize(
    "keys", [(OLA,), (OLA, OLA), (OLA, STRANGER), (STRANGER, PIA, OLA), ()], ids=str
)
def test_too_few_officers_or_a_stranger_are_refused(office: Office, keys: tuple[Key, ...]):
    with pytest.raises(OfficersMissing):
        office.register(officer_signatures=signatures(*keys))


def test_officers_who_signed_other_bytes_are_refused(office: Office):
    other = replace(MANIFEST, count=COUNT + 1).digest(CHAIN)
    signed = [key.sign(other).to_bytes() for key in (OLA, PIA)]
    with pytest.raises(OfficersMissing):
        office.register(officer_signatures=signed)
    with pytest.raises(OfficersMissing):
        office.register(officer_signatures=[b"\0" * 65, b"\0" * 64])
    with pytest.raises(OfficersMissing):
        office.register(officers=Officers(frozenset(), 0))


def swapped() -> list[str]:
    listed = [checksum(item) for item in ADDRESSES]
    return [listed[1], listed[0], *listed[2:]]


@pytest.mark.parametrize(
    "changes",
    [
        {"root": "0x" + "00" * 32},
        {"xpub_hash": "0x" + "00" * 32},
        {"count": COUNT - 1},
        {"count": "5"},
        {"addresses": swapped()},
        {"addresses": ["0x00"] * COUNT},
        {"addresses": None},
        {"xpub": "xpub1"},
        {"xpub": make_xpub(bytes(64))},
    ],
    ids=str,
)
def test_a_file_that_contradicts_itself_is_refused(office: Office, changes: dict[str, Any]):
    with pytest.raises(CeremonyInvalid):
        office.register(ceremony(**changes))


def test_an_account_of_another_genesis_is_refused(office: Office):
    other = list(addresses(XPUB, 0, COUNT))
    leaves = [manifest_leaf(path(8, i), item) for i, item in enumerate(other)]
    with pytest.raises(AccountTaken, match="account 7"):
        office.register(ceremony(account_index=8, root="0x" + root(leaves).hex()))


def test_addresses_come_in_order_and_are_watched(office: Office):
    office.register()
    for index in range(2):
        assert office.unit(wallets.next_index) == index
        view = office.give_out(office.provenance(index), label=f"number {index}")
        assert (view.index, view.address) == (index, ADDRESSES[index])
    listed = office.unit(wallets.addresses)
    assert [view.label for view in listed] == ["number 0", "number 1"]
    watched = office.unit(lambda uow: wallets.watched(uow, CHAIN))
    assert set(watched) == set(ADDRESSES[:2])
    assert watched[ADDRESSES[0]].custody_code == wallets.custody_code(CHAIN, ADDRESSES[0])


def test_of_two_requests_for_one_index_one_gets_it(office: Office):
    office.register()
    office.give_out(office.provenance(0))
    with pytest.raises(IndexTaken) as refused:
        office.give_out(office.provenance(0))
    assert refused.value.retryable
    with pytest.raises(IndexTaken):
        office.give_out(office.provenance(3))


@pytest.mark.parametrize(
    "lie",
    [
        {"address": bytes(20)},
        {"address": ADDRESSES[1]},
        {"path": path(INDEX, 1)},
        {"path": path(INDEX + 1, 0)},
        {"proof": ()},
        {"proof": (bytes(32),) * 3},
        {"signature": bytes(65)},
        {"root": bytes(32)},
        {"index": 1},
    ],
    ids=str,
)
def test_an_address_on_which_the_sources_disagree_is_not_given_out(
    office: Office, lie: dict[str, Any]
):
    office.register()
    with pytest.raises(ProvenanceInvalid):
        office.give_out(replace(office.provenance(0), **lie))
    assert office.unit(wallets.next_index) == 0


def test_another_key_than_the_attest_key_counts_nothing(office: Office):
    office.register()
    with pytest.raises(ProvenanceInvalid, match="attest"):
        office.give_out(office.provenance(0), attest_key=STRANGER.address)


def test_a_pool_that_runs_low_is_told_once_and_an_empty_one_says_so(office: Office):
    office.register()
    with capture_logs() as lines:
        for index in range(COUNT):
            office.give_out(office.provenance(index))
    told = [line["addresses_left"] for line in lines if line["event"] == "wallets.pool_low"]
    assert told == [COUNT // 5]
    with pytest.raises(PoolEmpty):
        office.unit(wallets.next_index)


MORE = list(addresses(XPUB, 0, COUNT + 3))
MORE_LEAVES = [manifest_leaf(path(INDEX, i), item) for i, item in enumerate(MORE)]
REFILL = replace(MANIFEST, root=root(MORE_LEAVES), count=COUNT + 3)


def refill(**changes: Any) -> dict[str, Any]:
    listed = [checksum(item) for item in MORE]
    given = {"count": COUNT + 3, "root": "0x" + REFILL.root.hex(), "addresses": listed}
    return ceremony(**{**given, **changes})


def signed_refill(manifest: CustodyManifest = REFILL, *keys: Key) -> list[bytes]:
    return [key.sign(manifest.digest(CHAIN)).to_bytes() for key in keys or (OLA, PIA)]


def extend(office: Office, output: dict[str, Any], signed: list[bytes]) -> Any:
    return office.unit(
        lambda uow: wallets.extend_account(
            uow, ceremony_output=output, officer_signatures=signed, officers=OFFICERS
        )
    )


def test_a_refill_signed_by_the_officers_gives_more_addresses(office: Office):
    office.register()
    for index in range(COUNT):
        office.give_out(office.provenance(index))
    view = extend(office, refill(), signed_refill())
    assert (view.count, view.root) == (COUNT + 3, REFILL.root)
    assert office.unit(wallets.next_index) == COUNT
    digest = AddressProvenance(office.ref, path(INDEX, COUNT), MORE[COUNT]).digest(CHAIN)
    given = office.give_out(
        Provenance(
            index=COUNT,
            path=path(INDEX, COUNT),
            address=MORE[COUNT],
            signature=ATTEST.sign(digest).to_bytes(),
            proof=tuple(inclusion_proof(MORE_LEAVES, COUNT)),
            root=REFILL.root,
        )
    )
    assert given.address == MORE[COUNT]
    # Each address keeps the manifest that its proof leads to.
    first, *_, last = office.unit(wallets.addresses)
    assert (first.manifest_root, first.manifest_count) == (MANIFEST.root, COUNT)
    assert (last.manifest_root, last.manifest_count) == (REFILL.root, COUNT + 3)
    verify_inclusion(LEAVES[0], 0, first.manifest_count, first.manifest_proof, first.manifest_root)


def test_a_refill_that_changes_what_was_there_is_refused(office: Office):
    office.register()
    shorter = replace(MANIFEST, count=COUNT - 1, root=root(LEAVES[:-1]))
    fewer = ceremony(
        count=COUNT - 1,
        root="0x" + shorter.root.hex(),
        addresses=[checksum(item) for item in ADDRESSES[:-1]],
    )
    swap = [MORE[0], MORE[2], MORE[1], *MORE[3:]]
    leaves = [manifest_leaf(path(INDEX, i), item) for i, item in enumerate(swap)]
    swapped_root = replace(REFILL, root=root(leaves))
    other = refill(addresses=[checksum(item) for item in swap], root="0x" + swapped_root.root.hex())
    for output, signed in (
        (fewer, signed_refill(shorter)),
        (ceremony(), signatures(OLA, PIA)),
        (other, signed_refill(swapped_root)),
    ):
        with pytest.raises(CeremonyInvalid):
            extend(office, output, signed)
    with pytest.raises(OfficersMissing):
        extend(office, refill(), signed_refill(REFILL, OLA, STRANGER))
    assert office.unit(wallets.account).count == COUNT


def test_without_an_account_there_is_nothing_to_give(office: Office):
    with pytest.raises(AccountUnknown):
        office.unit(wallets.next_index)
    with pytest.raises(AccountNameInvalid):
        office.give_out(office.provenance(0), client_account="house:equity")


def test_an_address_belongs_to_one_organisation_as_one_kind(office: Office, connect: Connections):
    def watch(organisation: UUID, kind: str) -> None:
        with office.database.unit(organisation, system("test")) as uow:
            wallets.watch(
                uow,
                chain_id=CHAIN,
                address=ADDRESSES[0],
                kind=kind,  # type: ignore[arg-type]
                organisation_id=organisation,
            )

    watch(office.organisation, "vault")
    watch(office.organisation, "vault")
    with pytest.raises(AddressTaken):
        watch(office.organisation, "deposit")
    with pytest.raises(AddressTaken):
        watch(make_organisation(connect.found), "vault")


def test_a_token_and_an_asset_name_each_other_for_ever(office: Office):
    def allow(contract: bytes, asset: str) -> None:
        office.unit(
            lambda uow: wallets.allow_token(uow, chain_id=CHAIN, contract=contract, asset=asset)
        )

    allow(b"\x70" * 20, "TUSD/6")
    allow(b"\x70" * 20, "TUSD/6")
    for contract, asset in ((b"\x70" * 20, "USDC/6"), (b"\x71" * 20, "TUSD/6")):
        with pytest.raises(TokenTaken):
            allow(contract, asset)
