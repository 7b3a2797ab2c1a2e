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
        "a suspension ends with the policies that it names",
        f"{SIGNER}/operations/policies.py",
        "organisation.bundle.version <= version <= newest,",
        "True,",
        attack("approvals.suspension_of_a_policy_that_is_over"),
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
        "len(found) >= control.threshold,",
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
    Mutant(
        "an intent binds the journal's epoch",
        f"{SIGNER}/operations/judging.py",
        "store_epoch == epoch,",
        "True,",
        attack("replays.approvals_of_another_epoch"),
    ),
    Mutant(
        "the clearance is for this very payment",
        f"{SIGNER}/operations/judging.py",
        '(clearance.direction, clearance.subject, clearance.intent) == ("out", subject, order_id),',
        "True,",
        attack("clearances.clearance_of_another_payment"),
    ),
    Mutant(
        "a new destination cools",
        f"{SIGNER}/operations/judging.py",
        "house.clock.now() >= usable_from,",
        "True,",
        attack("replays.destination_added_a_moment_ago"),
    ),
    Mutant(
        "what was spent is counted",
        f"{SIGNER}/operations/judging.py",
        "count_spend(house, request_id, organisation.ref, facts.asset, facts.units, paid)",
        "_ = paid",
        attack("replays.more_than_a_day_may_cost"),
    ),
    Mutant(
        "a spending key belongs to one organisation",
        f"{SIGNER}/operations/leaves.py",
        "if leaf is None or leaf.account_index != organisation.account_index:",
        "if leaf is None:",
        attack("hot_keys.another_organisation_cancels_a_hot_payment"),
    ),
    Mutant(
        "gas times price stays below the signed fee",
        f"{SIGNER}/operations/attempts.py",
        "asked.fees.total_wei() <= fee_max_wei,",
        "True,",
        attack("hot_keys.value_in_the_hot_fee"),
    ),
    Mutant(
        "a cancelled call stays cancelled",
        f"{SIGNER}/operations/attempts.py",
        "last_purpose != CANCEL,",
        "True,",
        attack("spending.payment_after_its_cancellation"),
    ),
    Mutant(
        "a bump repeats the call",
        f"{SIGNER}/operations/attempts.py",
        "first is not None and bytes(first[0]) == asked.content,",
        "True,",
        attack("gas.bump_that_feeds_somebody_else"),
    ),
    Mutant(
        "gas money has a day's cap",
        f"{SIGNER}/operations/limits.py",
        "if spent_units(house, organisation, counter) + wei > budget:",
        "if False:",
        attack("gas.gas_above_the_days_cap_in_parts"),
    ),
    Mutant(
        "the bank file is the signed list",
        f"{PROTOCOL}/fiat.py",
        "if order.content != content_of(order.source, order.rail, order.asset, instructions):",
        "if False:",
        attack("fiat.payees_account_swapped"),
    ),
    Mutant(
        "an order's approvers are enough",
        f"{PROTOCOL}/fiat.py",
        "if there < source.threshold:",
        "if False:",
        attack("fiat.order_with_one_approval_of_two"),
    ),
    Mutant(
        "a manifest is the key table's",
        f"{SIGNER}/operations/manifest.py",
        "and merkle.root(leaves) == manifest.root,",
        "and True,",
        attack("manifests.addresses_that_the_key_table_does_not_have"),
    ),
    Mutant(
        "a row of the key table has its seal",
        f"{SIGNER}/pool.py",
        "if not hmac.compare_digest(seal, self._seal_of(*columns)):",
        "if False:",
        "test_store.py::test_a_row_of_the_key_table_is_refused_when_it_is[swapped_blob]",
    ),
    Mutant(
        "one source alone says no price",
        f"{PROTOCOL}/rates.py",
        "if len(prices) < SOURCES_MIN:",
        "if not prices:",
        attack("rules.one_source_twice"),
    ),
    Mutant(
        "a rate is fresh",
        f"{PROTOCOL}/rates.py",
        "fresh = 0 <= now - one.at <= rates.age_seconds",
        "fresh = True",
        attack("rules.rates_too_old"),
    ),
    Mutant(
        "rates agree",
        f"{PROTOCOL}/rates.py",
        "if (high - low) * BASIS_POINTS > rates.deviation_bps * low:",
        "if False:",
        attack("rules.rates_that_differ"),
    ),
    Mutant(
        "a rate is signed by its source",
        f"{PROTOCOL}/rates.py",
        "_key(source.key).verify(signature, statement.signed_bytes())",
        "_ = signature",
        attack("rules.forged_rate"),
    ),
    Mutant(
        "a rate is the asset's own",
        f"{PROTOCOL}/rates.py",
        "if fresh and one.asset == asset and",
        "if fresh and",
        attack("rules.rates_of_another_asset"),
    ),
    Mutant(
        "an unknown value is beyond every bound",
        f"{PROTOCOL}/rulebook.py",
        "found = standing & (self.values.masks[-1] | self.denying)",
        "found = standing & self.values.masks[0]",
        attack("rules.value_without_rates"),
    ),
    Mutant(
        "a deputy acts within the dates",
        f"{PROTOCOL}/consent.py",
        "if one.deputy == person.id and one.acts(now)}",
        "if one.deputy == person.id}",
        attack("rules.deputy_before_the_dates"),
    ),
    Mutant(
        "nobody stands for the initiator",
        f"{PROTOCOL}/consent.py",
        "if one.id not in {initiator, *ids})",
        "if one.id not in ids)",
        attack("rules.deputy_of_the_initiator"),
    ),
    Mutant(
        "who signed herself is represented by nobody",
        f"{PROTOCOL}/consent.py",
        "if one.id not in {initiator, *ids})",
        "if one.id != initiator)",
        attack("rules.deputy_and_the_person_for_two"),
    ),
    Mutant(
        "a window counts what was paid before",
        f"{SIGNER}/operations/history.py",
        "count=len(rows),",
        "count=0,",
        attack("rules.window_of_payments_is_spent"),
    ),
    Mutant(
        "a window adds up values",
        f"{SIGNER}/operations/history.py",
        "value_units=None if None in worth else sum(map(int, worth)),",
        "value_units=sum(map(int, filter(None, worth[:0]))),",
        attack("rules.window_of_values_is_spent"),
    ),
)
