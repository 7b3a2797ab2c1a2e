"""P6 in a real browser: whose a deposit address is, computed by the console's own script there."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey
from playwright.sync_api import Browser, Page, Route, expect

from first_day.cast import Cast
from strongroom_client import Signatory
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from tests.e2e.stack import Stack
from tests.e2e.test_console import DESK, PHONE, _complaints, _picture, _visit
from tests.unit.strongroom_client.test_provenance import ATTEST_KEY, ORGANISATION, given_out

STATIC = Path(__file__).parents[2] / "src/strongroom/console/static"
PLACE = "http://127.0.0.1:9/"
SHOWN = ("index", "path", "address")
RENAMED = {
    "signature": "provenance_signature",
    "proof": "manifest_proof",
    "root": "manifest_root",
    "count": "manifest_count",
}


@pytest.fixture
def page(browser: Browser) -> Any:
    """A page that has only the console's scripts; nothing listens there."""

    def serve(route: Route) -> None:
        name = route.request.url.removeprefix(PLACE)
        if not name:
            route.fulfill(body="<!doctype html>", content_type="text/html")
        else:
            route.fulfill(path=STATIC / name, content_type="text/javascript")

    context = browser.new_context()
    found = context.new_page()
    found.route(PLACE + "**", serve)
    found.goto(PLACE)
    yield found
    context.close()


def shown(count: int, at: int, /, **changed: Any) -> dict[str, Any]:
    given = given_out(count, at)
    found = {name: given[name] for name in SHOWN}
    found |= {name: given[other] for name, other in RENAMED.items()}
    found |= {"organisation": to_hex(ORGANISATION), "chainId": "31337"}
    return found | changed


def verdicts(page: Page, rows: list[dict[str, Any]]) -> list[str]:
    """The signer that the browser found for each, or its refusal."""
    return list(
        page.evaluate(
            """async (rows) => {
              const { verify } = await import("./provenance.js");
              const refused = (error) => "refused: " + error.message;
              return Promise.all(rows.map((row) => verify(row).catch(refused)));
            }""",
            rows,
        )
    )


def test_p6_the_browser_finds_the_attest_key_of_every_leaf(page: Page) -> None:
    rows = [shown(count, n) for count in (1, 2, 3, 7, 8, 9, 33) for n in range(count)]
    assert set(verdicts(page, rows)) == {ATTEST_KEY.lower()}


def test_p6_one_changed_word_gives_no_attest_key(page: Page) -> None:
    changes: list[dict[str, Any]] = [
        {"organisation": "0x" + "02" * 32},
        {"chainId": "1"},
        {"index": 5},
        {"path": "m/44'/60'/3'/0/5"},
        {"path": "m/44'/60'/4'/0/4"},
        {"address": "0x" + "66" * 20},
        {"signature": "0x" + "00" * 65},
        {"signature": "0x" + "ff" * 65},
        {"signature": "0x"},
        {"proof": []},
        {"proof": ["0x" + "00" * 32] * 4},
        {"count": 8},
        {"root": "0x" + "00" * 32},
    ]
    other_order = {"path": "m/44'/60'/3'/0/5", **_of_path_five_at_place_four()}
    found = verdicts(page, [shown(9, 4, **change) for change in [*changes, other_order]])
    assert ATTEST_KEY.lower() not in found
    assert [one for one in found[2:] if not one.startswith("refused: ")] == []


def _of_path_five_at_place_four() -> dict[str, Any]:
    given = given_out(9, 4, first=1)
    return {name: given[other] for name, other in RENAMED.items()} | {"address": given["address"]}


def test_p6_the_browsers_recovery_is_coincurves(page: Page) -> None:
    draw = random.Random(6)
    keys = [PrivateKey(draw.randbytes(32)) for _ in range(200)]
    digests = [draw.randbytes(draw.randrange(400)) for _ in keys]
    rows = []
    for key, content in zip(keys, digests, strict=True):
        raw = key.sign_recoverable(keccak256(content), hasher=None)
        rows.append([to_hex(content), to_hex(raw[:64] + bytes([27 + raw[64]]))])
    found = page.evaluate(
        """async (rows) => {
          const { keccak256 } = await import("./keccak.js");
          const { bytesOf, recoverAddress } = await import("./secp256k1.js");
          return rows.map(([content, signature]) =>
            recoverAddress(keccak256(bytesOf(content)), bytesOf(signature)));
        }""",
        rows,
    )
    assert found == [Signatory(key.secret).address.lower() for key in keys]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_p6_a_person_compares_the_key_once_and_sees_each_address_verified(
    browser: Browser, stack: Stack, cast: Cast, size: dict[str, int]
) -> None:
    attest = cast.diary.get("installation")["attest"].lower()
    context = _visit(browser, stack, cast.token("olivia"), size)
    page = context.pages[0]
    complaints = _complaints(page)
    page.get_by_role("link", name="Addresses").click()
    question = page.locator("#attest")
    expect(question).to_contain_text(attest)
    rows = page.locator("li.address")
    expect(rows.first.locator(".verdict")).to_have_text(f"signed by {attest}")
    page.get_by_role("button", name="It is the same").click()
    for row in rows.all():
        expect(row.locator(".verdict")).to_have_text("verified here")
    page.reload()
    expect(rows.first.locator(".verdict")).to_have_text("verified here")
    expect(question).to_be_hidden()
    _picture(page, f"addresses-{size['width']}")
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, "the page is wider than the screen"
    assert complaints == []
    context.close()


def test_p6_an_address_that_a_bent_server_shows_is_called_out(
    browser: Browser, stack: Stack, cast: Cast
) -> None:
    """The key is known; then the server shows another address, and one signed by its own key."""
    context = _visit(browser, stack, cast.token("olivia"), DESK)
    page = context.pages[0]
    page.goto("/console/addresses")
    page.get_by_role("button", name="It is the same").click()
    first = page.locator("li.address").first
    expect(first.locator(".verdict")).to_have_text("verified here")
    honest = json.loads(first.get_attribute("data-shown") or "")
    listing = page.locator("#addresses")
    own = given_out(9, 4)
    forged = {name: own[name] for name in SHOWN}
    forged |= {name: own[other] for name, other in RENAMED.items()}
    for bent, words in (
        ({**honest, "address": "0x" + "66" * 20}, "not in the custody officers' list"),
        (forged, "not by the custodian's key"),
    ):
        body = page.content().replace(
            first.evaluate('row => row.outerHTML.match(/data-shown="[^"]*"/)[0]'),
            "data-shown='" + json.dumps(bent).replace("'", "&#39;") + "'",
        )
        _serve_instead(page, body)
        page.reload()
        expect(listing.locator("li.address").first.locator(".verdict")).to_contain_text(words)
        page.unroute("**/console/addresses")
        page.reload()
    context.close()


def _serve_instead(page: Page, body: str) -> None:
    """As a server would that was taken over, with its scripts left as they are."""
    page.route(
        "**/console/addresses",
        lambda route: route.fulfill(body=body, content_type="text/html"),
    )
