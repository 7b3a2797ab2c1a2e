"""The policy room by the API and in a browser: four eyes, a draft signed, rehearsed, published."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.factories.house import person, sign
from tests.factories.serving import Site, served
from tests.factories.stage import Stage
from tests.factories.staged import stage
from tests.integration.strongroom.policy.test_drafts import source

__all__ = ["stage"]

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PICTURES = Path(__file__).parents[2] / ".strongroom-pictures"
SUPPLIES = person("a supplier of paper").address
HOTEL = person("a hotel").address


@dataclass(frozen=True)
class Room:
    """The API as two people see it."""

    site: Site
    tokens: dict[str, str]

    def ask(self, who: str, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(
            method,
            f"{self.site.url}/v1{path}",
            json=body,
            headers={
                "Authorization": f"Bearer {self.tokens[who]}",
                "Idempotency-Key": uuid.uuid4().hex,
            },
        )
        return answer.json() | {"http": answer.status_code}

    def visit(self, browser: Browser, path: str, size: dict[str, int], name: str) -> Any:
        """The page as Ada sees it; kept as a picture, never wider than the screen."""
        context = browser.new_context(base_url=self.site.url, viewport=size)  # type: ignore[arg-type]
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/console/sign-in")
        page.get_by_label("Token").fill(self.tokens["ada"])
        page.get_by_role("button", name="Sign in").click()
        page.goto(path)
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}-{size['width']}.png", full_page=True)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert complaints == []
        return page


@pytest.fixture(scope="module")
def room(stage: Stage) -> Iterator[Room]:
    with served(stage) as site:
        tokens = {
            "ada": site.token("ada", stage.cast.ada, "administrator"),
            "bea": site.token("bea", stage.cast.bea, "approver"),
        }
        yield Room(site, tokens)


def test_the_way_of_a_policy_from_an_address_to_its_publication(room: Room, stage: Stage):
    entry = {"address": SUPPLIES, "label": "Paper Supplies", "owner": "Paper Ltd"}
    asked = entry | {"tags": ["suppliers"], "why": "contract 7 of 2026"}
    proposal = room.ask("ada", "POST", "/address-book/proposals", asked)
    assert proposal["http"] == 201
    decision = f"/address-book/proposals/{proposal['id']}/decision"
    own = room.ask("ada", "POST", decision, {"outcome": "agreed"})
    assert (own["http"], own["code"]) == (403, "policy.four_eyes_needed")
    assert room.ask("bea", "POST", decision, {"outcome": "agreed"})["http"] == 201
    _prove(room)

    made = _draft(room, stage)
    assert (made["state"], made["missing"]) == ("open", "1 more of the administrators Ada.")
    words = room.ask("ada", "GET", f"/policy/drafts/{made['id']}/words")
    said = " ".join(line for one in words["changes"] for line in one["lines"])
    assert "Paper Supplies of Paper Ltd, tagged suppliers" in said
    assert {one["where"] for one in words["claims"]} == {"api", "signer", "chain"}

    stage.order("before-the-rehearsal", amount="700")
    period = {"begins": "2020-01-01T00:00:00Z", "ends": "2099-01-01T00:00:00Z"}
    period["begins"] = stage.house.clock.now().replace(hour=0).isoformat()
    found = room.ask("ada", "POST", f"/policy/drafts/{made['id']}/rehearsals", period)
    assert found["http"] == 200, found
    assert [one["reference"] for one in found["changed"]] == ["before-the-rehearsal"]
    assert {one["what"] for one in found["powers"]} >= {"drain:TUSD/6", "leave", "change_policy"}

    early = room.ask("ada", "POST", f"/policy/drafts/{made['id']}/publication", {})
    assert (early["http"], early["code"]) == (409, "policy.signatures_missing")
    signature = sign(stage.cast.ada, made["typed_data"])
    path = f"/policy/drafts/{made['id']}/signatures"
    signed = room.ask("bea", "POST", path, {"signature": signature})
    assert (signed["missing"], signed["signers"][0]["signed_at"] is not None) == ("", True)
    done = room.ask("ada", "POST", f"/policy/drafts/{made['id']}/publication", {})
    assert (done["http"], done["state"]) == (201, "published")
    active = room.ask("ada", "GET", "/policy/words")
    assert active["version"] == made["version"]
    (kept,) = room.ask("ada", "GET", "/address-book")["items"]
    assert kept["usable_from"] is not None


def _prove(room: Room) -> None:
    """The supplier signs with the address's own key."""
    path = f"/address-book/{SUPPLIES}"
    asked = room.ask("ada", "GET", f"{path}/challenge?owner=Paper%20Ltd&asset=TUSD/6")
    assert asked["test_payment"].startswith("0.")
    signature = sign(person("a supplier of paper"), asked["typed_data"])
    body = {"owner": "Paper Ltd", "signature": signature}
    assert room.ask("bea", "POST", f"{path}/signatures", body)["method"] == "eip712"
    thief = sign(person("a thief"), asked["typed_data"])
    wrong = room.ask("bea", "POST", f"{path}/signatures", body | {"signature": thief})
    assert (wrong["http"], wrong["code"]) == (422, "policy.proof_wrong")


def _draft(room: Room, stage: Stage) -> Any:
    document = source(stage)
    payee = {"name": "Paper Supplies", "address": SUPPLIES}
    more = payee | {"tags": ["suppliers"], "owner": "Paper Ltd"}
    document["address_book"].append(more)
    document["rules"] += [
        {"id": "paper", "when": {"tags": ["suppliers"], "above": "500 TUSD"}, "then": "deny"},
        {"id": "more-eyes", "when": {"above": "600 TUSD"}, "then": "1 approver of board"},
    ]
    return room.ask("ada", "POST", "/policy/drafts", {"source": document, "note": "Paper"})


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_policy_reads_in_words_and_a_draft_says_whose_signature_lacks(
    browser: Browser, room: Room, stage: Stage, size: dict[str, int]
):
    document = source(stage)
    document["address_book"] = "agreed"
    nora = {"id": "nora", "name": "Nora", "roles": ["approver"], "department": "board"}
    nora["address"] = person("nora").address
    document["people"] = [*document["people"], nora]
    made = room.ask("ada", "POST", "/policy/drafts", {"source": document, "note": "Nora joins"})
    assert made["state"] == "open", made["findings"]
    page = room.visit(browser, "/console/policy", size, "policy")
    card = page.get_by_role("article").first
    expect(card).to_contain_text("Nora joins")
    expect(card).to_contain_text("Still needed: 1 more of the administrators Ada; Nora with")
    expect(page.get_by_text("need 2 approvers.").first).to_be_visible()
    card.get_by_text("What it changes").click()
    expect(card.get_by_text("New: Nora (board), approver")).to_be_visible()
    page.locator("summary").filter(has_text="The most of one payment").click()
    expect(page.get_by_text("its guard counts days, not payments")).to_be_visible()
    page.screenshot(path=PICTURES / f"policy-open-{size['width']}.png", full_page=True)
    page.context.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_address_book_shows_whose_eyes_saw_it_and_when_it_can_be_paid(
    browser: Browser, room: Room, size: dict[str, int]
):
    hotel = {"address": HOTEL, "label": "Hotel", "owner": "Hotel & Sons", "why": "the fair in May"}
    room.ask("bea", "POST", "/address-book/proposals", hotel)
    page = room.visit(browser, "/console/address-book", size, "address-book")
    expect(page.get_by_role("article")).to_contain_text("Hotel & Sons")
    expect(page.get_by_text("Proposed by Ada, agreed by Bea")).to_be_visible()
    expect(page.get_by_text("cooling, payable from")).to_be_visible()
    expect(page.get_by_text("signed typed data")).to_be_visible()
    page.context.close()
