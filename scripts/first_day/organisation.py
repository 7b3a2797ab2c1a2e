"""Steps 1 and 2: the organisation, its people, the key ceremony, the first policy."""

import hashlib
import json
import os
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any

from bip_utils import Bip44, Bip44Changes, Bip44Coins
from eth_utils.address import to_checksum_address

from first_day.cast import CUSTOMER, ETH, OWNER, ROLES, SHIPPER, TUSD, Cast
from first_day.diary import DayFailed
from first_day.node import mint_data
from strongroom_client import Signatory, verify_address
from strongroom_client.client import token_sha256
from strongroom_client.signing import content_hash

NAME = "Harbour Shipping"
POOL = 64
DAY_SECONDS = 86_400
CUSTOMER_UNITS = 50_000 * 10**6


def found(cast: Cast) -> None:
    """Register the organisation by its genesis; add departments, people and credentials."""
    diary, owner = cast.diary, cast.service(OWNER.handle)
    installation = diary.once("installation", cast.operator.installation)
    genesis = diary.once("genesis", lambda: _genesis(cast, installation))
    registered = cast.operator.register_organisation(
        genesis,
        _person(cast, OWNER.handle, None),
        token_sha256(cast.token(OWNER.handle)),
        diary.key("organisation"),
    )
    diary.once("organisation", lambda: registered)
    expected = "0x" + content_hash(genesis).hex()
    diary.say(f"{NAME}, account {registered['account_index']} of the custodian's seed")
    diary.check(
        registered["ref"] == expected,
        f"its id is the hash of its genesis: {expected[:18]}…",
        registered["ref"],
    )
    departments = {
        name: owner.add_department(name, diary.key(f"department-{name}"))["id"]
        for name in sorted({role.department for role in ROLES if role.department})
    }
    for role in ROLES[1:]:
        department = None if role.department is None else departments[role.department]
        person = owner.add_person(
            _person(cast, role.handle, department), diary.key(f"person-{role.handle}")
        )
        diary.once(
            f"credential/{role.handle}",
            lambda role=role, person=person: owner.add_credential(  # type: ignore[misc]
                f"{role.name}'s laptop", role.roles, cast.token(role.handle), person["id"]
            )["id"],
        )
    diary.table(
        ("who", "roles", "own key"),
        *(
            (
                role.name,
                "\n".join(role.roles),
                cast.key(role.handle).address if role.signs else "-",
            )
            for role in ROLES
        ),
    )
    me = cast.service("ines").get("/v1/me")
    diary.check(me["organisation_id"] == registered["id"], "each logs in with a token of their own")


def ceremony(cast: Cast) -> None:
    """Seal the seed, derive the account, sign manifest and policy, give out three addresses."""
    diary, owner = cast.diary, cast.service(OWNER.handle)
    manifest = diary.once("manifest", lambda: _run_ceremony(cast))
    diary.check(
        _manifest_root(manifest) == manifest["root"],
        f"{manifest['count']} addresses in a manifest with root {manifest['root'][:18]}…",
    )
    officers = cast.officers()
    signed = {
        **manifest,
        "officer_signatures": [
            officer.sign_manifest(manifest, cast.node.chain_id) for officer in officers
        ],
    }
    organisation = diary.get("organisation")
    cast.operator.register_account(organisation["id"], signed, diary.key("account"))
    diary.say(f"signed by {len(officers)} custody officers; the seed stays in the vault token")
    bundle = diary.once("bundle", lambda: _first_bundle(cast, manifest))
    founders = [cast.key(role.handle) for role in ROLES if role.signs]
    submission = {
        "bundle": bundle,
        "signatures": [founder.sign_bundle(bundle) for founder in founders],
        "officer_signatures": [officer.sign_bundle(bundle) for officer in officers],
        "manifest": signed,
    }
    published = owner.publish_policy(submission, diary.key("policy-1"))
    diary.check(
        published["state"] == "active" and published["version"] == 1,
        f"first policy active: {len(bundle['rules'])} rules, signed by "
        f"{len(founders)} founders and {len(officers)} officers",
    )
    for label in ("customers", "shippers", "walk-in"):
        _give_address(cast, manifest, label)


def _genesis(cast: Cast, installation: dict[str, Any]) -> dict[str, Any]:
    def addresses(role: str) -> list[str]:
        chosen = [cast.key(each.handle).address for each in ROLES if role in each.roles]
        return sorted(chosen, key=str.lower)

    return {
        "type": "strongroom.genesis/1",
        "name": NAME,
        "chain_id": cast.node.chain_id,
        "account_index": installation["next_account_index"],
        "administrators": addresses("administrator"),
        "administrator_quorum": 2,
        "approvers": addresses("approver"),
        "salt": "0x" + secrets.token_hex(32),
    }


def _person(cast: Cast, handle: str, department_id: str | None) -> dict[str, Any]:
    role = next(each for each in ROLES if each.handle == handle)
    return {
        "handle": handle,
        "name": role.name,
        "roles": list(role.roles),
        "department_id": department_id,
        "address": cast.key(handle).address if role.signs else None,
    }


def _run_ceremony(cast: Cast) -> dict[str, Any]:
    """Run the officers' commands: the seed once, then this organisation's account."""
    index = str(cast.diary.get("organisation")["account_index"])
    out = Path(os.environ["STRONGROOM_PEOPLE_DIR"]) / f"account-{index}.json"
    _command("strongroom-signer", "ceremony", "new", "--json")
    _command(
        "strongroom-signer",
        "ceremony",
        "account",
        "--index",
        index,
        "--count",
        str(POOL),
        "--out",
        str(out),
        "--json",
    )
    return dict(json.loads(out.read_text()))


def _command(name: str, *words: str) -> None:
    program = str(Path(os.environ.get("STRONGROOM_BIN_DIR", "")) / name)
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DayFailed(f"`{name} {' '.join(words)}` failed: {done.stderr.strip()[-600:]}")


def _manifest_root(manifest: dict[str, Any]) -> str:
    """Recompute the RFC 6962 root over SHA-256(00 ‖ path ‖ 00 ‖ address) of every address."""
    index = manifest["account_index"]
    level = []
    for number, address in enumerate(manifest["addresses"]):
        path = f"m/44'/60'/{index}'/0/{number}".encode()
        leaf = b"\x00" + path + b"\x00" + bytes.fromhex(address[2:])
        level.append(hashlib.sha256(leaf).digest())
    return "0x" + _tree(level).hex()


def _tree(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _tree(leaves[:split]) + _tree(leaves[split:])).digest()


def _first_bundle(cast: Cast, manifest: dict[str, Any]) -> dict[str, Any]:
    """Write the first policy: who approves what, to whom, up to how much."""
    token = cast.diary.once("token", lambda: _deploy_token(cast))
    book = _address_book(cast)
    people: list[dict[str, Any]] = []
    for role in ROLES:
        counted = [each for each in role.roles if each != "accountant"] or ["auditor"]
        address = cast.key(role.handle).address if role.signs else None
        people.append(
            {
                "id": role.handle,
                "name": role.name,
                "address": address,
                "roles": counted,
                "department": role.department,
            }
        )
    two = [[{"role": "approver", "department": None, "minimum": 2}]]
    return {
        "type": "strongroom.policy/1",
        "organisation": cast.diary.get("organisation")["ref"],
        "version": 1,
        "previous": "0x" + "00" * 32,
        "chain_id": cast.node.chain_id,
        "people": people,
        "administrator_quorum": 2,
        "account": {
            "index": manifest["account_index"],
            "manifest_root": manifest["root"],
            "xpub_hash": manifest["xpub_hash"],
        },
        "vault": {
            **_holders(people),
            "salt": "0x" + secrets.token_hex(32),
            "permit_signer": cast.diary.get("installation")["permit_signer"],
            "limits": [
                {"token": None, "day_units": str(20 * 10**18)},
                {"token": token, "day_units": str(25_000 * 10**6)},
            ],
            "destinations": sorted((entry["address"] for entry in book), key=str.lower),
        },
        "tokens": [{"asset": ETH, "contract": None}, {"asset": TUSD, "contract": token}],
        "address_book": book,
        "limits": [
            {"asset": ETH, "per_payment_units": str(5 * 10**18), "per_day_units": str(20 * 10**18)},
            {
                "asset": TUSD,
                "per_payment_units": str(10_000 * 10**6),
                "per_day_units": str(25_000 * 10**6),
            },
        ],
        "rules": [
            {
                "id": "no-more-than-5000",
                "verdict": "deny",
                "when": {"assets": [TUSD], "units_above": str(5_000 * 10**6)},
            },
            {
                "id": "suppliers-by-two",
                "verdict": "approvals",
                "approvals": two,
                "when": {"initiators": ["ines"], "destinations": "address_book"},
            },
        ],
        "mandates": {"sweep": True},
        "fees": {"max_fee_per_gas_wei": str(500 * 10**9), "max_total_fee_wei": str(10**18)},
        "valid_until": int(time.time()) + 90 * DAY_SECONDS,
    }


def _holders(people: list[dict[str, Any]]) -> dict[str, Any]:
    """Name the vault's owners, and who of compliance may freeze it, where they sign at all."""

    def keys(role: str) -> list[str]:
        able = (one["address"] for one in people if role in one["roles"])
        return sorted(filter(None, able), key=str.lower)

    return {"owners": keys("approver"), "threshold": 2, "freezers": keys("compliance")}


def _address_book(cast: Cast) -> list[dict[str, str]]:
    supplier = cast.diary.once("supplier", lambda: Signatory.create().address)
    partner = cast.diary.once("old-partner", lambda: Signatory.create().address)
    return [
        {"address": supplier, "label": "Supplier Ltd"},
        {"address": partner, "label": "Old Partner GmbH"},
    ]


def _deploy_token(cast: Cast) -> str:
    """Deploy the 6-decimal test dollar outside the service, and give two payers some."""
    token = cast.node.deploy(CUSTOMER, cast.test_dollar())
    for payer in (CUSTOMER, SHIPPER):
        holder = Signatory(payer).address
        cast.node.send(CUSTOMER, token, 0, mint_data(holder, CUSTOMER_UNITS))
    return token


def _give_address(cast: Cast, manifest: dict[str, Any], label: str) -> None:
    diary = cast.diary
    given = diary.once(
        f"address/{label}",
        lambda: cast.service(OWNER.handle).new_address(label, key=diary.key(f"address-{label}")),
    )
    account = Bip44.FromExtendedKey(manifest["xpub"], Bip44Coins.ETHEREUM)
    derived = account.Change(Bip44Changes.CHAIN_EXT).AddressIndex(given["index"])
    expected = to_checksum_address(derived.PublicKey().ToAddress())
    verified = verify_address(
        given,
        organisation=diary.get("organisation")["ref"],
        chain_id=cast.node.chain_id,
        attest_key=diary.get("installation")["attest"],
        root=manifest["root"],
    )
    diary.check(
        given["address"] == expected == verified,
        f"{label:<10} {given['address']}  derived from the xpub here, vouched for by the HSM",
    )
