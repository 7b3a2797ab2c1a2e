"""The console in a real browser, at a desk and on a phone; the approver's wallet is a real key."""

import json
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from first_day.cast import TUSD, Cast
from strongroom_client import Payment
from tests.e2e.stack import Stack, eventually

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
PICTURES = Path(__file__).parents[2] / ".strongroom-pictures"
WALLET = """
window.ethereum = {
  request: async ({method, params}) =>
    method === "eth_requestAccounts" ? [await window.ownAddress()]
      : await window.ownSignature(params[1]),
};
"""


def _visit(browser: Browser, stack: Stack, token: str, size: dict[str, int]) -> BrowserContext:
    """Sign in with a token; complaints of the content security policy fail the test."""
    context = browser.new_context(base_url=stack.api_url, viewport=size)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto("/")
    expect(page).to_have_url(f"{stack.api_url}/console/sign-in")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Harbour Shipping")).to_be_visible()
    return context


def _complaints(page: Page) -> list[str]:
    found: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            found.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_balances_are_shown(
    browser: Browser, stack: Stack, cast: Cast, size: dict[str, int]
) -> None:
    context = _visit(browser, stack, cast.token("olivia"), size)
    page = context.pages[0]
    complaints = _complaints(page)
    page.goto("/console")
    expect(page.get_by_role("cell", name="20,999.50").first).to_be_visible()
    expect(page.get_by_text("kept apart until compliance decides")).to_be_visible()
    page.wait_for_timeout(5500)
    expect(page.get_by_text("kept apart until compliance decides")).to_be_visible()
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, "the page is wider than the screen"
    _picture(page, f"balances-{size['width']}")
    assert complaints == []
    context.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_p5_an_approver_signs_what_the_bytes_say(
    browser: Browser, stack: Stack, cast: Cast, size: dict[str, int]
) -> None:
    ines, supplier = cast.service("ines"), cast.diary.get("supplier")
    reference = f"console-{uuid.uuid4().hex[:8]}"
    intent = ines.draft_withdrawal("treasury", TUSD, supplier, "1.5", reference)["intent"]
    meant = Payment(supplier, cast.diary.get("token"), 1_500_000)
    signature = cast.key("ines").sign_withdrawal(intent, cast.node.chain_id, meant)
    order = ines.request_withdrawal("treasury", intent, signature)
    eventually(lambda: ines.withdrawal(order["id"])["state"] == "awaiting_approval")
    for handle in ("anna", "boris"):
        _approve_in_browser(browser, stack, cast, handle, reference, size)
    done = eventually(
        lambda: (found := ines.withdrawal(order["id"]))["state"] == "finalized" and found, 90
    )
    assert {each["person"] for each in done["approvals"]} == {"anna", "boris"}


def _approve_in_browser(
    browser: Browser, stack: Stack, cast: Cast, handle: str, reference: str, size: dict[str, int]
) -> None:
    context = _visit(browser, stack, cast.token(handle), size)
    key = cast.key(handle)
    context.expose_function("ownAddress", lambda: key.address)
    context.expose_function("ownSignature", lambda text: key.sign(_typed(text)))
    context.add_init_script(WALLET)
    page = context.pages[0]
    complaints = _complaints(page)
    page.goto("/console/approvals")
    card = page.get_by_role("article").filter(has_text=reference)
    expect(card.get_by_role("heading")).to_contain_text("1.5 TUSD")
    expect(card).to_contain_text("Supplier Ltd")
    expect(card).to_contain_text(cast.diary.get("supplier"))
    card.get_by_text("Compare with your device").click()
    _picture(page, f"approval-{handle}-{size['width']}")
    card.get_by_role("button", name="Sign with my wallet").click()
    expect(card.locator(".sign .answer")).to_contain_text("Signed.")
    assert complaints == []
    context.close()


def _typed(text: str) -> dict[str, object]:
    data: dict[str, object] = json.loads(text)
    return data


def test_the_api_is_documented_without_the_internet(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(base_url=stack.api_url, viewport=DESK)  # type: ignore[arg-type]
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    complaints = _complaints(page)
    page.goto("/docs")
    expect(page.get_by_text("/v1/withdrawals/{withdrawal_id}/approvals")).to_be_visible()
    _picture(page, "docs-1280")
    assert {url for url in asked if not url.startswith((stack.api_url, "data:"))} == set()
    assert complaints == []
    context.close()


def test_a_page_carries_a_strict_policy_and_a_foreign_form_is_refused(
    stack: Stack, cast: Cast
) -> None:
    import httpx  # noqa: PLC0415 - the browser would not send such a form

    page = httpx.get(f"{stack.api_url}/console/sign-in")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<style" not in page.text
    assert "onclick" not in page.text
    answer = httpx.post(
        f"{stack.api_url}/console/sign-in",
        data={"token": cast.token("olivia")},
        headers={"Origin": "https://elsewhere.example"},
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_wrong_token_is_told_in_the_page(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(base_url=stack.api_url, viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto("/console/sign-in")
    page.get_by_label("Token").fill("sr_nobody")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    _picture(page, "sign-in-390")
    context.close()


def _picture(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
