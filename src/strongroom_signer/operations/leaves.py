"""Keys of the signer's own table that an operation may use, by the organisation they belong to."""

from __future__ import annotations

from strongroom_protocol.addresses import Address, checksum
from strongroom_signer.authority.organisations import Organisation
from strongroom_signer.errors import Refused
from strongroom_signer.house import House
from strongroom_signer.pool import Leaf


def listed_leaf(house: House, organisation: Organisation, index: int) -> Leaf:
    """A deposit key of the organisation's manifest; raises Refused."""
    leaf = None
    if index < organisation.manifest_count:
        leaf = house.pool.leaf(organisation.account_index, index)
    if leaf is None:
        raise Refused("address_unlisted", f"index {index} is not in the organisation's manifest")
    return leaf


def own_spending_key(house: House, organisation: Organisation, address: Address) -> Leaf:
    """A spending key of the organisation's own account; raises Refused."""
    leaf = house.pool.spending_of(address)
    if leaf is None or leaf.account_index != organisation.account_index:
        raise Refused(
            "wallet_differs",
            f"{checksum(address)} is no spending key of this organisation on this signer",
        )
    return leaf
