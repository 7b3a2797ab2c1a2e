"""The custody API, one method an operation; answers are the API's JSON as dictionaries."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from strongroom_client.errors import StrongroomClientError
from strongroom_client.transport import Transport

Json = dict[str, Any]


def new_token() -> str:
    """Return a fresh 256-bit bearer token; only its SHA-256 is ever sent to the service."""
    return "sr_" + secrets.token_urlsafe(32)


def token_sha256(token: str) -> str:
    """Return what the service keeps of a token, as hex."""
    return hashlib.sha256(token.encode()).hexdigest()


class Strongroom:
    """One credential's view of one service."""

    def __init__(self, base_url: str, token: str | None = None, **options: Any) -> None:
        self._http = Transport(base_url, token, **options)

    def __enter__(self) -> Self:
        """Return itself; the connections are closed on leaving."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """GET any path under the service's root."""
        return self._http.get(path, parameters)

    def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Any:
        """POST any path, under `key` or a new one."""
        return self._http.post(path, body, key)

    def every(self, path: str, **parameters: Any) -> Iterator[Json]:
        """Yield each item of a listing, following its cursors."""
        after: str | None = None
        while True:
            page = self._http.get(
                path, parameters if after is None else {**parameters, "after": after}
            )
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def wait(
        self,
        what: str,
        look: Callable[[], Any],
        *,
        timeout_seconds: float = 60.0,
        every_seconds: float = 0.2,
    ) -> Any:
        """Ask `look` until it answers something true; raise a sentence naming `what` if never."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(every_seconds)
        raise StrongroomClientError(f"{what}: not within {timeout_seconds:.0f} seconds.")

    # The custodian's own operations.

    def installation(self) -> Json:
        """Return chain, contracts, public keys of the signer and the next free account."""
        return dict(self._http.get("/v1/operator/installation"))

    def register_organisation(
        self, genesis: Json, owner: Json, token_hash: str, key: str | None = None
    ) -> Json:
        """Register an organisation by its genesis, with its owner's first credential."""
        body = {"genesis": genesis, "owner": owner, "owner_token_sha256": token_hash}
        return dict(self._http.post("/v1/operator/organisations", body, key))

    def register_account(
        self, organisation_id: str, manifest: Json, key: str | None = None
    ) -> Json:
        """Register what a key ceremony left for an organisation, signed by the officers; later a
        refill of the same account.
        """
        path = f"/v1/operator/organisations/{organisation_id}/account"
        return dict(self._http.post(path, manifest, key))

    def import_list(self, name: str, source: str, content: str, form: str = "plain") -> Json:
        """Import a sanctions list; every import is a new version."""
        body = {"name": name, "source": source, "content": content, "form": form}
        return dict(self._http.post("/v1/screening/lists", body))

    # People and policy.

    def add_department(self, name: str, key: str | None = None) -> Json:
        """Add a department."""
        return dict(self._http.post("/v1/departments", {"name": name}, key))

    def add_person(self, person: Json, key: str | None = None) -> Json:
        """Add a person: handle, name, roles, department_id, address."""
        return dict(self._http.post("/v1/people", person, key))

    def add_credential(
        self, label: str, roles: Sequence[str], token: str, person_id: str | None = None
    ) -> Json:
        """Add a credential for a token made here; the token itself is not sent."""
        body = {
            "label": label,
            "roles": list(roles),
            "person_id": person_id,
            "token_sha256": token_sha256(token),
        }
        return dict(self._http.post("/v1/credentials", body))

    def publish_policy(self, submission: Json, key: str | None = None) -> Json:
        """Publish a signed bundle (with genesis, manifest and officers' signatures if first)."""
        return dict(self._http.post("/v1/policy/bundles", submission, key))

    # Money in.

    def new_address(
        self,
        label: str,
        account: str = "treasury",
        key: str | None = None,
        *,
        customer_reference: str | None = None,
        single_use: bool = False,
    ) -> Json:
        """Return a new deposit address with its provenance; a customer reference keeps its own for
        ever. `single_use`: what follows the first payment is held until it is accepted.
        """
        body = {"label": label, "account": account}
        if customer_reference is not None:
            body["customer_reference"] = customer_reference
        if single_use:
            body["reuse"] = "hold"
        return dict(self._http.post("/v1/addresses", body, key))

    def accept_deposit(self, deposit_id: str, key: str | None = None) -> Json:
        """Take a second payment to a single-use address."""
        return dict(self._http.post(f"/v1/deposits/{deposit_id}/acceptance", {}, key))

    def accept_nobodys(self, deposit_id: str, why: str, key: str | None = None) -> Json:
        """Compliance takes a mint, or a withdrawal from the beacon chain: nobody paid it."""
        path = f"/v1/deposits/{deposit_id}/no-payer-acceptance"
        return dict(self._http.post(path, {"why": why}, key))

    def set_deposit_rule(self, rule: Json, key: str | None = None) -> Json:
        """Set what the organisation's deposits must have before they are credited."""
        return dict(self._http.post("/v1/deposit-rules", rule, key))

    def sweep_now(self, key: str | None = None) -> Json:
        """Have what is credited and final swept into the vault, whatever the schedule says."""
        return dict(self._http.post("/v1/sweeps", {}, key))

    def create_vault(self, key: str | None = None) -> Json:
        """Ask for the organisation's vault, as the active bundle describes it."""
        return dict(self._http.post("/v1/vault", {}, key))

    # The vault's governed changes.

    def vault_configuration(self) -> Json:
        """Return how the vault stands on chain, with its ten health checks."""
        return dict(self._http.get("/v1/vault/configuration"))

    def vault_changes(self) -> list[Json]:
        """Return what the active policy wants changed on chain, in its order."""
        return list(self._http.get("/v1/vault/changes")["items"])

    def vault_steps(self) -> list[Json]:
        """Return the steps of changes, the newest first."""
        return list(self._http.get("/v1/vault/steps")["items"])

    def vault_step(self, step_id: str) -> Json:
        """Return one step, with what is signed for it now."""
        return dict(self._http.get(f"/v1/vault/steps/{step_id}"))

    def propose_vault_step(self, change: Json, key: str | None = None) -> Json:
        """Make the next step of a pending change."""
        return dict(self._http.post("/v1/vault/steps", {"change": change}, key))

    def sign_vault_step(self, step_id: str, signature: str, key: str | None = None) -> Json:
        """Hand in an owner's signature over a step's typed data."""
        path = f"/v1/vault/steps/{step_id}/signatures"
        return dict(self._http.post(path, {"signature": signature}, key))

    def withdraw_vault_step(self, step_id: str, reason: str, key: str | None = None) -> Json:
        """Take a step back that the signer was not asked for yet."""
        path = f"/v1/vault/steps/{step_id}/withdrawal"
        return dict(self._http.post(path, {"reason": reason}, key))

    # Money out.

    def draft_withdrawal(
        self, account: str, asset: str, to: str, amount: str, reference: str, **more: Any
    ) -> Json:
        """Return the intent that the initiator is to sign; nothing is kept by the service.

        `more`: `wallet` (a spending key; else the vault pays), `max_fee_wei`, `store_epoch`.
        """
        return dict(
            self._http.get(
                "/v1/withdrawals/draft",
                {
                    "account": account,
                    "asset": asset,
                    "to": to,
                    "amount": amount,
                    "reference": reference,
                    **more,
                },
            )
        )

    def request_withdrawal(
        self, account: str, intent: Json, signature: str, key: str | None = None
    ) -> Json:
        """Request a withdrawal with the initiator's signature over its intent."""
        body = {"account": account, "intent": intent, "initiator_signature": signature}
        return dict(self._http.post("/v1/withdrawals", body, key))

    def approve_withdrawal(
        self, withdrawal_id: str, signatures: Json, key: str | None = None
    ) -> Json:
        """Hand in an approver's signatures."""
        return dict(self._http.post(f"/v1/withdrawals/{withdrawal_id}/approvals", signatures, key))

    def vault_queue(self) -> Json:
        """Return what is wrong with the vault's numbered transactions, and who signs to mend it."""
        return dict(self._http.get("/v1/vault/queue"))

    def state_rate(self, document: Json, signature: str, key: str | None = None) -> Json:
        """Hand in a price, signed by one of the policy's sources."""
        body = {"document": document, "signature": signature}
        return dict(self._http.post("/v1/rates", body, key))

    def export_withdrawal(self, withdrawal_id: str, policies_after: int = 0) -> Json:
        """Return a cold wallet's file for `strongroom-signer deliver`, with the policies after the
        version that the offline machine has.
        """
        path = f"/v1/withdrawals/{withdrawal_id}/export"
        return dict(self._http.get(path, {"policies_after": policies_after}))

    def export_picture(self, withdrawal_id: str, number: int) -> bytes:
        """Return one of that file's QR pictures, from 1 on, as SVG."""
        return self._http.get_bytes(f"/v1/withdrawals/{withdrawal_id}/export/pictures/{number}")

    def import_signed(self, withdrawal_id: str, document: Json, key: str | None = None) -> Json:
        """Hand in the file that `deliver` wrote on the offline machine."""
        path = f"/v1/withdrawals/{withdrawal_id}/signed"
        return dict(self._http.post(path, {"document": document}, key))

    def withdrawal(self, withdrawal_id: str) -> Json:
        """Return one withdrawal with its history."""
        return dict(self._http.get(f"/v1/withdrawals/{withdrawal_id}"))

    # Books, proofs.

    def transfer(self, body: Json, key: str | None = None) -> Json:
        """Move money between two of the organisation's own accounts."""
        return dict(self._http.post("/v1/transfers", body, key))

    def propose_fiat_entry(self, body: Json, key: str | None = None) -> Json:
        """Propose a fiat credit; another person must approve it."""
        return dict(self._http.post("/v1/fiat/entries", body, key))

    def approve_fiat_entry(self, entry_id: str, key: str | None = None) -> Json:
        """Approve a fiat credit that somebody else proposed."""
        return dict(self._http.post(f"/v1/fiat/entries/{entry_id}/approvals", {}, key))

    def request_export(self, key: str | None = None) -> Json:
        """Ask for an export of all of the organisation's books and log."""
        return dict(self._http.post("/v1/exports", {}, key))

    def export_bundle(self, export_id: str) -> bytes:
        """Return a finished export's bundle."""
        return self._http.get_bytes(f"/v1/exports/{export_id}/bundle")

    # Webhooks.

    def add_webhook(
        self, url: str, types: Sequence[str] = ("*",), label: str = "", key: str | None = None
    ) -> Json:
        """Have events sent to an https address. The answer's `secret` is shown this once."""
        body = {"url": url, "types": list(types), "label": label}
        return dict(self._http.post("/v1/webhooks", body, key))

    def rotate_webhook(
        self, webhook_id: str, overlap_hours: int = 24, key: str | None = None
    ) -> Json:
        """Make the next secret, shown this once; the one before signs too while they overlap."""
        body = {"overlap_hours": overlap_hours}
        return dict(self._http.post(f"/v1/webhooks/{webhook_id}/secret", body, key))

    def set_webhook(self, webhook_id: str, state: str, key: str | None = None) -> Json:
        """Make it enabled, disabled or, for good, removed."""
        return dict(self._http.post(f"/v1/webhooks/{webhook_id}/state", {"state": state}, key))

    def test_webhook(self, webhook_id: str, key: str | None = None) -> Json:
        """Have an event `webhook.test` sent to it."""
        return dict(self._http.post(f"/v1/webhooks/{webhook_id}/tests", {}, key))

    def replay_webhook(
        self, webhook_id: str, since: str, until: str | None = None, key: str | None = None
    ) -> Json:
        """Have what happened in [since, until) sent again under the same ids; ISO 8601 times."""
        body = {"since": since, "until": until}
        return dict(self._http.post(f"/v1/webhooks/{webhook_id}/replays", body, key))
