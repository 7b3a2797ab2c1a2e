"""P5: several payments in one transaction: whoever approves one sees each of them, which one the
card is about, and the digest of the whole.
"""

from uuid import UUID

import pytest
from playwright.sync_api import Browser, expect

from strongroom.withdrawals import service as withdrawals
from tests.e2e.test_card import DESK, PHONE, People, card_of, people, picture
from tests.factories.house import ETH, TUSD
from tests.factories.stage import Stage
from tests.factories.staged import stage

__all__ = ["people", "stage"]
WISHES = ((TUSD, "640.5"), (TUSD, "12"), (ETH, "0.25"))


def batch(stage: Stage, prefix: str) -> list[UUID]:
    """Three payments in one transaction, shown to their approvers and asked about."""
    ids = [
        stage.order(f"{prefix} {i}", asset=asset, amount=amount).id
        for i, (asset, amount) in enumerate(WISHES)
    ]
    with stage.unit() as uow:
        withdrawals.put_together(uow, ids)
    stage.drive(until=lambda: all(stage.view(one).state == "awaiting_approval" for one in ids))
    while stage.simulation_loop.step():
        pass
    return ids


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_batchs_card_shows_each_payment_and_the_whole_digest(
    browser: Browser, stage: Stage, people: People, size: dict[str, int]
) -> None:
    ids = batch(stage, f"batch {size['width']}")
    views = [stage.view(one) for one in ids]
    (digest,) = {(view.safe_tx_hash or b"").hex() for view in views}
    for name in ("amir", "bea"):
        with people.page(browser, name, size, "/console/approvals") as page:
            picture(page, f"batch-{name}-{size['width']}")
            for view in views:
                card = card_of(page, view.reference)
                expect(card.get_by_role("heading")).to_contain_text("Pay 3 at once, all or none")
                lines = card.locator(".payments li")
                expect(lines).to_contain_text(["640.5 TUSD", "12 TUSD", "0.25 ETH"])
                expect(lines.filter(has_text=stage.cast.supplier)).to_have_count(3)
                own = card.locator(".payments .own")
                expect(own).to_have_count(1)
                expect(own).to_contain_text(view.amount)
                expect(card).to_contain_text("0x" + digest)
                expect(card.locator(".simulation summary")).to_contain_text("this one alone")
                card.get_by_role("button", name="Sign with my wallet").click()
                expect(card.locator(".sign .answer")).to_contain_text("Signed.")
    stage.drive(until=lambda: all(stage.view(one).state == "finalized" for one in ids))
