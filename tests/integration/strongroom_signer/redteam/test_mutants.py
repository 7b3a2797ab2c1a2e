"""The table of `scripts/redteam mutations` fits the source: nobody runs it to find it outdated."""

import pytest

from tests.integration.strongroom_signer.redteam.cases import CASES
from tests.tidy.source import ROOT
from verbs.mutants import MUTANTS, Mutant, attack

NAMED = {attack(f"{case.subject}.{case.name}") for case in CASES}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_fits_the_source_and_names_a_case(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text()
    assert text.count(mutant.text) == 1
    compile(text.replace(mutant.text, mutant.instead), mutant.file, "exec")
    assert mutant.caught_by in NAMED or not mutant.caught_by.startswith("test_redteam.py")


def test_each_mutant_has_a_name_and_there_are_at_least_ten() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10
