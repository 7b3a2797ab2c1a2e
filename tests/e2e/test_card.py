"""P5: the approval card in a browser: words, cautions, simulation, whose turn; signed, refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account.signers.local import LocalAccount
from playwright.sync_api import Browser, Locator, Page, expect

from strongroom.withdrawals import service as withdrawals
from strongroom_protocol.rates import RateStatement
from tests.factories.house import ETH, TUSD, person, sign
from tests.factories.serving import Site, served
from tests.factories.stage import Stage
from tests.factories.staged import stage

__all__ = ["stage"]

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PICTURES = Path(__file__).parents[2] / ".strongroom-pictures"
WALLET = """
window.ethereum = {
  request: async ({method, params}) =>
    method === "eth_requestAccounts" ? [await window.ownAddress()]
      : await window.ownSignature(params[1]),
};
"""
TREASURY, BOARD = (
    {"role": "approver", "department": name, "minimum": 1} for name in ("treasury", "board")
)
RULE = {
    "id": "treasury-then-board",
    "verdict": "approvals",
    "when": {},
    "approvals": [[TREASURY, BOARD]],
}
BANKS = [Ed25519PrivateKey.from_private_bytes(bytes([one]) * 32) for one in (1, 2)]


@dataclass(frozen=True)
class People:
    """Who signs in, with which key."""

    site: Site
    tokens: dict[str, tuple[str, LocalAccount]]

    @contextmanager
    def page(self, browser: Browser, name: str, size: dict[str, int], path: str) -> Iterator[Page]:
        """The page as this person sees it, with a wallet; complaints of the browser fail."""
        token, key = self.tokens[name]
        context = browser.new_context(base_url=self.site.url, viewport=size)  # type: ignore[arg-type]
        context.expose_function("ownAddress", lambda: key.address)
        context.expose_function("ownSignature", lambda text: sign(key, json.loads(text)))
        context.add_init_script(WALLET)
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.goto("/console/sign-in")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.goto(path)
        yield page
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, "the page is wider than the screen"
        assert complaints == []
        context.close()


@pytest.fixture(scope="module")
def people(stage: Stage) -> Iterator[People]:
    """A policy in two steps, with rates; and its people at the console."""
    cast = stage.cast
    rates = {
        "currency": "USD/2",
        "sources": [
            {"name": f"bank {i}", "key": "0x" + key.public_key().public_bytes_raw().hex()}
            for i, key in enumerate(BANKS)
        ],
        "age_seconds": 86_400,
        "deviation_bps": 200,
    }
    stage.update_policy(rules=[RULE], rates=rates)
    _state_prices(stage)
    with served(stage) as site:
        roles = {"amir": ["approver"], "bea": ["approver"], "ines": ["initiator"]}
        tokens = {
            name: (site.token(name, getattr(cast, name), *words), getattr(cast, name))
            for name, words in roles.items()
        }
        yield People(site, tokens)


def _state_prices(stage: Stage) -> None:
    with stage.unit() as uow:
        for i, key in enumerate(BANKS):
            for asset, cents in ((TUSD, 100), (ETH, 350_000)):
                at = int(uow.now.timestamp()) - 5
                said = RateStatement(f"bank {i}", asset, "USD/2", cents * 10**18, at)
                signature = "0x" + key.sign(said.signed_bytes()).hex()
                withdrawals.take_rate(uow, said.document(), signature)


def card_of(page: Page, reference: str) -> Locator:
    return page.get_by_role("article").filter(has_text=reference)


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    for one in page.locator("details:not(.refusal) > summary").all():
        one.click()
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_p5_the_card_says_what_the_bytes_do_and_whose_turn_it_is(
    browser: Browser, stage: Stage, people: People, size: dict[str, int]
) -> None:
    view = stage.awaiting(f"invoice {size['width']}", amount="640.5")
    stage.simulation_loop.step()
    with people.page(browser, "bea", size, "/console/approvals") as page:
        card = card_of(page, view.reference)
        expect(card.get_by_role("heading")).to_contain_text("Pay 640.5 TUSD")
        expect(card.get_by_role("heading")).to_contain_text("about 640.50 USD")
        expect(card).to_contain_text("It is not your turn yet")
        expect(card.get_by_role("button", name="Sign with my wallet")).to_have_count(0)
        picture(page, f"card-not-yet-{size['width']}")
        expect(card).to_contain_text("\u2212640.5")
        expect(card).to_contain_text("0x" + (view.safe_tx_hash or b"").hex())
    for name in ("amir", "bea"):
        with people.page(browser, name, size, "/console/approvals") as page:
            card = card_of(page, view.reference)
            expect(card).to_contain_text("Supplier")
            picture(page, f"card-{name}-{size['width']}")
            card.get_by_role("button", name="Sign with my wallet").click()
            expect(card.locator(".sign .answer")).to_contain_text("Signed.")
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_look_alike_and_a_failing_payment_are_shown_in_red(
    browser: Browser, stage: Stage, people: People, size: dict[str, int]
) -> None:
    supplier = bytes.fromhex(stage.cast.supplier[2:])
    other = person("anything").address.lower()
    twin = "0x" + supplier[:2].hex() + other[6:38] + supplier[-2:].hex()
    book = [*stage.bundle()["address_book"], {"address": _checked(twin), "label": "Twin Ltd"}]
    stage.update_policy(address_book=book)
    view = stage.awaiting(f"twin {size['width']}", amount="5", to=_checked(twin))
    code = stage.chain.rpc("eth_getCode", stage.house.dollar, "latest")
    stage.chain.rpc("anvil_setCode", stage.house.dollar, "0x60006000fd")
    stage.simulation_loop.step()
    stage.chain.rpc("anvil_setCode", stage.house.dollar, code)
    with people.page(browser, "amir", size, "/console/approvals") as page:
        card = card_of(page, view.reference)
        cautions = card.get_by_role("list", name="Look at this before you sign")
        for words in ("begins and ends like", "Nothing was paid to", "this payment would fail"):
            expect(cautions).to_contain_text(words)
        card.locator(".refusal summary").click()
        card.get_by_label("Why it must not be paid").fill("That is not our supplier")
        picture(page, f"card-look-alike-{size['width']}")
        card.get_by_role("button", name="Reject for good").click()
        expect(card.locator(".refuse .answer")).to_contain_text("ended for good")
    ended = stage.view(view.id)
    assert (ended.state, ended.reason) == (
        "rejected",
        "Amir rejected it: That is not our supplier",
    )


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_proposer_takes_it_back_and_void_signatures_are_struck_out(
    browser: Browser, stage: Stage, people: People, size: dict[str, int]
) -> None:
    view = stage.awaiting(f"taken back {size['width']}", amount="7")
    stage.approve(view.id, stage.cast.amir)
    everybody = stage.cast.people()
    demoted = [{**one, "roles": ["auditor"]} if one["id"] == "amir" else one for one in everybody]
    anybody = {**RULE, "approvals": [[{**BOARD, "minimum": 1}]]}
    stage.update_policy(people=demoted, rules=[anybody])
    path = f"/console/withdrawals/{view.id}"
    with people.page(browser, "ines", size, path) as page:
        card = card_of(page, view.reference)
        expect(card.locator(".signer.void")).to_contain_text("approves for this wallet no more")
        card.locator(".refusal summary").click()
        card.get_by_label("Why you take it back").fill("Ordered twice")
        picture(page, f"card-void-{size['width']}")
        card.get_by_role("button", name="Take it back").click()
        expect(card.locator(".refuse .answer")).to_contain_text("ended for good")
    assert stage.view(view.id).state == "cancelled"
    stage.update_policy(people=everybody, rules=[RULE])


def _checked(address: str) -> str:
    from eth_utils.address import to_checksum_address  # noqa: PLC0415 - one use

    return str(to_checksum_address(address))
