"""Snapshots kept and read: a configuration as JSON and back, and the newest one of a vault.

What moves with every block (balance, what was spent, the block itself) is not in the document, so
that two documents differ only where somebody changed something.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from strongroom.db.database import UnitOfWork
from strongroom.vaults.configuration import Configuration, GuardRecord, Limit, Questions
from strongroom.vaults.models import Vault, VaultSnapshot
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.encoding import from_hex, to_hex

_RECORD_ADDRESSES = ("exit_module", "multi_send", "permit_signer", "singleton")
_RECORD_NUMBERS = ("policy_version", "frozen_until", "exit_frozen_until", "freeze_count")
_ADDRESSES = ("address", "singleton", "guard", "module_guard", "handler")
_LISTS = ("owners", "modules", "contract_owners")
_NUMBERS = ("threshold", "nonce", "exit_id", "exit_usable_from")


def document(found: Configuration) -> dict[str, Any]:
    """The JSON that is kept."""
    return {
        **{name: checksum(getattr(found, name)) for name in _ADDRESSES},
        **{name: [checksum(one) for one in getattr(found, name)] for name in _LISTS},
        **{name: getattr(found, name) for name in _NUMBERS},
        "version": found.version,
        "code_hash": to_hex(found.code_hash),
        "code_hashes": {checksum(at): to_hex(one) for at, one in found.code_hashes.items()},
        "record": None if found.record is None else _record_document(found.record),
    }


def _record_document(record: GuardRecord) -> dict[str, Any]:
    return {
        **{name: checksum(getattr(record, name)) for name in _RECORD_ADDRESSES},
        **{name: getattr(record, name) for name in _RECORD_NUMBERS},
        "people_hash": to_hex(record.people_hash),
        "freezers": [checksum(one) for one in record.freezers],
        "limits": {checksum(at): str(one.day_units) for at, one in record.limits.items()},
        "destinations": {checksum(at): time for at, time in record.destinations.items()},
        "changes": {to_hex(one): time for one, time in record.changes.items() if time},
    }


def configuration(kept: VaultSnapshot) -> Configuration:
    """What `document` wrote, at the block where it was seen last."""
    saved: Mapping[str, Any] = kept.configuration
    read: dict[str, Any] = {name: parse_address(saved[name]) for name in _ADDRESSES}
    read |= {name: tuple(parse_address(one) for one in saved[name]) for name in _LISTS}
    read |= {name: saved[name] for name in _NUMBERS}
    return Configuration(
        **read,
        height=kept.seen_height,
        block_hash=kept.seen_hash,
        block_time=int(kept.seen_time.timestamp()),
        balance_wei=0,
        version=saved["version"],
        code_hash=from_hex(saved["code_hash"], 32),
        code_hashes={parse_address(at): from_hex(one) for at, one in saved["code_hashes"].items()},
        record=None if saved["record"] is None else _record(saved["record"]),
    )


def _record(saved: Mapping[str, Any]) -> GuardRecord:
    read: dict[str, Any] = {name: parse_address(saved[name]) for name in _RECORD_ADDRESSES}
    read |= {name: saved[name] for name in _RECORD_NUMBERS}
    return GuardRecord(
        **read,
        people_hash=from_hex(saved["people_hash"], 32),
        freezers=tuple(parse_address(one) for one in saved["freezers"]),
        limits={parse_address(at): Limit(int(one), 0) for at, one in saved["limits"].items()},
        destinations={parse_address(at): time for at, time in saved["destinations"].items()},
        changes={from_hex(one, 32): time for one, time in saved["changes"].items()},
    )


def asked(kept: VaultSnapshot | None) -> Questions:
    """What the guard was asked then: a token that left the policy is still asked for."""
    if kept is None or kept.configuration["record"] is None:
        return Questions()
    record = kept.configuration["record"]
    return Questions(
        tokens=frozenset(parse_address(one) for one in record["limits"]),
        destinations=frozenset(parse_address(one) for one in record["destinations"]),
        changes=frozenset(from_hex(one, 32) for one in record["changes"]),
    )


def installed(uow: UnitOfWork, vault: Vault) -> dict[str, str] | None:
    """Guard and permit key that stand on chain, as the signer is told of them: while the policy is
    ahead of the chain, a Permit is still theirs. None: nothing is known, the policy counts.
    """
    kept = newest(uow, vault.organisation_id, vault.id)
    if kept is None or kept.configuration["record"] is None:
        return None
    signer = kept.configuration["record"]["permit_signer"]
    return {"guard": kept.configuration["guard"], "permit_signer": signer}


def newest(uow: UnitOfWork, organisation_id: UUID, vault_id: UUID) -> VaultSnapshot | None:
    """The vault's last snapshot."""
    return uow.session.scalars(
        select(VaultSnapshot)
        .where(VaultSnapshot.organisation_id == organisation_id, VaultSnapshot.vault_id == vault_id)
        .order_by(VaultSnapshot.id.desc())
        .limit(1)
    ).one_or_none()


def keep(uow: UnitOfWork, vault: Vault, found: Configuration, policy_version: int) -> bool:
    """Keep what was read; True where it is not what was kept last."""
    last, kept = newest(uow, vault.organisation_id, vault.id), document(found)
    seen = {
        "seen_height": found.height,
        "seen_hash": found.block_hash,
        "seen_time": datetime.fromtimestamp(found.block_time, UTC),
        "seen_at": uow.now,
    }
    if last is not None and last.configuration == kept and last.policy_version == policy_version:
        for name, value in seen.items():
            setattr(last, name, value)
        return False
    uow.session.add(
        VaultSnapshot(
            organisation_id=vault.organisation_id,
            id=uow.new_id(),
            vault_id=vault.id,
            configuration=kept,
            policy_version=policy_version,
            height=found.height,
            taken_at=uow.now,
            **seen,
        )
    )
    uow.session.flush()
    return True
