"""Both sides of an account."""

from uuid import UUID

from strongroom.ledger.types import CustodyTotal
from strongroom.reconciliation.rules import compare

ONE = UUID(int=1)


def test_each_account_that_was_read_is_compared_and_signed():
    ledger = [CustodyTotal(ONE, "custody:a", "ETH/18", 5), CustodyTotal(ONE, "custody:z", "E/2", 9)]
    chain = {(ONE, "custody:a", "ETH/18"): 3, (ONE, "custody:b", "ETH/18"): 4}
    found = {item.account[1]: item for item in compare(ledger, chain)}
    assert found["custody:a"].difference == -2
    assert found["custody:b"].difference == 4, "the books know nothing of it"
    assert "custody:z" not in found, "it was not read this time"
