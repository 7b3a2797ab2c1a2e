"""CHAIN: a posting that names a transfer agrees with the log or transaction that was proven.

How far each kind is proven: an ERC-20 transfer to its log (token, sender, recipient, units); a
top-level native payment to its transaction (recipient, value) and the receipt's success; a payment
made inside a contract call only to the success of its transaction, because receipts do not hold
internal calls.
"""

from collections import Counter

from strongroom_verify.blocks import ChainProofs, Proven, TransactionKey
from strongroom_verify.errors import Malformed
from strongroom_verify.ethereum import TokenTransfer
from strongroom_verify.postings import ON_CHAIN_KINDS, ChainPoint, Leg, Movement, Posting

MOVING = frozenset({"single", "post", "reversal"})
"""Phases that move an account's balance; holds and their ends only reserve."""
LEVELS = {
    "log": "equal to a proven token log",
    "transaction": "equal to a proven transaction",
    "receipt": "with a transaction proven to have succeeded",
    "fee": "for a proven transaction's fee",
    "block": "with a block only",
}


class ChainCheck:
    """Checks rows one after another; remembers what was booked, so nothing is booked twice."""

    def __init__(self, proofs: ChainProofs, tokens: dict[str, bytes]) -> None:
        self._proofs = proofs
        self._tokens = tokens
        self._booked: Counter[tuple[TransactionKey, str, int]] = Counter()
        self._first_logs: dict[TransactionKey, set[int]] = {}
        self._holds: dict[str, tuple[Leg, ...]] = {}
        self.levels: Counter[str] = Counter()

    def check(self, posting: Posting) -> None:
        """Check one row. Raises Malformed when chain and row differ, or custody moves off chain."""
        if posting.phase == "hold":
            self._holds[posting.key] = posting.legs
        point, movement = posting.chain, posting.movement
        if movement is None and posting.phase in MOVING and self._moves_custody(posting):
            raise Malformed("the row moves custody but names no transaction on chain")
        if point is None:
            return
        header = self._proofs.headers.get((point.chain_id, point.block_hash))
        if header is None:
            raise Malformed("the bundle has no header of the block that the row names")
        if header.height != point.height:
            raise Malformed(f"the row says height {point.height}, the header {header.height}")
        if movement is None:
            self.levels["block"] += 1
            return
        key = (point.chain_id, point.block_hash, movement.transaction)
        if movement.kind == "withdrawal":
            self._take_withdrawal(key, posting, movement, point)
            return
        proven = self._proofs.receipts.get(key)
        if proven is None:
            raise Malformed("the bundle has no receipt of the transaction that the row names")
        if movement.kind not in ON_CHAIN_KINDS:
            self.levels["fee"] += 1
            return
        if not proven.receipt.succeeded:
            raise Malformed("the transaction failed on chain, so it moved nothing")
        leg = _custody_leg(posting.legs or self._held(posting))
        _check_accounts(posting.phase, leg, movement, point)
        self._check_once(key, posting, movement)
        self.levels[self._prove(key, proven, leg, movement)] += 1

    def _take_withdrawal(
        self, key: TransactionKey, posting: Posting, movement: Movement, point: ChainPoint
    ) -> None:
        """The beacon chain's (EIP-4895): in no transaction, so only its block is proven here."""
        if movement.transaction != point.block_hash or movement.token is not None:
            raise Malformed("a withdrawal names its block and no token")
        leg = _custody_leg(posting.legs)
        _check_accounts(posting.phase, leg, movement, point)
        self._check_once(key, posting, movement)
        self.levels["block"] += 1

    def _moves_custody(self, posting: Posting) -> bool:
        legs = posting.legs or self._held(posting)
        return any("custody:" in {leg.debit[:8], leg.credit[:8]} for leg in legs)

    def _held(self, posting: Posting) -> tuple[Leg, ...]:
        """The legs of the hold that a posting without legs moves."""
        legs = self._holds.get(posting.refers_to or "")
        if posting.phase != "post" or legs is None:
            raise Malformed("the row has no legs and refers to no hold before it")
        return legs

    def _prove(self, key: TransactionKey, proven: Proven, leg: Leg, movement: Movement) -> str:
        if movement.kind == "erc20":
            self._check_log(key, proven, leg, movement)
            return "log"
        if movement.token is not None:
            raise Malformed("a native transfer names a token")
        if movement.kind == "native" and proven.transaction is not None:
            found = (proven.transaction.recipient, proven.transaction.value)
            if found != (movement.recipient, leg.units):
                raise Malformed("the transaction pays another address or another value")
            return "transaction"
        return "receipt"

    def _check_log(self, key: TransactionKey, proven: Proven, leg: Leg, movement: Movement) -> None:
        """A row names a log by its place in the block; a receipt holds only its own logs.

        The place of the receipt's first log is the one unknown: every row of the transaction must
        fit the same one.
        """
        if movement.token is None or self._tokens.get(leg.asset) != movement.token:
            raise Malformed(f"the row's token is not the contract stated for {leg.asset}")
        wanted = TokenTransfer(movement.token, movement.sender, movement.recipient, leg.units)
        fitting = {
            movement.position - place
            for place, log in enumerate(proven.receipt.logs)
            if log == wanted and movement.position >= place
        }
        firsts = self._first_logs.get(key, fitting) & fitting
        if not firsts:
            raise Malformed("the receipt has no such transfer (token, from, to, units) there")
        self._first_logs[key] = firsts

    def _check_once(self, key: TransactionKey, posting: Posting, movement: Movement) -> None:
        """One transfer is booked once; again only after its booking was reversed."""
        place = (key, movement.kind, movement.position)
        self._booked[place] += -1 if posting.phase == "reversal" else 1
        if self._booked[place] not in {0, 1}:
            raise Malformed("the same transfer is booked twice, or reversed before it was booked")


def _custody_leg(legs: tuple[Leg, ...]) -> Leg:
    """The one leg that touches custody: what the chain moved."""
    found = [leg for leg in legs if "custody:" in {leg.debit[:8], leg.credit[:8]}]
    if len(found) != 1:
        raise Malformed("the row names a transfer but has not exactly one leg of custody")
    return found[0]


def _check_accounts(phase: str, leg: Leg, movement: Movement, point: ChainPoint) -> None:
    """The custody account on either side is the address that received or sent."""
    incoming, outgoing = leg.debit, leg.credit
    if phase == "reversal":
        incoming, outgoing = outgoing, incoming
    prefix = f"custody:{point.chain_id}:0x"
    if incoming.startswith("custody:") and incoming != prefix + movement.recipient.hex():
        raise Malformed("the debited custody account is not the transfer's recipient")
    if outgoing.startswith("custody:") and outgoing != prefix + movement.sender.hex():
        raise Malformed("the credited custody account is not the transfer's sender")
