"""What is translated together: regions of a decoded page, and the straight runs in them."""

import numpy as np

from irqvisor.hw import ops
from irqvisor.hw.state import ISA_207, ISA_300, PAGE_WORDS
from irqvisor.spec.power_isa import BO_IGNORE_CR, BO_KEEP_CTR
from irqvisor.tables import CODE
from irqvisor.translation.region import MOST_WORDS, regions

ALWAYS = BO_IGNORE_CR | BO_KEEP_CTR


def page(*records):
    """A decoded page that begins with these operations, (op, fields) or op; the rest is illegal."""
    decoded = np.zeros(PAGE_WORDS, CODE)
    decoded["op"] = ops.ILLEGAL
    for word, record in enumerate(records):
        op, fields = record if isinstance(record, tuple) else (record, {})
        decoded[word]["op"] = op
        for name, value in fields.items():
            decoded[word][name] = value
    return decoded


RETURN = (ops.BCLR, {"t": ALWAYS})
LOOP = (ops.ADD, (ops.BC_TRUE_NEAR, {"imm": -1}), RETURN)


def test_a_loop_and_what_follows_it_are_one_region():
    (region,) = regions(page(ops.ADD, *LOOP), ISA_207)
    assert region.blocks == {0: range(1), 1: range(1, 3), 3: range(3, 4)}
    assert region.words == [0, 1, 2, 3]


def test_functions_are_regions_of_their_own_and_a_call_goes_on_behind_itself():
    caller = ((ops.BL_NEAR, {"imm": 3}), ops.ADD, RETURN)
    first, second = regions(page(*caller, ops.SUBF, RETURN), ISA_207)
    assert first.blocks == {0: range(1), 1: range(1, 3)}
    assert second.words == [3, 4]


def test_a_conditional_return_goes_on_and_an_unconditional_branch_does_not():
    conditional = (ops.BCLR, {"t": BO_KEEP_CTR})
    (region,) = regions(page(conditional, (ops.B_NEAR, {"imm": 2}), ops.ILLEGAL, RETURN), ISA_207)
    assert region.words == [0, 1, 3]


def test_what_the_interpreter_may_have_to_do_ends_a_run():
    (region,) = regions(page(ops.ADD, ops.SC, ops.ADD, RETURN), ISA_207)
    assert region.blocks == {0: range(2), 2: range(2, 4)}


def test_a_region_leaves_its_page_without_its_words():
    records = page()
    records[PAGE_WORDS - 2 :]["op"] = ops.ADD
    (region,) = regions(records, ISA_207)
    assert region.words == [PAGE_WORDS - 2, PAGE_WORDS - 1]


def test_what_is_too_large_is_no_region():
    assert len(regions(page(*[ops.ADD] * (MOST_WORDS - 1), RETURN), ISA_207)) == 1
    assert not regions(page(*[ops.ADD] * MOST_WORDS, RETURN), ISA_207)


def test_an_entrance_begins_a_run_and_what_is_no_word_of_the_region_does_not():
    (region,) = regions(page(ops.ADD, ops.ADD, ops.ADD, RETURN), ISA_207)
    assert region.blocks == {0: range(4)}
    entered = region.entered_at([2, 0, 17, 3])
    assert entered.blocks == {0: range(2), 2: range(2, 3), 3: range(3, 4)}
    assert entered.words == region.words
    assert entered.name != region.name == region.entered_at([0]).name


def test_a_name_says_words_places_and_level_and_nothing_else():
    here = regions(page(*LOOP), ISA_207)[0]
    padded = page(*LOOP)
    padded.view(np.uint8).reshape(PAGE_WORDS, CODE.itemsize)[:, 6:8] = 0xA5  # between the fields
    assert regions(padded, ISA_207)[0].name == here.name
    assert regions(page(*LOOP, ops.ILLEGAL, *LOOP), ISA_207)[0].name == here.name
    others = [
        regions(page(*LOOP), ISA_300)[0],
        regions(page(ops.ILLEGAL, *LOOP), ISA_207)[0],
        regions(page(ops.SUBF, *LOOP[1:]), ISA_207)[0],
        regions(page((ops.ADD, {"imm": 1}), *LOOP[1:]), ISA_207)[0],
    ]
    assert len({here.name, *(other.name for other in others)}) == 5
