"""More addresses for an organisation: the officers' word, and the first ones stay."""

from typing import Any

from tests.integration.strongroom_signer.people import OFFICERS, Company, Key
from tests.integration.strongroom_signer.redteam.stage import Attack, Body, Scene, ask, attack
from tests.integration.strongroom_signer.test_manifest import _root, extension

FORGER = Key.named("forger")


def founded_short(it: Scene) -> tuple[Company, Body]:
    """An organisation founded with one address of two, and the manifest of both."""
    company = it.company = it.desk.company(founded=False)
    both = company.account
    root = _root(both, 1)
    company.account = {**both, "count": 1, "root": root, "addresses": both["addresses"][:1]}
    company.bundle["account"]["manifest_root"] = root
    it.get("policy_first", company.policy_first())
    return company, both


def extended(it: Scene, *officers: Key, **changes: Any) -> Attack:
    """The manifest of both addresses, signed by these officers, otherwise."""
    company, both = founded_short(it)
    return ask("manifest_extend", extension(company, both, officers or OFFICERS[:2], **changes))


@attack("bundle_signatures_missing")
def addresses_by_one_officer(it: Scene) -> Attack:
    """One officer of two signs for more addresses."""
    return extended(it, OFFICERS[0])


@attack("bundle_signatures_missing")
def addresses_by_the_attacker(it: Scene) -> Attack:
    """The second officer's key was swapped for the attacker's."""
    return extended(it, OFFICERS[0], FORGER)


@attack("bundle_signed_twice")
def addresses_by_one_officer_twice(it: Scene) -> Attack:
    """One officer signs twice."""
    return extended(it, OFFICERS[0], OFFICERS[0])


@attack("manifest_differs")
def addresses_that_the_key_table_does_not_have(it: Scene) -> Attack:
    """A manifest of addresses whose keys are the attacker's."""
    return extended(it, root="0x" + "66" * 32)


@attack("manifest_differs")
def more_addresses_than_there_are(it: Scene) -> Attack:
    """A manifest that promises a third address."""
    return extended(it, count=3)


@attack("manifest_differs")
def addresses_of_another_organisation(it: Scene) -> Attack:
    """A manifest that officers signed for the victim's account, shown for the attacker's."""
    victim = it.another()
    company, _ = founded_short(it)
    return ask("manifest_extend", extension(company, victim.account))


@attack("manifest_shorter")
def fewer_addresses_than_before(it: Scene) -> Attack:
    """The manifest from before the last extension, so that given addresses are none."""
    company, both = founded_short(it)
    it.get("manifest_extend", extension(company, both))
    return ask("manifest_extend", extension(company, company.account))


@attack("hd_key_invalid")
def xpub_that_no_machine_writes(it: Scene) -> Attack:
    """An xpub with a letter of another alphabet, which once ended the signer's process."""
    company, both = founded_short(it)
    body = extension(company, both)
    return ask("manifest_extend", body | {"manifest": body["manifest"] | {"xpub": "xpub\u0661"}})
