"""The same sequences of instructions, from the same state, in irqvisor and in others: all registers, all memory."""

import os
import re
from pathlib import Path

import pytest

from differential.campaign import CONFIGURATIONS, Configuration, Pair, campaign, explore, pair
from differential.generate import EXCLUDED, EXTENDED_OVERFLOWS, Choices, judged_rows, unit
from irqvisor._jit import NOJIT
from irqvisor.hw import ops
from irqvisor.hw.decode import INSTRUCTIONS

LEAST = 3 if NOJIT else 200
"""Executions of each instruction in each configuration of a quick run."""
EXAMPLES = 10 if NOJIT else 150
SEED = 20061123
SLOW = int(os.environ.get("IRQVISOR_DIFFERENTIAL_SCALE", "20"))
"""How many times as many a slow run has."""

configurations = pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)


def tell(record_property, both: Pair) -> None:
    """For the summary at the end (tests/conftest.py)."""
    tally = both.tally
    record_property("differential", (str(both.configuration), tally.sequences, tally.instructions, dict(tally.rows)))


@configurations
def test_random_sequences_end_in_the_same_state(configuration: Configuration, record_property) -> None:
    with pair(configuration) as both:
        explore(both, EXAMPLES)
        campaign(both, LEAST, SEED)
        tell(record_property, both)


@pytest.mark.slow
@pytest.mark.compiled
@configurations
def test_many_random_sequences_end_in_the_same_state(configuration: Configuration, record_property) -> None:
    with pair(configuration) as both:
        explore(both, SLOW * EXAMPLES)
        campaign(both, SLOW * LEAST, int(os.environ.get("IRQVISOR_DIFFERENTIAL_SEED", "1")))
        tell(record_property, both)


@configurations
def test_every_row_that_is_not_excluded_can_be_made(configuration: Configuration) -> None:
    for row in configuration.setting.rows:
        made = unit(Choices(0x123456789ABCDEF123456789ABCDEF), configuration.setting, row)
        assert row.mnemonic in made.rows


def test_every_row_is_compared_with_some_reference_or_excluded_with_a_reason() -> None:
    compared = {row.mnemonic for configuration in CONFIGURATIONS for row in configuration.setting.rows}
    judged = {row.mnemonic for isa in range(3) for row in judged_rows(isa)}
    assert judged - compared == NOWHERE
    assert {row.op & ~ops.RC for row in INSTRUCTIONS if row.mnemonic not in judged} == set(EXCLUDED)


def test_the_page_of_disagreements_tells_of_each() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/disagreements.md").read_text()
    told = {name for cell in re.findall(r"^\| (`[^|]*)\|", page, re.MULTILINE) for name in re.findall("`(.*?)`", cell)}
    listed = {name for configuration in CONFIGURATIONS for name in configuration.without}
    stale = {row.mnemonic for row in INSTRUCTIONS if row.op in EXTENDED_OVERFLOWS}
    assert told == listed | stale


NOWHERE = {"icbt", "dst", "dstst"}
"""Hints, which no reference has."""
