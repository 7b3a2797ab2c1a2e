"""What the indexer looks for: addresses and tokens, and how far each address was looked at.

An address is matched in every block above active_height. Nobody can have paid it because of us
before its unit committed, so blocks fetched before that may be matched without it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, get_args
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from strongroom.db import arrays
from strongroom.db.database import UnitOfWork
from strongroom.wallets.errors import AddressTaken, TokenTaken
from strongroom.wallets.models import WatchedAddress, WatchedToken
from strongroom.wallets.rules import custody_code
from strongroom.wallets.types import (
    AddressKind,
    Alike,
    Attribution,
    Holding,
    LateScan,
    TokenView,
    Watched,
    WatchedFrom,
)

ROWS_A_PART: Final = 20_000
_FROM: Final = (
    "organisation_id, address,"
    " least(active_height, greatest(coalesce(scan_from_height, active_height + 1) - 1, 0))"
)
# Nothing to read again, or read again as far as the first block it was watched in.
_COMPLETE: Final = (
    "chain_id = %(chain)s AND active_height <= %(up_to)s AND (scan_from_height IS NULL"
    " OR scan_from_height > active_height OR scanned_height >= active_height)"
)


def watch(
    uow: UnitOfWork,
    *,
    chain_id: int,
    address: bytes,
    kind: AddressKind,
    organisation_id: UUID,
    scan_from_height: int | None = None,
) -> None:
    """Watch an address from the next indexed block on; idempotent. Raises AddressTaken.

    With `scan_from_height`, blocks from there up to that one are read again for it.
    """
    added = uow.session.execute(
        insert(WatchedAddress)
        .values(
            organisation_id=organisation_id,
            id=uow.new_id(),
            chain_id=chain_id,
            address=address,
            kind=kind,
            custody_code=custody_code(chain_id, address),
            active_height=None,
            scan_from_height=scan_from_height,
            scanned_height=None,
            created_at=uow.now,
        )
        .on_conflict_do_nothing()
        .returning(WatchedAddress.id)
    ).scalar_one_or_none()
    if added is not None:
        return
    found = uow.session.execute(
        select(WatchedAddress.organisation_id, WatchedAddress.kind).where(
            WatchedAddress.chain_id == chain_id, WatchedAddress.address == address
        )
    ).one_or_none()
    if found is None or tuple(found) != (organisation_id, kind):
        raise AddressTaken(
            f"0x{address.hex()} is watched already, for somebody else or as another kind."
        )


def allow_token(uow: UnitOfWork, *, chain_id: int, contract: bytes, asset: str) -> None:
    """Let the unit's organisation receive a token under an asset code. Raises TokenTaken."""
    organisation_id = uow.organisation_id
    uow.session.execute(
        insert(WatchedToken)
        .values(
            organisation_id=organisation_id,
            id=uow.new_id(),
            chain_id=chain_id,
            contract=contract,
            asset=asset,
            created_at=uow.now,
        )
        .on_conflict_do_nothing()
    )
    found = uow.session.scalars(
        select(WatchedToken.asset).where(
            WatchedToken.organisation_id == organisation_id,
            WatchedToken.chain_id == chain_id,
            WatchedToken.contract == contract,
        )
    ).one_or_none()
    if found != asset:
        raise TokenTaken(
            f"Token 0x{contract.hex()} or asset {asset} stands for something else already; an "
            "asset names one contract for ever."
        )


def watched(uow: UnitOfWork, chain_id: int) -> dict[bytes, Watched]:
    """Every watched address that this unit may see, by address."""
    found = uow.session.execute(
        select(
            WatchedAddress.organisation_id,
            WatchedAddress.address,
            WatchedAddress.kind,
            WatchedAddress.custody_code,
        ).where(WatchedAddress.chain_id == chain_id)
    )
    return {
        row.address: Watched(row.organisation_id, row.address, row.kind, row.custody_code)
        for row in found
    }


def watched_kinds(
    uow: UnitOfWork, chain_id: int, *, pending: bool = False
) -> dict[bytes, AddressKind]:
    """What every watched address is, or every one that the indexer has not taken up yet: about
    100 bytes each, read in parts, for there may be a million.
    """
    names: dict[str, AddressKind] = {kind: kind for kind in get_args(AddressKind)}
    found: dict[bytes, AddressKind] = {}
    with uow.driver.cursor(name="watched_kinds") as rows:
        rows.itersize = ROWS_A_PART
        rows.execute(
            "SELECT address, kind FROM watched_address WHERE chain_id = %s"
            " AND (active_height IS NULL OR NOT %s)",
            (chain_id, pending),
        )
        for address, kind in rows:
            found[address] = names[kind]
    return found


def watched_among(
    uow: UnitOfWork, chain_id: int, addresses: Collection[bytes]
) -> dict[bytes, Watched]:
    """Those of these addresses that are watched."""
    found = uow.execute(
        "SELECT organisation_id, address, kind, custody_code FROM watched_address"
        " WHERE chain_id = %s AND address = ANY(%s::bytea[])",
        (chain_id, arrays.octets(addresses)),
    )
    return {row[1]: Watched(*row) for row in found}


def token_chains(uow: UnitOfWork) -> list[int]:
    """The chains of which a policy that this unit may see names a token."""
    return list(uow.session.scalars(select(WatchedToken.chain_id).distinct()))


def tokens(uow: UnitOfWork, chain_id: int) -> list[TokenView]:
    """Every token that an organisation which this unit may see has allowed."""
    found = uow.execute(
        "SELECT organisation_id, chain_id, contract, asset FROM watched_token"
        " WHERE chain_id = %s ORDER BY organisation_id, asset",
        (chain_id,),
    )
    return [TokenView(*row) for row in found]


def complete(
    uow: UnitOfWork, chain_id: int, up_to: int, addresses: Iterable[bytes]
) -> list[WatchedFrom]:
    """Those of these addresses that were matched in every block up to `up_to`, in their order."""
    found = uow.execute(
        f"SELECT {_FROM} FROM watched_address WHERE {_COMPLETE}"  # noqa: S608 - own constants
        " AND address = ANY(%(addresses)s) ORDER BY address",
        {"chain": chain_id, "up_to": up_to, "addresses": sorted(addresses)},
    )
    return [WatchedFrom(*row) for row in found.fetchall()]


def complete_after(
    uow: UnitOfWork, chain_id: int, up_to: int, after: bytes, limit: int
) -> dict[UUID, list[bytes]]:
    """The next addresses above `after` that were matched in every block up to `up_to`: those of an
    organisation in their order. They come as one value an organisation, for they may be millions.
    """
    found = uow.execute(
        "SELECT organisation_id, string_agg(address, '' ORDER BY address) FROM ("  # noqa: S608
        f" SELECT organisation_id, address FROM watched_address WHERE {_COMPLETE}"
        " AND address > %(after)s ORDER BY address LIMIT %(limit)s) AS part"
        " GROUP BY organisation_id",
        {"chain": chain_id, "up_to": up_to, "after": after, "limit": limit},
    )
    return {
        organisation_id: [joined[at : at + 20] for at in range(0, len(joined), 20)]
        for organisation_id, joined in found
    }


def held_alike(
    uow: UnitOfWork, chain_id: int, native_asset: str, of: Mapping[UUID, Sequence[bytes]]
) -> list[Alike]:
    """What the addresses of each organisation may hold: the chain's coin, and its tokens."""
    coins = [Alike(None, native_asset, addresses) for addresses in of.values()]
    return coins + [
        Alike(token.contract, token.asset, of[token.organisation_id])
        for token in tokens(uow, chain_id)
        if token.organisation_id in of
    ]


def holdings(
    uow: UnitOfWork, chain_id: int, native_asset: str, addresses: Iterable[WatchedFrom]
) -> list[Holding]:
    """The same, one by one."""
    of: defaultdict[UUID, list[bytes]] = defaultdict(list)
    for one in addresses:
        of[one.organisation_id].append(one.address)
    return [
        Holding(address, alike.token, alike.asset)
        for alike in held_alike(uow, chain_id, native_asset, of)
        for address in alike.addresses
    ]


def watched_count(uow: UnitOfWork, chain_id: int) -> int:
    """How many addresses are watched."""
    counted = select(func.count()).where(WatchedAddress.chain_id == chain_id)
    return uow.session.execute(counted.select_from(WatchedAddress)).scalar_one()


def pending(uow: UnitOfWork, chain_id: int) -> set[bytes]:
    """Addresses that the indexer has not taken up yet."""
    found = uow.execute(
        "SELECT address FROM watched_address WHERE chain_id = %s AND active_height IS NULL",
        (chain_id,),
    )
    return {row[0] for row in found}


def activate(uow: UnitOfWork, chain_id: int, addresses: Iterable[bytes], height: int) -> None:
    """Say that these are matched in every block above `height`."""
    uow.session.execute(
        update(WatchedAddress)
        .where(
            WatchedAddress.chain_id == chain_id,
            WatchedAddress.address.in_(sorted(addresses)),
            WatchedAddress.active_height.is_(None),
        )
        .values(active_height=height)
        .execution_options(synchronize_session=False)
    )


def begun(uow: UnitOfWork, chain_id: int, above: int, up_to: int, limit: int) -> set[bytes]:
    """Addresses that came to be watched above one height and up to another; `limit` at most."""
    return set(
        uow.session.scalars(
            select(WatchedAddress.address)
            .where(
                WatchedAddress.chain_id == chain_id,
                WatchedAddress.active_height > above,
                WatchedAddress.active_height <= up_to,
            )
            .limit(limit)
        )
    )


def late_scans(uow: UnitOfWork, chain_id: int, limit: int) -> list[LateScan]:
    """Addresses whose earlier blocks still have to be read again, oldest registration first."""
    found = uow.execute(
        # The partial index's condition word for word: asked at each step, of a million rows.
        "SELECT organisation_id, address, kind, custody_code,"
        " greatest(scan_from_height, coalesce(scanned_height + 1, 0)), active_height"
        " FROM watched_address WHERE chain_id = %s AND scan_from_height IS NOT NULL"
        " AND (scanned_height IS NULL OR scanned_height < active_height)"
        " AND scan_from_height <= active_height ORDER BY id LIMIT %s",
        (chain_id, limit),
    )
    return [LateScan(Watched(*row[:4]), row[4], row[5]) for row in found]


def record_scan(uow: UnitOfWork, chain_id: int, address: bytes, height: int) -> None:
    """Say that an address's earlier blocks were read up to `height`."""
    uow.session.execute(
        update(WatchedAddress)
        .where(WatchedAddress.chain_id == chain_id, WatchedAddress.address == address)
        .values(scanned_height=height)
        .execution_options(synchronize_session=False)
    )


def attributions(uow: UnitOfWork, addresses: Collection[bytes]) -> dict[bytes, Attribution]:
    """Whose money comes to each of these deposit addresses."""
    found = uow.execute(
        "SELECT address, client_account, customer_reference, reuse FROM wallet_address"
        " WHERE address = ANY(%s::bytea[])",
        (arrays.octets(addresses),),
    )
    return {address: Attribution(*rest) for address, *rest in found}


def record_delegations(uow: UnitOfWork, addresses: Collection[bytes]) -> None:
    """Say that these addresses have their sweeping delegate at a finalized block."""
    if addresses:
        uow.execute(
            "UPDATE wallet_address SET delegated_at = %s"
            " WHERE address = ANY(%s) AND delegated_at IS NULL",
            (uow.now, sorted(addresses)),
        )
