"""What happens to an organisation between payments: the next version of its policy, and the steps
that bring its vault's guard there. The guard lags behind: what a bundle allows more, the chain
allows after its own delays; until then what the signer permits may wait, and is counted.
"""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.safe import SafeTx, safe_tx_hash
from strongroom_protocol.vault_changes import Change, change_document, change_safe_tx
from tests.integration.agreement.firm import PLACES, Body, Firm, token_text
from tests.integration.agreement.generate import script_of
from tests.integration.agreement.sending import execution
from tests.integration.strongroom_signer.people import CHAIN_ID

if TYPE_CHECKING:
    from tests.integration.agreement.world import World

VERSIONS_MAX = 3
CHANGE_DELAY = 2 * 86_400
CHANGE_LIFE = 14 * 86_400
COOLING = 86_400
Act = tuple[Firm, Body]


def act_of(rng: Random, firm: Firm) -> Body | None:
    """Now and then a new policy; else, while bundle and guard differ, one step nearer."""
    if len(firm.versions) < VERSIONS_MAX and rng.random() < 0.04:
        return {"kind": "policy", **_changed(rng, firm)}
    if rng.random() < 0.6:
        return None
    steps = _steps(firm)
    return rng.choice(steps) if steps else None


def play(world: "World", acts: Sequence[Act]) -> list[tuple[Firm, str]]:
    """Do them now, and say what did not go as it should; the clock moves on by a second."""
    wrong: list[tuple[Firm, str]] = []
    for firm, act in acts:
        firm.now = world.now
        if act["kind"] == "policy":
            bundle = firm.following(act)
            world.desk.get("policy_update", firm.policy_update(bundle, firm.administrators))
            firm.adopt(bundle, world.desk.house.config.loosening_seconds)
    steps = [(firm, act) for firm, act in acts if act["kind"] != "policy"]
    asked = [_asked(world, firm, act) for firm, act in steps]
    answers = world.ask_all([body for _, body in asked], "vault_change")
    calls = []
    for (firm, act), (safe_tx, body), answer in zip(steps, asked, answers, strict=True):
        if answer["ok"]:
            people = zip(firm.owners_asked, body["signatures"], strict=True)
            calls.append((firm, act, execution(firm, safe_tx, list(people), answer["body"])))
        else:
            wrong.append((firm, f"the bundle asks for {act}, the signer {answer['message']}"))
    fates = world.node.paid([call for _, _, call in calls], world.now)
    for (firm, act, _), fate in zip(calls, fates, strict=True):
        if fate.error is None:
            firm.safe_nonce += 1
            _note(world, firm, act)
        else:
            wrong.append((firm, f"{act} was not done on chain: {fate.error}"))
    world.desk.clock.advance(1)
    return wrong


def _changed(rng: Random, firm: Firm) -> Body:
    """Another book, other limits, other rules; people and assets stay."""
    other = script_of(rng, firm.script)
    return {name: other[name] for name in ("book", "limits", "rules")}


def _steps(firm: Firm) -> list[Body]:
    """What the guard lacks of the active bundle, each as one step."""
    guard, bundle = firm.guard, firm.parsed
    book = {entry.address for entry in bundle.address_book}
    found: list[Body] = []
    for number, place in enumerate(PLACES):
        listed, known = place in book, place in guard.usable_from
        if listed != known:
            kind = "announce_destination" if listed else "revoke_destination"
            found.append({"kind": kind, "place": number, "phase": "now"})
    for limit in bundle.guard_limits:
        token = limit.token or ZERO
        asset, present = firm.tokens.index(token), guard.day_units[token]
        step = {"asset": asset, "day_units": str(limit.day_units)}
        if limit.day_units < present:
            found.append({"kind": "lower_limit", "phase": "now", **step})
        elif limit.day_units > present:
            phase = _phase(firm, asset, str(limit.day_units))
            found += [{"kind": "set_limit", "phase": phase, **step}] if phase else []
    return found


def _phase(firm: Firm, asset: int, day_units: str) -> str | None:
    usable = firm.announced.get((asset, day_units))
    if usable is None or firm.now > usable + CHANGE_LIFE:
        return "announce"
    return "execute" if firm.now >= usable else None


def _change(firm: Firm, act: Body) -> Change:
    if "place" in act:
        return Change(act["kind"], destination=PLACES[act["place"]])
    token: Address | None = firm.tokens[act["asset"]]
    token = token if token_text(firm.tokens[act["asset"]]) else None
    return Change(act["kind"], token=token, day_units=int(act["day_units"]))


def _asked(world: "World", firm: Firm, act: Body) -> tuple[SafeTx, Body]:
    """One step of a change as its owners sign it, and the request for its Permit."""
    change, deployment = _change(firm, act), world.desk.house.deployment
    place = (firm.safe_nonce, firm.vault, deployment.guard, deployment)
    safe_tx = change_safe_tx(change, act["phase"], *place)
    digest = safe_tx_hash(CHAIN_ID, firm.vault, safe_tx)
    keys = firm.approvers[: firm.parsed.vault.threshold]
    return safe_tx, {
        "organisation": firm.reference,
        "safe_nonce": firm.safe_nonce,
        "phase": act["phase"],
        "change": change_document(change),
        "signatures": [key.sign(digest) for key in keys],
    }


def _note(world: "World", firm: Firm, act: Body) -> None:
    """The model's guard after it."""
    guard, kind = firm.guard, act["kind"]
    if kind == "announce_destination":
        guard.usable_from[PLACES[act["place"]]] = world.now + COOLING
    elif kind == "revoke_destination":
        del guard.usable_from[PLACES[act["place"]]]
    elif act["phase"] == "announce":
        firm.announced[act["asset"], act["day_units"]] = world.now + CHANGE_DELAY
    else:
        guard.day_units[firm.tokens[act["asset"]]] = int(act["day_units"])
        firm.announced.pop((act["asset"], act["day_units"]), None)
