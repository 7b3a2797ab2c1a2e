"""`ceremony rotate-permit`: the next permit key, born in the signer token. The old ones stay: each
vault's guard wants its own until a policy names the new one and the vault has followed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from strongroom_protocol.addresses import checksum
from strongroom_signer import sealed
from strongroom_signer.ceremony.terminal import say
from strongroom_signer.crash import CrashPoints
from strongroom_signer.errors import Unfit
from strongroom_signer.settings import Settings
from strongroom_signer.token import templates
from strongroom_signer.token.keyring import Keyring
from strongroom_signer.token.session import TokenSession

Note = Callable[[str, dict[str, Any]], None]


def rotate_permit(_arguments: argparse.Namespace, settings: Settings, note: Note) -> dict[str, Any]:
    """A key that was born and not sealed, by a run that was interrupted, is sealed and no other is
    made. Raises Unfit.
    """
    pin, path = settings.signer_pin.read(), settings.directory / "config.json"
    token = TokenSession(settings.module, settings.signer_token, pin, settings.token_lock)
    try:
        keyring = Keyring(token)
        config = sealed.load(path, keyring)
        labels = templates.permit_labels(token)
        if keyring.public.permit == config.keys.permit:
            if len(labels) == templates.PERMITS_MAX:
                raise Unfit(f"the token holds {len(labels)} permit keys; no more are made")
            templates.make_signing_key(token, templates.permit_label(len(labels) + 1))
            keyring = Keyring(token)
            CrashPoints(settings.crash_at).pass_by("rotate.permit")
        keys = replace(config.keys, permit=keyring.public.permit)
        sealed.store(path, replace(config, keys=keys), keyring)
    finally:
        token.close()
    named = [checksum(key) for key in keyring.permit_keys()]
    say(
        f"The newest permit key is {named[-1]}; read it aloud, and compare. Start the signer again:"
    )
    say("new vaults are made for it. A vault that exists follows when its policy names it.")
    facts = {"permit": named[-1], "permit_keys": named}
    note("rotate-permit", facts)
    return facts
