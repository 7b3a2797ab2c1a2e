"""The table of mutations: one check taken out, and the case that must turn red for it.

`text` stands once in the file; `instead` is the same without the check. Where several checks stand
behind one another the case still turns red, because it demands the first one's own refusal.
"""

from dataclasses import dataclass

SIGNER, PROTOCOL = "src/strongroom_signer", "src/strongroom_protocol"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One line fewer in `file`; `caught_by` is a test's id within the red team's folder."""

    name: str
    file: str
    text: str
    instead: str
    caught_by: str


def attack(case: str) -> str:
    """The id of a case, `subject.name`."""
    return f"test_redteam.py::test_attack_is_refused[{case}]"


MUTANTS = (
    Mutant(
        "an intent is used up for ever",
        f"{SIGNER}/honour.py",
        "bytes(row[0]) == once.identity,",
        "True,",
        attack("replays.approved_intent_again_under_another_nonce"),
    ),
    Mutant(
        "s of a signature is in the lower half",
        f"{PROTOCOL}/signatures.py",
        "if not 0 < self.s <= _HALF_ORDER:",
        "if not 0 < self.s < CURVE_ORDER:",
        attack("approvals.one_approver_twice_by_high_s"),
    ),
    Mutant(
        "v of a signature is 27 or 28",
        f"{PROTOCOL}/signatures.py",
        'int.from_bytes(data[32:64], "big"), data[64])',
        'int.from_bytes(data[32:64], "big"), data[64] % 27 + 27)',
        attack("approvals.one_approver_twice_by_v_of_0_or_1"),
    ),
    Mutant(
        "a person counts once",
        f"{PROTOCOL}/evidence.py",
        "if person.id in found:",
        "if False:",
        attack("approvals.one_approver_twice_in_the_same_encoding"),
    ),
    Mutant(
        "the initiator does not approve",
        f"{PROTOCOL}/evidence.py",
        "if person == initiator:",
        "if False:",
        attack("approvals.approver_who_may_also_initiate"),
    ),
    Mutant(
        "the initiator is an initiator",
        f"{PROTOCOL}/evidence.py",
        'if person is None or "initiator" not in person.roles:',
        "if person is None:",
        attack("approvals.approver_as_initiator"),
    ),
    Mutant(
        "an intent binds the policy's version",
        f"{PROTOCOL}/evidence.py",
        "if intent.policy_version != bundle.version:",
        "if False:",
        attack("policies.payment_under_an_older_policy"),
    ),
    Mutant(
        "an intent ends",
        f"{PROTOCOL}/evidence.py",
        "if now > intent.valid_until:",
        "if False:",
        attack("approvals.approvals_after_the_intents_end"),
    ),
    Mutant(
        "the readable twin is signed",
        f"{PROTOCOL}/evidence.py",
        "if signature is None or recover(digest, signature) != person.address:",
        "if False:",
        attack("approvals.approval_without_its_readable_twin"),
    ),
    Mutant(
        "screening said CLEAR",
        f"{PROTOCOL}/evidence.py",
        'if clearance.verdict != "CLEAR":',
        "if False:",
        attack("clearances.clearance_that_says_hit"),
    ),
    Mutant(
        "a key signs a policy once",
        f"{PROTOCOL}/quorum.py",
        "if address in found:",
        "if False:",
        attack("policies.quorum_of_one_administrator_twice"),
    ),
    Mutant(
        "a new key proves possession",
        f"{PROTOCOL}/quorum.py",
        "_check_possession(bundle, known, signed)",
        "_ = known",
        attack("policies.new_key_that_nobody_holds"),
    ),
    Mutant(
        "the log only grows from what was signed",
        f"{SIGNER}/operations/checkpoint.py",
        "merkle.verify_consistency(last_size, last_root, size, root, proof)",
        "_ = last_root",
        attack("policies.log_with_another_past"),
    ),
    Mutant(
        "the wallet is the vault of the genesis",
        f"{SIGNER}/operations/vault_permit.py",
        "intent.wallet == organisation.vault,",
        "True,",
        attack("replays.swapped_vault_address"),
    ),
    Mutant(
        "a sweep moves what was cleared",
        f"{SIGNER}/operations/sweep.py",
        "swept + item.units <= cleared,",
        "True,",
        attack("sweeps.more_than_was_cleared"),
    ),
    Mutant(
        "an execution carries enough owners",
        f"{SIGNER}/operations/calls.py",
        "len(found) >= vault.threshold,",
        "True,",
        attack("safe.execution_with_one_owner_twice"),
    ),
    Mutant(
        "a frame has a bound",
        f"{PROTOCOL}/wire.py",
        "if not 0 < length <= FRAME_MAX:",
        "if False:",
        "test_socket.py::test_frames_without_end_are_refused",
    ),
    Mutant(
        "the journal fits the token's mark",
        f"{SIGNER}/journal/store.py",
        "if not known or self.size > mark.reserved_to or self.epoch < mark.epoch:",
        "if False:",
        "test_store.py::test_journal_is_refused_at_the_start_when[rewound]",
    ),
)
