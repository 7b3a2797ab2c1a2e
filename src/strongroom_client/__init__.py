"""The Python SDK of Strongroom's custody API: HTTP, retries, and signing with a person's own key.

It imports nothing of the service. What a person signs is built here, from what that person means
to do, and never taken from a server's answer (P5).
"""

from strongroom_client.client import Strongroom
from strongroom_client.errors import Problem, Refused, StrongroomClientError, Unreachable
from strongroom_client.intents import Payment
from strongroom_client.provenance import verify_address
from strongroom_client.signing import Signatory
from strongroom_client.webhooks import WebhookInvalid, verify_webhook

__all__ = [
    "Payment",
    "Problem",
    "Refused",
    "Signatory",
    "Strongroom",
    "StrongroomClientError",
    "Unreachable",
    "WebhookInvalid",
    "verify_address",
    "verify_webhook",
]
