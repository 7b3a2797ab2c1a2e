"""`provenance`: this address is that organisation's, at that path, says the attest key.
The address comes from the signer's own key table; leaf and manifest are proven along.
"""

from __future__ import annotations

from typing import Any

from strongroom_protocol import merkle
from strongroom_protocol.addresses import checksum
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import AddressProvenance
from strongroom_signer.agreement import agreed_statement
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.pool import Leaf


def provenance(house: House, body: dict[str, Any], _trace: str) -> Once:
    """{organisation, index} → {path, address, signature, proof, root}."""
    members = Members(body, "body", {"organisation", "index"})
    organisation = find(house, members.hash32("organisation"))
    index = members.integer("index")
    identity = organisation.ref + index.to_bytes(8, "big")
    name = keccak256(b"provenance" + identity)

    def prepare() -> Plan:
        require(
            index < organisation.manifest_count,
            "address_unlisted",
            f"index {index} is not in the officers' manifest of {organisation.manifest_count}: "
            "the pool must be refilled",
        )
        leaf = house.pool.leaf(organisation.account_index, index)
        if leaf is None:
            raise Refused("address_unlisted", f"the key table has no leaf {index}")
        proof = [to_hex(node) for node in _proof(house, organisation, leaf)]
        root = to_hex(organisation.manifest_root)
        address = checksum(leaf.address)
        return {"path": leaf.path, "address": address, "proof": proof, "root": root}

    def sign(plan: Plan) -> Plan:
        leaf = house.pool.leaf(organisation.account_index, index)
        if leaf is None or checksum(leaf.address) != plan["address"]:
            raise Refused("manifest_differs", f"the key table changed under leaf {index}")
        statement = AddressProvenance(organisation.ref, leaf.path, leaf.address)
        signature = house.keyring.attest(agreed_statement(house.config.chain_id, statement))
        return {**plan, "signature": to_hex(signature.to_bytes())}

    return Once(
        "provenance", name, identity, prepare, sign, lambda: require_alive(house, organisation)
    )


def _proof(house: House, organisation: Organisation, leaf: Leaf) -> list[bytes]:
    """That the leaf, as the key table has it now, stands in the manifest that officers signed."""
    account, count = organisation.account_index, organisation.manifest_count
    root, index = organisation.manifest_root, leaf.leaf_index

    def grow() -> merkle.Tree:
        tree = merkle.Tree(house.pool.manifest_leaves(account, count))
        require(
            tree.size == count and tree.root() == root,
            "manifest_differs",
            "the key table no longer has the manifest that the officers signed",
        )
        return tree

    proof = house.manifests.get((account, count, root), grow).inclusion_proof(index)
    merkle.verify_inclusion(
        merkle.manifest_leaf(leaf.path, leaf.address), index, count, proof, root
    )
    return proof
