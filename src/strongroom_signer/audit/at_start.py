"""No start on a token that gives its keys away to whoever has the PIN."""

from __future__ import annotations

from typing import Any

from strongroom_protocol.canonical import content_hash
from strongroom_protocol.encoding import to_hex
from strongroom_signer.audit.run import Place, audit
from strongroom_signer.errors import Unfit
from strongroom_signer.settings import Settings


def own_place(settings: Settings) -> Place:
    """The signer's own token."""
    pin, lock = settings.signer_pin.read(), settings.token_lock
    return Place(settings.module, settings.signer_token, pin, lock)


def check_at_start(settings: Settings, at: int) -> dict[str, Any]:
    """Attack the signer's own token; facts for the journal. Raises Unfit when something was won."""
    report = audit(own_place(settings), at, settings.chain_id, at_start=True)
    if not report.passed:
        won = [f"{one.target}: {one.tries}" for one in report.results if not one.passed]
        more = f", and {len(won) - 3} more" if len(won) > 3 else ""
        raise Unfit(
            f"the token {settings.signer_token!r} does not withstand who has its PIN "
            f"({'; '.join(won[:3])}{more}): 'strongroom-signer audit' shows all. Make the KEK "
            "again by 'ceremony rotate-kek', or use another token"
        )
    hashed = to_hex(content_hash(report.document()))
    attempts = len(report.results)
    return {"op": "audit", "outcome": "passed", "trace": "start", "attempts": attempts,
            "report": hashed}  # fmt: skip
