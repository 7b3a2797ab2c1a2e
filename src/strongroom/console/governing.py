"""What the pages of policy and address book show: sentences, drafts and who must still sign."""

from itertools import groupby
from typing import Any, Final

from strongroom.db.database import UnitOfWork
from strongroom.policy import book, drafts
from strongroom.policy import service as policy
from strongroom.policy.enforcement import against_the_chain, claims
from strongroom.policy.errors import NoneActive
from strongroom.policy.types import ActiveBundle, BookEntry, DraftView, Proposal
from strongroom.policy.words import diff_words, policy_words
from strongroom_protocol.addresses import checksum
from strongroom_protocol.authority import Bundle

DRAFTS_MAX: Final = 5
HISTORY_MAX: Final = 50


def rules_page(uow: UnitOfWork) -> dict[str, Any]:
    """The active policy in words, who enforces what, and the drafts that are still to be signed."""
    active = _active(uow)
    bundle = None if active is None else active.bundle
    waiting = [view for view in drafts.listed(uow) if view.state in ("open", "invalid")]
    return {
        "version": None if active is None else active.version,
        "sections": [] if bundle is None else policy_words(bundle),
        "enforced": [] if bundle is None else _enforced(bundle),
        "chain": [] if bundle is None else against_the_chain(bundle, int(uow.now.timestamp())),
        "drafts": [_draft(view, bundle) for view in waiting[:DRAFTS_MAX]],
    }


def book_page(uow: UnitOfWork) -> dict[str, Any]:
    """The agreed addresses, what waits for a second pair of eyes, and what was decided before."""
    proposals = book.proposals(uow)
    return {
        "entries": [_entry(entry, uow) for entry in book.entries(uow)],
        "open": [_shown(one) for one in proposals if one.outcome is None],
        "history": [_shown(one) for one in proposals if one.outcome is not None][:HISTORY_MAX],
    }


def _draft(view: DraftView, before: Bundle | None) -> dict[str, Any]:
    signed = {one.address: one.at for one in view.signatures}
    return {
        "view": view,
        "changes": [] if view.content is None else diff_words(before, drafts.bundle_of(view)),
        "signers": [
            {"name": one.name, "role": one.role, "at": signed.get(one.address)}
            for one in view.wanted
        ],
    }


def _enforced(bundle: Bundle) -> list[dict[str, Any]]:
    """One row a thing, with what each of the three does about it."""
    rows = []
    for _, said in groupby(claims(bundle), key=lambda claim: claim.name):
        row: dict[str, Any] = {claim.where: claim for claim in said}
        rows.append({"what": row["api"].words.partition(":")[0], **row})
    return rows


def _entry(entry: BookEntry, uow: UnitOfWork) -> dict[str, Any]:
    """`when`: not in the policy yet, cooling, or payable."""
    usable = entry.usable_from
    if usable is None:
        when, state = "not in the signed policy yet", "open"
    elif usable > uow.now:
        when, state = f"cooling, payable from {usable:%d %b %H:%M} UTC", "open"
    else:
        when, state = "payable", "finalized"
    return {"entry": entry, "address": checksum(entry.address), "when": when, "state": state}


def _shown(proposal: Proposal) -> dict[str, Any]:
    return {"proposal": proposal, "address": checksum(proposal.address)}


def _active(uow: UnitOfWork) -> ActiveBundle | None:
    own = uow.organisation_id
    try:
        return None if own is None else policy.active(uow, own)
    except NoneActive:
        return None
