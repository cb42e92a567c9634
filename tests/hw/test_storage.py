"""Loads, stores and fetches at the edges: of memory, of a page, of 32 bits; code that changes; pages that are watched.

Power ISA Book III-S, Real Mode Storage Addressing, Data Storage Interrupt, Instruction Storage Interrupt; Book II,
Instruction Storage. Whatever a guest does, it stays in its own memory.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw import asm
from hw.bench import DEVICE, EE, HV, MASK64, ME, PAGE, RAM_BYTES, ROM, SF, START, Bench, assert_entered
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import CODE_STRIDE, ISA_201, ISA_207, Model, Stop, Table
from irqvisor.spec.power_isa import (
    DSISR_NO_TRANSLATION,
    DSISR_PROTECTION,
    DSISR_STORE,
    HID4_LPES0,
    HID5_DCBZ32_ILLEGAL,
    HID5_DCBZ_SIZE,
    ISI_PROTECTION,
    MSR_DR,
    MSR_IR,
    MSR_PR,
    MSR_RI,
)

OLD, NEW = 0x1122_3344_5566_7788, 0x99AA_BBCC_DDEE_FF81
TOP = RAM_BYTES

# mnemonic: (bytes, word with RT = 4 at r5 + 0, what OLD at that address gives)
LOADS = {
    "lbz": (1, asm.lbz(4, 0, 5), 0x11),
    "lhz": (2, asm.lhz(4, 0, 5), 0x1122),
    "lha": (2, asm.lha(4, 0, 5), 0x1122),
    "lwz": (4, asm.lwz(4, 0, 5), 0x1122_3344),
    "lwa": (4, asm.lwa(4, 0, 5), 0x1122_3344),
    "ld": (8, asm.ld(4, 0, 5), OLD),
    "lhbrx": (2, asm.lhbrx(4, 0, 5), 0x2211),
    "lwbrx": (4, asm.lwbrx(4, 0, 5), 0x4433_2211),
    "ldbrx": (8, asm.ldbrx(4, 0, 5), 0x8877_6655_4433_2211),
}
STORES = {
    "stb": (1, asm.stb(4, 0, 5), 0x81),
    "sth": (2, asm.sth(4, 0, 5), 0xFF81),
    "stw": (4, asm.stw(4, 0, 5), 0xDDEE_FF81),
    "std": (8, asm.std(4, 0, 5), NEW),
    "sthbrx": (2, asm.sthbrx(4, 0, 5), 0x81FF),
    "stwbrx": (4, asm.stwbrx(4, 0, 5), 0x81FF_EEDD),
    "stdbrx": (8, asm.stdbrx(4, 0, 5), 0x81FF_EEDD_CCBB_AA99),
}
LOAD_UPDATES = {
    "lbzu": (1, asm.lbzu(4, 16, 5)),
    "lhzu": (2, asm.lhzu(4, 16, 5)),
    "lhau": (2, asm.lhau(4, 16, 5)),
    "lwzu": (4, asm.lwzu(4, 16, 5)),
    "ldu": (8, asm.ldu(4, 16, 5)),
    "ldux": (8, asm.ldux(4, 5, 6)),
}
STORE_UPDATES = {
    "stbu": (1, asm.stbu(4, 16, 5)),
    "sthu": (2, asm.sthu(4, 16, 5)),
    "stwu": (4, asm.stwu(4, 16, 5)),
    "stdu": (8, asm.stdu(4, 16, 5)),
    "stdux": (8, asm.stdux(4, 5, 6)),
}
OUTSIDE = [
    TOP,
    TOP + PAGE,
    1 << 31,
    (1 << 60) - 8,  # the last doubleword of the real address space
    1 << 59,
    0x4000_2000,  # behind the ROM
    MASK64 - 7,
    0x8000_0000_0000_0000 | TOP,
]


def bench_for(*program, **registers):
    return Bench(program, model=Model.POWER8, **{"r4": NEW, "r6": 16} | registers)


def assert_data_storage_interrupt(bench, *, dar, dsisr, at=START):
    assert_entered(bench, 0x300, srr0=at, srr1=SF | HV | ME, msr=SF | HV | ME)
    assert hex(int(bench.cpu.dar) & MASK64) == hex(dar & MASK64)
    assert hex(bench.cpu.dsisr) == hex(dsisr)


# ---- Data: up to the edge, and over it ----


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("top_bits", [0, 0x8000_0000_0000_0000, 0xF000_0000_0000_0000])
def test_the_last_bytes_of_memory_can_be_loaded(name, top_bits):
    size, word, expected = LOADS[name]
    bench = bench_for(word, r5=top_bits | (TOP - size))
    bench.poke(TOP - size, OLD.to_bytes(8, "big")[:size])
    bench.step()
    assert (bench.pc, hex(bench.r(4))) == (START + 4, hex(expected))


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("short", [0, 1])
@pytest.mark.parametrize("address", OUTSIDE)
def test_a_load_that_is_not_all_in_memory_raises_a_data_storage_interrupt(name, short, address):
    size, word, _ = LOADS[name]
    address -= short if size > 1 else 0
    bench = bench_for(word, r5=address)
    if short and address & (1 << 60) - 1 == (1 << 60) - 9:
        return  # not over an edge
    bench.step()
    assert_data_storage_interrupt(bench, dar=address, dsisr=DSISR_PROTECTION)
    assert bench.r(4) == NEW


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("top_bits", [0, 0x8000_0000_0000_0000, 0xF000_0000_0000_0000])
def test_the_last_bytes_of_memory_can_be_stored_to(name, top_bits):
    size, word, expected = STORES[name]
    bench = bench_for(word, r5=top_bits | (TOP - size))
    outside = bench.outside()
    bench.step()
    assert bench.pc == START + 4
    assert hex(bench.peek(TOP - size, size)) == hex(expected)
    assert bench.peek(TOP - 16, 16 - size) == 0
    assert bench.outside() == outside


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("short", [0, 1])
@pytest.mark.parametrize("address", OUTSIDE)
def test_a_store_that_is_not_all_in_memory_raises_a_data_storage_interrupt(name, short, address):
    size, word, _ = STORES[name]
    address -= short if size > 1 else 0
    bench = bench_for(word, r5=address)
    before = bench.ram.tobytes()
    bench.step()
    assert_data_storage_interrupt(bench, dar=address, dsisr=DSISR_PROTECTION | DSISR_STORE)
    assert bench.ram.tobytes() == before


@pytest.mark.parametrize(
    ("word", "registers", "dar"),
    [
        (asm.lwz(4, -4, 0), {}, -4),
        (asm.ld(4, -8, 5), {"r5": 0}, -8),
        (asm.lbz(4, -1, 5), {"r5": 0}, -1),
        (asm.ldx(4, 5, 6), {"r5": -32, "r6": 16}, -16),
    ],
)
def test_a_displacement_below_zero_is_an_address_at_the_top(word, registers, dar):
    bench = bench_for(word, **registers)
    bench.step()
    assert_data_storage_interrupt(bench, dar=dar, dsisr=DSISR_PROTECTION)


@pytest.mark.parametrize("name", LOAD_UPDATES)
def test_a_load_with_update_writes_the_address_back(name):
    size, word = LOAD_UPDATES[name]
    bench = bench_for(word, r5=TOP - size - 16)
    bench.step()
    assert (bench.pc, bench.r(4), bench.r(5)) == (START + 4, 0, TOP - size)


@pytest.mark.parametrize("name", STORE_UPDATES)
def test_a_store_with_update_writes_the_address_back(name):
    size, word = STORE_UPDATES[name]
    bench = bench_for(word, r5=TOP - size - 16)
    bench.step()
    assert (bench.pc, bench.r(5)) == (START + 4, TOP - size)
    assert bench.peek(TOP - size, size) == NEW & (1 << 8 * size) - 1


@pytest.mark.parametrize("name", LOAD_UPDATES | STORE_UPDATES)
def test_an_update_that_faults_leaves_its_registers_alone(name):
    size, word = (LOAD_UPDATES | STORE_UPDATES)[name]
    bench = bench_for(word, r5=TOP - 15 - size)
    bench.step()
    cause = DSISR_STORE if name in STORE_UPDATES else 0
    assert_data_storage_interrupt(bench, dar=TOP + 1 - size, dsisr=DSISR_PROTECTION | cause)
    assert (bench.r(4), bench.r(5)) == (NEW, TOP - 15 - size)


def test_an_update_keeps_the_top_bits_of_the_address():
    bench = bench_for(asm.lwzu(4, 16, 5), r5=0x8000_0000_0000_3000)
    bench.step()
    assert bench.r(5) == 0x8000_0000_0000_3010


@pytest.mark.parametrize("word", [asm.lwz(4, 0, 5), asm.stw(4, 0, 5), asm.lmw(31, 0, 5), asm.dcbz(0, 5)])
def test_data_translation_finds_nothing_translated(word):
    bench = bench_for(word, r5=0x3000, msr=SF | HV | ME | MSR_DR)
    bench.step()
    assert bench.pc == 0x300
    assert bench.cpu.dsisr & ~DSISR_STORE == DSISR_NO_TRANSLATION
    assert bench.cpu.srr1 == SF | HV | ME | MSR_DR


# ---- ROM ----


@pytest.mark.parametrize("name", LOADS)
def test_rom_can_be_loaded(name):
    size, word, _ = LOADS[name]
    bench = bench_for(word, r5=ROM + 0x1000 - size)
    bench.step()
    assert (bench.pc, bench.r(4)) == (START + 4, 0)


@pytest.mark.parametrize(
    "word", [word for _, word, _ in STORES.values()] + [asm.stmw(4, 0, 5), asm.dcbz(0, 5), asm.stswi(4, 5, 3)]
)
def test_a_store_to_rom_raises_a_data_storage_interrupt(word):
    bench = bench_for(word, r5=ROM + 0x100)
    before = bench.ram.tobytes()
    bench.step()
    assert_data_storage_interrupt(bench, dar=ROM + 0x100, dsisr=DSISR_PROTECTION | DSISR_STORE)
    assert bench.ram.tobytes() == before


# ---- Multiples, strings, blocks ----


def test_load_multiple_reaches_the_last_word_and_not_one_more():
    bench = bench_for(asm.lmw(28, 0, 5), r5=TOP - 16)
    bench.poke(TOP - 16, bytes(range(16)))
    bench.step()
    assert [hex(bench.r(n)) for n in range(28, 32)] == ["0x10203", "0x4050607", "0x8090a0b", "0xc0d0e0f"]
    bench = bench_for(asm.lmw(28, 0, 5), r5=TOP - 15, r28=NEW)
    bench.step()
    assert_data_storage_interrupt(bench, dar=TOP - 15, dsisr=DSISR_PROTECTION)
    assert bench.r(28) == NEW


def test_store_multiple_reaches_the_last_word_and_not_one_more():
    values = {"r28": -1, "r29": -1, "r30": -1, "r31": NEW}
    bench = bench_for(asm.stmw(28, 0, 5), r5=TOP - 16, **values)
    outside = bench.outside()
    bench.step()
    assert bench.peek(TOP - 4, 4) == NEW & 0xFFFF_FFFF
    assert bench.peek(TOP - 20, 4) == 0
    assert bench.outside() == outside
    bench = bench_for(asm.stmw(28, 0, 5), r5=TOP - 12, **values)
    before = bench.ram.tobytes()
    bench.step()
    assert_data_storage_interrupt(bench, dar=TOP - 12, dsisr=DSISR_PROTECTION | DSISR_STORE)
    assert bench.ram.tobytes() == before


@pytest.mark.parametrize("count", [1, 3, 4, 5, 31, 32])
def test_strings_reach_the_last_byte_and_not_one_more(count):
    text = bytes(range(1, count + 1))
    bench = bench_for(asm.lswi(20, 5, count), asm.stswi(20, 6, count), r5=TOP - count, r6=0x3000, r20=-1)
    bench.poke(TOP - count, text)
    bench.run(2)
    assert bench.pc == START + 8
    assert bench.ram[bench.base + 0x3000 : bench.base + 0x3000 + count].tobytes() == text
    assert bench.peek(0x3000 + count, 4) == 0
    for word, cause in ((asm.lswi(20, 5, count), 0), (asm.stswi(20, 5, count), DSISR_STORE)):
        bench = bench_for(word, r5=TOP - count + 1, r20=7)
        before = bench.ram.tobytes()
        bench.step()
        assert_data_storage_interrupt(bench, dar=TOP - count + 1, dsisr=DSISR_PROTECTION | cause)
        assert bench.r(20) == 7
        assert bench.ram.tobytes() == before


@pytest.mark.parametrize("count", [0, 1, 6, 96])
def test_string_indexed_moves_as_many_bytes_as_xer_says(count):
    text = bytes(1 + n % 255 for n in range(128))
    bench = bench_for(asm.mtspr(1, 3), asm.lswx(8, 0, 5), asm.stswx(8, 0, 6), r3=count, r5=0x3000, r6=0x3200)
    bench.poke(0x3000, text)
    bench.run(3)
    assert bench.pc == START + 12
    assert bench.ram[bench.base + 0x3200 : bench.base + 0x3280].tobytes() == text[:count] + bytes(128 - count)


@pytest.mark.parametrize(("word", "count"), [(asm.lswx(5, 0, 5), 1), (asm.lswx(4, 6, 5), 9), (asm.lswx(31, 0, 0), 5)])
def test_lswx_that_would_load_a_register_of_its_address_is_illegal(word, count):
    bench = bench_for(asm.mtspr(1, 3), word, r0=0x3000, r3=count, r5=0x3000, r6=0)
    bench.run(2)
    assert bench.pc in (0x700, 0xE40)
    bench = bench_for(asm.mtspr(1, 3), asm.lswx(31, 0, 0), r0=0x3000, r3=4)
    bench.run(2)
    assert bench.pc == START + 8


def test_a_string_of_no_bytes_touches_no_memory():
    bench = bench_for(asm.lswx(8, 0, 5), asm.stswx(8, 0, 5), r5=TOP, r8=7)
    bench.run(2)
    assert (bench.pc, bench.r(8)) == (START + 8, 7)


def test_dcbz_clears_the_block_that_holds_the_address():
    bench = bench_for(asm.dcbz(0, 5), r5=0x30FF)
    bench.poke(0x3000, b"\xff" * 0x200)
    bench.step()
    assert bench.ram[bench.base + 0x3000 : bench.base + 0x3200].tobytes() == b"\xff" * 128 + bytes(128) + b"\xff" * 256


def test_dcbz_reaches_the_last_block_and_not_the_next():
    bench = bench_for(asm.dcbz(0, 5), r5=TOP - 1)
    bench.poke(TOP - 128, b"\xff" * 128)
    outside = bench.outside()
    bench.step()
    assert bench.peek(TOP - 128, 128) == 0
    assert bench.outside() == outside
    bench = bench_for(asm.dcbz(0, 5), r5=TOP + 5)
    bench.step()
    assert_data_storage_interrupt(bench, dar=TOP + 5, dsisr=DSISR_PROTECTION | DSISR_STORE)


@pytest.mark.parametrize(
    ("isa", "hid5", "word", "size"),
    [
        (ISA_201, 0, asm.dcbz(0, 5), 128),
        (ISA_201, HID5_DCBZ_SIZE, asm.dcbz(0, 5), 32),
        (ISA_201, HID5_DCBZ_SIZE | HID5_DCBZ32_ILLEGAL, asm.dcbz(0, 5), 32),
        (ISA_201, HID5_DCBZ_SIZE | HID5_DCBZ32_ILLEGAL, asm.dcbzl(0, 5), 128),
        (ISA_207, HID5_DCBZ_SIZE, asm.dcbz(0, 5), 128),
    ],
)
def test_a_970_can_be_told_to_clear_32_bytes(isa, hid5, word, size):
    bench = Bench([word], isa=isa, hid5=hid5, r5=0x30FF)
    bench.poke(0x3000, b"\xff" * 0x200)
    bench.step()
    assert bench.ram[bench.base + 0x3000 : bench.base + 0x3200].tobytes().count(0) == size
    assert bench.peek(0x3100 - size, size) == 0


def test_dcbz_to_a_device_raises_an_alignment_interrupt():
    """Book II, Data Cache Block set to Zero: the storage is caching-inhibited."""
    bench = bench_for(asm.dcbz(0, 5), r5=DEVICE + 5)
    bench.step()
    assert_entered(bench, 0x600, srr0=START, srr1=SF | HV | ME, msr=SF | HV | ME)
    assert bench.cpu.dar == DEVICE + 5


# ---- Machine checks, where the machine is told to raise them ----


@pytest.mark.parametrize("word", [asm.lwz(4, 0, 5), asm.std(4, 0, 5), asm.lwarx(4, 0, 5), asm.lmw(4, 0, 5)])
def test_hypervisor_software_that_leaves_memory_gets_a_machine_check(word):
    bench = bench_for(word, r5=TOP)
    bench.pcpu.machine_checks = 1
    bench.step()
    assert_entered(bench, 0x200, srr0=START, srr1=SF | HV | ME, msr=SF | HV)
    assert bench.cpu.dar == TOP


@pytest.mark.parametrize("state", [SF | ME, SF | ME | MSR_PR])
def test_a_partition_is_told_by_a_machine_check_where_it_says_so(state):
    for word, cause in ((asm.lwz(4, 0, 5), 0x200000), (asm.BCTR, 0)):
        bench = bench_for(word, r5=TOP, ctr=TOP, msr=state)
        bench.pcpu.machine_checks = 2
        bench.put(0x200, asm.NOP)
        bench.run(1)
        bench.look()
        if cause:
            assert_entered(bench, 0x200, srr0=START, srr1=state | cause, msr=SF | ME)
            assert bench.cpu.dar == TOP
        else:
            bench.run(1)
            assert_entered(bench, 0x204, srr0=TOP, srr1=state, msr=SF | ME)


@pytest.mark.parametrize("state", [SF | ME, SF | HV | ME | MSR_PR])
def test_others_get_a_storage_interrupt_all_the_same(state):
    bench = bench_for(asm.lwz(4, 0, 5), r5=TOP, msr=state)
    bench.pcpu.machine_checks = 1
    bench.step()
    assert bench.pc == 0x300


def test_a_fetch_that_leaves_memory_is_a_machine_check_too():
    bench = Bench([asm.BCTR], ctr=TOP, model=Model.POWER8)
    bench.pcpu.machine_checks = 1
    bench.put(0x200, asm.NOP)
    bench.run(2)
    assert_entered(bench, 0x204, srr0=TOP, srr1=SF | HV | ME, msr=SF | HV)


@pytest.mark.parametrize("program", [[asm.lwz(4, 0, 5), asm.NOP], [asm.BCTR]])
def test_a_machine_check_with_me_off_stops_the_processor(program):
    bench = bench_for(*program, r5=TOP, ctr=TOP, msr=SF | HV)
    bench.pcpu.machine_checks = 1
    assert bench.run(5) == Outcome.AGAIN
    assert bench.views[Table.REQUEST][0].reason == Stop.CHECKSTOP
    assert bench.pc in (START, TOP)
    assert bench.run(5) == Outcome.AGAIN


def test_storage_interrupts_for_want_of_a_translation_are_counted():
    bench = bench_for(asm.lwz(4, 0, 5), r5=0x3000, msr=SF | HV | ME | MSR_DR)
    bench.step()
    assert bench.pcpu.untranslated == 1
    bench.set(nip=START, msr=SF | HV | ME | MSR_IR)
    bench.put(0x400, asm.lwz(4, -8, 0))
    bench.run(1)
    assert (bench.pc, bench.pcpu.untranslated) == (0x300, 2)


# ---- Code: fetching, crossing, changing ----


def test_code_runs_on_from_page_to_page():
    bench = Bench([asm.addi(3, 3, 1)] * (2 * PAGE // 4 + 10), at=START + 8)
    bench.run(2 * PAGE // 4 + 10)
    assert (bench.r(3), bench.pc) == (2 * PAGE // 4 + 10, START + 8 + 2 * PAGE + 40)


def test_code_that_runs_off_the_end_of_memory_faults_at_the_first_address_behind():
    bench = Bench([asm.NOP] * 3, at=TOP - 12)
    bench.put(0x400, asm.NOP)
    bench.run(4)
    assert_entered(bench, 0x404, srr0=TOP, srr1=SF | HV | ME | ISI_PROTECTION, msr=SF | HV | ME)


@pytest.mark.parametrize("word", [asm.b(PAGE), asm.BLR, asm.BCTR, asm.bc(20, 0, PAGE), asm.ba(START + PAGE)])
def test_a_branch_reaches_a_page_that_was_never_executed_and_comes_back(word):
    bench = Bench([word, asm.li(4, 2)], lr=START + PAGE, ctr=START + PAGE)
    bench.put(START + PAGE, [asm.li(3, 1), asm.b(-PAGE)])
    bench.run(4)
    assert (bench.r(3), bench.r(4), bench.pc) == (1, 2, START + 8)


def test_code_may_be_reached_by_an_address_with_top_bits():
    alias = 0x8000_0000_0000_0000 | START
    bench = Bench([asm.bl(8), asm.NOP, asm.li(3, 1)], at=alias)
    bench.run(2)
    assert (bench.pc, bench.r(3), int(bench.cpu.lr) & MASK64) == (alias + 12, 1, alias + 4)


def test_code_that_was_never_executed_may_be_stored_first():
    bench = Bench([asm.stw(3, 0x3000, 0), asm.ba(0x3000)], r3=asm.li(4, 5))
    bench.run(3)
    assert bench.r(4) == 5


@pytest.mark.parametrize("page", [START, START + PAGE], ids=["same page", "another page"])
@pytest.mark.parametrize("name", STORES)
def test_a_store_to_executed_code_is_what_the_next_fetch_sees(page, name):
    size, word, _ = STORES[name]
    target = page + 0x100
    bench = bench_for(asm.ba(target))
    bench.put(target, [asm.li(7, 1), asm.li(7, 2), asm.ba(START + 4)])
    bench.put(START + 4, [word, asm.ba(target)])
    fresh = (asm.li(7, 0x55) << 32 | asm.li(7, 0x66)).to_bytes(8, "big")
    at, data = {1: (3, fresh[3:4]), 2: (2, fresh[2:4]), 4: (0, fresh[:4]), 8: (0, fresh)}[size]
    value = int.from_bytes(data[::-1] if name.endswith("brx") else data, "big")
    bench.set(r4=value, r5=target + at)
    bench.run(4)
    assert bench.r(7) == 2
    bench.run(3)
    assert bench.r(7) == 0x55
    bench.run(1)
    assert bench.r(7) == (0x66 if size == 8 else 2)


@pytest.mark.parametrize(
    "word", [asm.stmw(28, 0, 5), asm.stswi(28, 5, 16), asm.dcbz(0, 5), asm.stwu(28, 4, 6), asm.stwcx(28, 0, 5)]
)
def test_every_kind_of_store_changes_code(word):
    target = START + 0x80
    bench = bench_for(asm.ba(target), r5=target, r6=target - 4, r28=asm.li(7, 0x55), resv=4, resv_addr=target)
    bench.put(target, [asm.li(7, 1), asm.ba(START + 4)])
    bench.put(START + 4, [word, asm.ba(target)])
    bench.run(5)
    assert (bench.pc, bench.r(7)) == (target, 1)
    bench.run(1)
    assert (bench.pc == 0xE40) == (word == asm.dcbz(0, 5))
    assert bench.r(7) == (1 if word == asm.dcbz(0, 5) else 0x55)


def test_an_unaligned_store_across_two_executed_pages_changes_both():
    edge = START + PAGE
    bench = bench_for(asm.ba(edge - 4))
    bench.put(edge - 4, [asm.li(7, 1), asm.li(8, 1), asm.ba(START + 4)])
    bench.put(START + 4, [asm.std(4, -4, 5), asm.ba(edge - 4)])
    bench.set(r4=asm.li(7, 2) << 32 | asm.li(8, 2), r5=edge)
    bench.run(8)
    assert (bench.r(7), bench.r(8)) == (2, 2)


def test_the_very_next_instruction_may_be_changed():
    bench = Bench([asm.b(8), asm.NOP, asm.stw(3, START + 12, 0), asm.li(4, 1), asm.b(-12)], r3=asm.li(4, 2))
    bench.run(3)
    assert bench.r(4) == 2


def test_what_a_device_stores_over_code_is_executed():
    bench = Bench([asm.li(3, 1), asm.b(-4)])
    bench.run(2)
    bench.write_from_outside(START, 4, asm.li(3, 2))
    bench.run(1)
    assert bench.r(3) == 2


def test_execution_from_a_watched_page_is_refused():
    bench = Bench([asm.NOP])
    bench.watch(START)
    bench.put(0x400, asm.NOP)
    bench.run(1)
    assert bench.cpu.srr0 == START
    assert bench.pc == 0x404


def test_instruction_translation_finds_nothing_translated():
    bench = Bench([asm.mtmsrd(3), asm.li(4, 1)], r3=SF | MSR_IR)
    bench.put(0x400, asm.NOP)
    bench.run(2)
    assert_entered(bench, 0x404, srr0=START + 4, srr1=SF | HV | ME | MSR_IR | 0x4000_0000, msr=SF | HV | ME)
    assert bench.r(4) == 0


# ---- The pool of decoded pages ----


def test_a_full_pool_asks_for_room_and_the_instruction_is_executed_later():
    bench = Bench([asm.li(3, 1), asm.ba(START + PAGE)], code_pages=1)
    bench.put(START + PAGE, asm.li(4, 2))
    assert bench.run(3) == Outcome.AGAIN
    request = bench.views[Table.REQUEST][0]
    assert (request.reason, request.pcpu) == (Stop.CODE, 0)
    assert (bench.pc, bench.pcpu.icount, bench.r(4)) == (START + PAGE, 2, 0)
    bench.enlarge_pool(2)
    assert bench.run(1) == Outcome.LIMIT
    assert (bench.pc, bench.r(4)) == (START + PAGE + 4, 2)


def test_a_shared_pool_is_used_and_not_changed():
    bench = Bench([asm.li(3, 1), asm.stw(4, START, 0), asm.b(-8)], r4=asm.li(3, 1))
    bench.run(4)  # decoded, changed into itself, decoded again
    bench.set(r4=asm.li(3, 2))
    bench.code[0]["x"] = 1
    before = bench.code.tobytes()
    assert bench.run(3) == Outcome.AGAIN
    assert (bench.pc, bench.peek(START, 4)) == (START + 4, asm.li(3, 1))
    assert bench.code.tobytes() == before
    bench.code[0]["x"] = 0
    assert bench.run(3) == Outcome.LIMIT
    assert bench.r(3) == 2


def test_a_shared_pool_is_not_added_to():
    bench = Bench([asm.li(3, 1), asm.li(3, 2)])
    bench.run(1)
    bench.code[0]["x"] = 1
    before = bench.code.tobytes()
    assert bench.run(1) == Outcome.AGAIN
    bench.set(nip=START + PAGE)
    assert bench.run(1) == Outcome.AGAIN
    assert bench.code.tobytes() == before
    assert len(bench.code) % CODE_STRIDE == 1


# ---- Watched pages ----


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("offset", [0, 8])
def test_a_store_to_a_watched_page_is_reported_with_what_it_changed(name, offset):
    size, word, value = STORES[name]
    bench = bench_for(word, r5=0x5000 + offset)
    bench.watch(0x5000)
    bench.poke(0x5000, OLD.to_bytes(8, "big") * 2)
    assert bench.run(5) == Outcome.STORED
    assert bench.pc == START + 4
    assert bench.pcpu.icount == 1
    assert bench.pcpu.watch_at == bench.base + 0x5000 + offset
    assert int(bench.pcpu.watch_old) & MASK64 == OLD
    rest = 64 - 8 * size
    assert int(bench.pcpu.watch_new) & MASK64 == value << rest | OLD & (1 << rest) - 1


def test_a_store_with_update_to_a_watched_page_is_reported():
    bench = bench_for(asm.stdu(4, 16, 5), r5=0x5000)
    bench.watch(0x5000)
    assert bench.run(5) == Outcome.STORED
    assert bench.r(5) == 0x5010


@pytest.mark.parametrize("word", [asm.stmw(31, 0, 5), asm.stswi(4, 5, 4), asm.dcbz(0, 5)])
def test_a_longer_store_to_a_watched_page_is_reported(word):
    bench = bench_for(word, r5=0x5000)
    bench.watch(0x5000)
    assert bench.run(5) == Outcome.STORED


def test_a_store_just_outside_a_watched_page_is_not_reported():
    bench = bench_for(asm.std(4, -8, 5), asm.std(4, 0x1000, 5), r5=0x5000)
    bench.watch(0x5000)
    assert bench.run(2) == Outcome.LIMIT


@pytest.mark.parametrize(
    ("offset", "reported"), [(0x00, False), (0x0C, False), (0x0D, True), (0x13, True), (0x14, False)]
)
def test_only_the_watched_bytes_of_a_watched_page_are_reported(offset, reported):
    bench = bench_for(asm.stw(4, offset, 5), r5=0x5000)
    bench.watch(0x5010, 4)
    assert bench.run(1) == (Outcome.STORED if reported else Outcome.LIMIT)
    assert bench.peek(0x5000 + offset, 4) == NEW & 0xFFFF_FFFF


def test_loads_of_a_watched_page_are_plain():
    bench = bench_for(asm.ld(4, 0, 5), r5=0x5000)
    bench.watch(0x5000)
    assert bench.run(1) == Outcome.LIMIT
    assert bench.r(4) == 0


# ---- 32-bit mode: Book I, Effective Address Calculation ----


def test_addresses_wrap_at_32_bits_in_32_bit_mode():
    bench = bench_for(asm.lwz(4, 8, 5), asm.stw(4, 16, 5), msr=0, r5=0x1234_5678_0000_3000)
    bench.poke(0x3008, (0xCAFE).to_bytes(4, "big"))
    bench.run(2)
    assert (bench.r(4), bench.peek(0x3010, 4)) == (0xCAFE, 0xCAFE)
    bench = bench_for(asm.lwz(4, 0x20, 5), msr=0, r5=0xFFFF_FFF0)
    bench.poke(0x10, (0xBEEF).to_bytes(4, "big"))
    bench.step()
    assert bench.r(4) == 0xBEEF


def test_an_update_in_32_bit_mode_writes_the_masked_address():
    bench = bench_for(asm.lwzu(4, 8, 5), asm.stwu(4, 8, 5), msr=0, r5=0xAAAA_AAAA_0000_3000)
    bench.run(1)
    assert bench.r(5) == 0x3008
    bench.run(1)
    assert bench.r(5) == 0x3010


def test_a_fault_in_32_bit_mode_tells_the_masked_address():
    bench = bench_for(asm.lwz(4, -8, 0), msr=0)
    bench.step()
    assert bench.cpu.dar == 0xFFFF_FFF8
    assert_entered(bench, 0x300, srr0=START, srr1=0, msr=SF)


def test_code_addresses_are_32_bits_in_32_bit_mode():
    bench = Bench([asm.BCTR], msr=0, ctr=0xFFFF_FFFF_0000_3000)
    bench.put(0x3000, [asm.bl(8), 0, asm.BLR])
    bench.run(2)
    assert (bench.pc, bench.cpu.lr) == (0x3008, 0x3004)


def test_a_context_that_starts_in_32_bit_mode_ignores_the_upper_half_of_its_address():
    bench = Bench([asm.NOP], msr=0, at=0x1_0000_0000 | START)
    bench.step()
    assert bench.pc == START + 4


def test_the_count_register_is_tested_on_32_bits_in_32_bit_mode():
    for msr, back in ((0, False), (SF, True)):
        bench = Bench([asm.bdnz(-8)], msr=msr, ctr=0x1_0000_0001)
        bench.run(1)
        assert bench.cpu.ctr == 0x1_0000_0000
        assert (bench.pc == START - 8) == back


# ---- Cutting a run in pieces changes nothing ----

HANDLERS = {
    # Faults skip their instruction; interrupts count, and reload what brought them
    vector: [asm.mfspr(29, 26), asm.addi(29, 29, 4), asm.mtspr(26, 29), asm.RFID]
    for vector in (0x300, 0x600, 0x700, 0x800)
} | {
    0x400: [
        asm.li(29, START),
        asm.mtspr(26, 29),
        asm.mfspr(29, 272),
        asm.addi(29, 29, 1),
        asm.mtspr(272, 29),
        asm.RFID,
    ],
    0x500: [asm.mfspr(29, 273), asm.addi(29, 29, 1), asm.mtspr(273, 29), asm.RFID],
    0x900: [asm.li(29, 37), asm.mtspr(22, 29), asm.mfspr(28, 274), asm.addi(28, 28, 1), asm.mtspr(274, 28), asm.RFID],
    0xC00: [asm.mfspr(29, 275), asm.addi(29, 29, 1), asm.mtspr(275, 29), asm.RFID],
    0xD00: [asm.mfspr(29, 27), asm.li(28, 0), asm.mtspr(27, 26), asm.RFID],
}
small = st.integers(0, 7)
register = st.integers(3, 9)
slot = st.integers(0, 31).map(lambda n: 4 * n)
target = st.integers(-6, 6).filter(bool).map(lambda n: 4 * n)
INSTRUCTIONS = st.one_of(
    st.builds(asm.addi, register, register, st.integers(-9, 9)),
    st.builds(asm.add, register, register, register),
    st.builds(asm.lwz, register, slot, st.just(1)),
    st.builds(asm.stw, register, slot, st.just(1)),
    st.builds(asm.stwu, register, st.just(4), register),
    st.builds(asm.lwarx, register, st.just(0), st.just(1)),
    st.builds(asm.stwcx, register, st.just(0), st.just(1)),
    st.builds(asm.stw, register, st.integers(0, 15).map(lambda n: 4 * n), st.just(2)),  # over the program
    st.builds(asm.b, target),
    st.builds(asm.beq, target),
    st.builds(asm.bdnz, target),
    st.builds(asm.mfspr, register, st.sampled_from([268, 22, 26, 27, 9])),
    st.builds(asm.mtspr, st.sampled_from([22, 9]), register),
    st.builds(asm.mtmsrd, st.sampled_from([20, 21]), st.just(1)),
    st.sampled_from([asm.sc(), asm.ILLEGAL, asm.BCTR, asm.TRAP, asm.mtmsrd(22), asm.mtmsrd(23), asm.mfmsr(10)]),
    st.builds(asm.dcbz, st.just(0), st.just(1)),
)
LINES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 1)), min_size=1, max_size=8)


def run_in_pieces(quota, program, lines, cpi, tb):
    bench = Bench([*program, asm.ba(START)], msr=SF | HV | ME | EE | MSR_RI, hid4=HID4_LPES0, cpi=cpi, tb=tb)
    for vector, words in HANDLERS.items():
        bench.put(vector, words)
    bench.set(r1=0x3000, r2=START, r20=EE | MSR_RI, r21=MSR_RI, ctr=3)
    bench.set(r22=SF | EE | MSR_RI, r23=SF | EE | MSR_RI | 0x400)
    for n in range(3, 9):
        bench.set(**{f"r{n}": 0x3000 + 16 * n})
    bench.set(r9=0x7_0000)  # nowhere
    bench.mtdec(40)
    for cycles, level in lines:
        bench.header.horizon = bench.pcpu.now + cycles
        while bench.pcpu.now < bench.header.horizon:
            assert bench.run(quota) == Outcome.LIMIT
        bench.set(external=level)
    return bench


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(INSTRUCTIONS, min_size=4, max_size=40), LINES, st.integers(1, 3), st.sampled_from([(1, 1), (2, 7), (3, 2)])
)
def test_a_run_in_pieces_is_the_same_run(program, lines, cpi, tb):
    whole = run_in_pieces(10**9, program, lines, cpi, tb)
    for quota in (1, 2, 7, 100):
        pieces = run_in_pieces(quota, program, lines, cpi, tb)
        assert pieces.pcpu.icount == whole.pcpu.icount
        assert pieces.digest() == whole.digest()
