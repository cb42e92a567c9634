"""Reservations (Power ISA Book II, Load and Reserve and Store Conditional Instructions)."""

import pytest

from hw import asm
from hw.bench import DEVICE, EE, HV, ME, ROM, SF, START, Bench, assert_entered
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import Model
from irqvisor.spec.power_isa import CR_EQ, CR_SO, DSISR_PROTECTION, DSISR_STORE, DSISR_WRONG_STORAGE, MSR_DR, MSR_RI

SIZES = {
    1: (asm.lbarx, asm.stbcx),
    2: (asm.lharx, asm.sthcx),
    4: (asm.lwarx, asm.stwcx),
    8: (asm.ldarx, asm.stdcx),
}
AT = 0x3000
OLD, NEW = 0x1122_3344_5566_7788, 0x99AA_BBCC_DDEE_FF01
SIZED = pytest.mark.parametrize("size", SIZES)


def bench_for(*program, **registers):
    """r5 points at a doubleword that holds OLD; r4 holds NEW. POWER8, which has all sizes."""
    bench = Bench(program, model=Model.POWER8, **{"r4": NEW, "r5": AT} | registers)
    bench.poke(AT, OLD.to_bytes(8, "big"))
    return bench


def outcome(bench, count):
    """Run the program; whether its last instruction, a store conditional, stored."""
    bench.run(count)
    stored = bench.peek(AT, 8) != OLD
    assert bench.cpu.cr[0] == (CR_EQ if stored else 0)
    assert bench.cpu.resv == 0
    return stored


@SIZED
def test_a_store_conditional_after_its_load_stores(size):
    load, store = SIZES[size]
    bench = bench_for(load(3, 0, 5), store(4, 0, 5))
    assert outcome(bench, 2)
    assert bench.r(3) == OLD >> (64 - 8 * size)
    assert bench.peek(AT, size) == NEW & ((1 << 8 * size) - 1)
    assert bench.peek(AT + size, 8 - size) == OLD & ((1 << (64 - 8 * size)) - 1)


@SIZED
def test_a_store_conditional_without_a_reservation_does_not_store(size):
    assert not outcome(bench_for(SIZES[size][1](4, 0, 5)), 1)


def test_a_second_store_conditional_fails():
    bench = bench_for(asm.ldarx(3, 0, 5), asm.stdcx(3, 0, 5), asm.stdcx(4, 0, 5))
    assert not outcome(bench, 3)


@pytest.mark.parametrize(("load", "store"), [(4, 8), (8, 4), (4, 2), (1, 8)])
def test_a_store_conditional_of_another_size_fails_and_ends_the_reservation(load, store):
    bench = bench_for(SIZES[load][0](3, 0, 5), SIZES[store][1](4, 0, 5))
    assert not outcome(bench, 2)


def test_a_store_conditional_elsewhere_in_the_granule_fails_and_ends_the_reservation():
    bench = bench_for(asm.lwarx(3, 0, 5), asm.stwcx(4, 5, 6), asm.stwcx(4, 0, 5), r6=4)
    assert not outcome(bench, 3)
    assert bench.peek(AT + 4, 4) == OLD & 0xFFFF_FFFF


def test_a_new_load_replaces_the_reservation():
    bench = bench_for(asm.lwarx(3, 0, 5), asm.lwarx(3, 5, 6), asm.stwcx(4, 0, 5), r6=64)
    assert not outcome(bench, 3)


def test_own_stores_keep_the_reservation():
    bench = bench_for(asm.lwarx(3, 0, 5), asm.stw(4, 8, 5), asm.stwcx(4, 0, 5))
    assert outcome(bench, 3)


def test_cr0_tells_success_and_copies_summary_overflow():
    bench = bench_for(asm.lwarx(3, 0, 5), asm.stwcx(4, 0, 5), so=1)
    bench.run(2)
    assert bench.cpu.cr[0] == CR_EQ | CR_SO
    bench = bench_for(asm.stwcx(4, 0, 5), so=1)
    bench.run(1)
    assert bench.cpu.cr[0] == CR_SO


# ---- How a reservation is lost ----


def test_an_interrupt_loses_the_reservation():
    bench = bench_for(asm.lwarx(3, 0, 5), asm.stwcx(4, 0, 5), msr=SF | ME | EE)
    bench.put(0x900, [asm.stwcx(4, 0, 5)])
    bench.run(1)
    bench.mtdec(-1)
    bench.look()
    assert bench.pc == 0x900
    assert not outcome(bench, 1)


@pytest.mark.parametrize("word", [asm.RFID, asm.HRFID])
def test_a_return_from_interrupt_loses_the_reservation(word):
    bench = bench_for(asm.lwarx(3, 0, 5), word, srr0=START + 8, srr1=SF | HV, hsrr0=START + 8, hsrr1=SF | HV)
    bench.put(START + 8, asm.stwcx(4, 0, 5))
    assert not outcome(bench, 3)


def test_a_hypercall_loses_the_reservation():
    bench = bench_for(asm.lwarx(3, 0, 5), asm.sc(1), hypervisor=True, msr=SF | ME)
    bench.put(START + 8, asm.stwcx(4, 0, 5))
    assert bench.run(3) == Outcome.HCALL
    assert not outcome(bench, 1)


@pytest.mark.parametrize(
    ("address", "size", "lost"),
    [
        (AT, 8, True),
        (AT + 127, 1, True),
        (AT + 120, 8, True),
        (AT + 128, 8, False),
        (AT - 8, 8, False),
        (AT - 4, 8, True),  # overlaps the first bytes of the granule
        (AT + 0x1000, 4, False),
    ],
)
def test_a_store_by_somebody_else_in_the_granule_loses_the_reservation(address, size, lost):
    bench = bench_for(asm.lwarx(3, 0, 5), asm.stwcx(4, 0, 5))
    bench.run(1)
    before = bench.peek(AT, 8)
    bench.write_from_outside(address, size, 0x0102_0304_0506_0708)
    after = bench.peek(AT, 8)
    bench.run(1)
    assert (bench.peek(AT, 8) == after) == lost
    assert lost or after == before


# ---- Alignment and storage interrupts ----


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("model", "size"),
    [(Model.PPC970, 4), (Model.PPC970, 8), (Model.POWER8, 2), (Model.POWER8, 4), (Model.POWER8, 8)],
)
def test_an_address_that_is_not_a_multiple_of_the_size_raises_an_alignment_interrupt(size, which, model):
    bench = Bench([SIZES[size][which](4, 6, 5)], model=model, r4=NEW, r5=AT, r6=size // 2)
    bench.step()
    assert_entered(bench, 0x600, srr0=START, srr1=SF | HV | ME, msr=SF | HV | ME)
    assert bench.cpu.dar == AT + size // 2
    assert bench.r(4) == NEW


@SIZED
def test_a_reservation_outside_memory_raises_a_data_storage_interrupt(size):
    load, store = SIZES[size]
    for word, cause in ((load(4, 0, 5), 0), (store(4, 0, 5), DSISR_STORE)):
        bench = bench_for(word, r5=0x8000)
        bench.step()
        assert bench.pc == 0x300
        assert (bench.cpu.dar, bench.cpu.dsisr) == (0x8000, DSISR_PROTECTION | cause)
        assert (bench.r(4), bench.cpu.resv) == (NEW, 0)


def test_a_store_conditional_to_rom_raises_a_data_storage_interrupt():
    bench = bench_for(asm.lwarx(3, 0, 6), asm.stwcx(4, 0, 6), r6=ROM)
    bench.run(2)
    assert bench.pc == 0x300
    assert bench.cpu.dsisr == DSISR_PROTECTION | DSISR_STORE


def test_alignment_is_checked_before_translation():
    bench = bench_for(asm.lwarx(3, 0, 5), r5=AT + 2, msr=SF | MSR_DR | MSR_RI)
    bench.step()
    assert bench.pc == 0x600


def test_a_store_conditional_to_code_is_seen_by_the_next_fetch():
    changed = START + 0x20
    bench = bench_for(asm.lwarx(3, 0, 6), asm.stwcx(4, 0, 6), asm.b(0x18), at=START, r4=asm.li(7, 9), r6=changed)
    bench.put(changed, asm.b(-0x20))
    bench.set(nip=changed)
    bench.run(4)
    assert (bench.pc, bench.r(7)) == (changed, 0)
    bench.run(1)
    assert (bench.pc, bench.r(7)) == (changed + 4, 9)


def test_a_store_conditional_to_a_watched_page_is_reported():
    bench = bench_for(asm.ldarx(3, 0, 5), asm.stdcx(4, 0, 5))
    bench.watch(AT)
    assert bench.run(2) == Outcome.STORED
    assert bench.pcpu.watch_at == bench.base + AT
    assert bench.cpu.cr[0] == CR_EQ


# ---- Quadwords: Book I, Load Quadword; Book II, Load Quadword And Reserve Indexed ----

FOUR = 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF


def quad_bench(*program, **registers):
    """r5 = AT, where FOUR is; r8 and r9 hold another quadword."""
    bench = Bench(program, model=Model.POWER8, **{"r5": AT, "r8": OLD, "r9": NEW} | registers)
    bench.poke(AT, FOUR.to_bytes(16, "big"))
    return bench


@pytest.mark.parametrize("load", [asm.lq(6, 0, 5), asm.lqarx(6, 0, 5)])
def test_a_quadword_is_loaded_into_an_even_and_an_odd_register(load):
    bench = quad_bench(load)
    bench.step()
    assert (bench.r(6), bench.r(7)) == (FOUR >> 64, FOUR & (1 << 64) - 1)


def test_a_quadword_is_stored_from_an_even_and_an_odd_register():
    bench = quad_bench(asm.stq(8, 16, 5))
    bench.step()
    assert hex(bench.peek(AT, 32)) == hex(FOUR << 128 | OLD << 64 | NEW)


def test_a_quadword_is_stored_conditionally():
    bench = quad_bench(asm.lqarx(6, 0, 5), asm.stqcx(8, 0, 5), asm.stqcx(6, 0, 5))
    bench.run(2)
    assert (bench.peek(AT, 16), bench.cpu.cr[0], bench.cpu.resv) == (OLD << 64 | NEW, CR_EQ, 0)
    bench.run(1)
    assert (bench.peek(AT, 16), bench.cpu.cr[0]) == (OLD << 64 | NEW, 0)


def test_a_quadword_reservation_is_not_one_of_its_halves():
    bench = quad_bench(asm.lqarx(6, 0, 5), asm.stdcx(8, 0, 5), asm.ldarx(6, 0, 5), asm.stqcx(8, 0, 5))
    bench.run(4)
    assert (bench.peek(AT, 16), bench.cpu.cr[0]) == (FOUR, 0)


@pytest.mark.parametrize("address", [AT, AT + 8, AT + 15])
def test_a_store_to_either_half_loses_a_quadword_reservation(address):
    bench = quad_bench(asm.lqarx(6, 0, 5), asm.stqcx(8, 0, 5))
    bench.run(1)
    bench.write_from_outside(address, 1, 0x5A)
    bench.run(1)
    assert bench.cpu.cr[0] == 0


QUADS = [asm.lq(6, 0, 5), asm.stq(8, 0, 5), asm.lqarx(6, 0, 5), asm.stqcx(8, 0, 5)]


@pytest.mark.parametrize("word", QUADS)
@pytest.mark.parametrize("offset", [1, 4, 8])
def test_a_quadword_that_is_not_aligned_raises_an_alignment_interrupt(word, offset):
    bench = quad_bench(word, r5=AT + offset)
    bench.step()
    assert_entered(bench, 0x600, srr0=START, srr1=SF | HV | ME, msr=SF | HV | ME)
    assert (bench.cpu.dar, bench.cpu.dsisr) == (AT + offset, word >> 16 & 0x3FF)
    assert (bench.r(6), bench.peek(AT, 16)) == (0, FOUR)


@pytest.mark.parametrize("word", QUADS)
@pytest.mark.parametrize(
    ("address", "cause"), [(0x8000, DSISR_PROTECTION), (0x7FFF_FFF0, DSISR_PROTECTION), (DEVICE, DSISR_WRONG_STORAGE)]
)
def test_a_quadword_outside_memory_or_in_a_device_raises_a_data_storage_interrupt(word, address, cause):
    bench = quad_bench(word, r5=address)
    bench.step()
    storing = word in (QUADS[1], QUADS[3])
    assert bench.pc == 0x300
    assert (bench.cpu.dar, bench.cpu.dsisr) == (address, cause | (DSISR_STORE if storing else 0))


def test_a_quadword_store_to_a_watched_page_is_reported_and_one_to_code_is_seen():
    bench = quad_bench(asm.stq(8, 0, 5))
    bench.watch(AT)
    assert bench.run(1) == Outcome.STORED
    assert bench.pcpu.watch_at == bench.base + AT + 8
    changed = START + 0x40
    bench = quad_bench(asm.stq(8, 0, 5), asm.b(0x3C), r5=changed, r9=asm.li(3, 7) << 32)
    bench.put(changed + 8, [asm.li(3, 1), asm.b(-0x4C)])
    bench.set(nip=changed + 8)
    bench.run(2)
    bench.run(1)
    bench.set(nip=changed + 8)
    bench.run(1)
    assert bench.r(3) == 7


@SIZED
def test_a_reservation_in_a_device_raises_a_data_storage_interrupt_of_its_own_kind(size):
    for word, cause in ((SIZES[size][0](4, 0, 5), 0), (SIZES[size][1](4, 0, 5), DSISR_STORE)):
        bench = bench_for(word, r5=DEVICE)
        bench.step()
        assert (bench.pc, bench.cpu.dsisr) == (0x300, DSISR_WRONG_STORAGE | cause)


def test_a_970_describes_the_instruction_in_dsisr():
    """PowerPC AS Book III, Alignment Interrupt: bits 15:16 are instruction bits 29:30, 17 is 25, 18:21 are 21:24, and
    22:31 are 6:15."""
    for word in (asm.lwarx(3, 6, 5), asm.ldarx(31, 6, 5), asm.stwcx(4, 6, 5), asm.stdcx(4, 6, 5), asm.dcbz(6, 5)):
        bench = Bench([word], r5=DEVICE if word == asm.dcbz(6, 5) else AT, r6=2)
        bench.step()
        bits = f"{word:032b}"
        assert f"{int(bench.cpu.dsisr):032b}" == "0" * 15 + bits[29:31] + bits[25] + bits[21:25] + bits[6:16]
