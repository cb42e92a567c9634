"""Time base and decrementers, exact in virtual time (Power ISA Book III-S, Timer Facilities)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw import asm
from hw.bench import EE, EXC_ENTRY, HV, ME, SF, START, Bench, assert_entered, unsigned
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import ISA_207, ISA_300, NEVER, Model
from irqvisor.spec.power_isa import HID0_HDICE, LPCR_HDICE, LPCR_LD, MSR_RI

GUEST = SF | ME | EE | MSR_RI
DEC, TB, TBU, HDEC, LPCR = 22, 268, 269, 310, 318
TBL, TBU_WRITE, TBU40 = 284, 285, 286
SLED = [asm.NOP] * 64


def first_delayed_instruction(bench, limit=64):
    """How many NOPs run before 0x900 is entered."""
    bench.put(0x900, asm.b(0))
    bench.run(limit)
    assert bench.pc == 0x900
    return (int(bench.cpu.srr0) - START) // 4


# ---- Time base ----


@given(st.integers(0, 1 << 40), st.integers(1, 5), st.sampled_from([(1, 1), (1, 60), (33, 2000), (3, 2), (512, 3500)]))
def test_the_time_base_is_a_fraction_of_the_cycle_rounded_down(now, cpi, tb):
    bench = Bench([asm.mfspr(3, TB), asm.NOP, asm.mftb(4), asm.mfspr(5, TBU), asm.mftb(6, TBU)], tb=tb, cpi=cpi)
    bench.pcpu.now = now
    bench.run(5)
    num, den = tb
    assert bench.r(3) == now * num // den
    assert bench.r(4) == (now + 2 * cpi) * num // den
    assert bench.r(5) == (now + 3 * cpi) * num // den >> 32
    assert bench.r(6) == (now + 4 * cpi) * num // den >> 32


def test_products_that_need_more_than_64_bits():
    """A clock and a time base of some 1 GHz each, without a common divisor, after 18 minutes."""
    num, den = 999_999_937, 1_000_000_007
    bench = Bench([asm.mfspr(3, TB), *SLED], msr=GUEST, tb=(num, den))
    bench.pcpu.now = start = 1 << 40
    bench.mtdec(10)
    ticks = [(start + k) * num // den for k in range(64)]
    assert first_delayed_instruction(bench) == next(k for k in range(64) if ticks[k] - ticks[0] > 10)
    assert bench.r(3) == ticks[0]


def test_a_read_in_32_bit_mode_gives_all_64_bits():
    bench = Bench([asm.mftb(3)], msr=0)
    bench.pcpu.now = 0x1_2345_6789
    bench.step()
    assert bench.r(3) == 0x1_2345_6789


def test_no_processor_of_a_partition_reads_less_than_another_has_read():
    bench = Bench([asm.mftb(3), asm.mftb(4)], msr=SF)
    bench.pcpu.now, bench.pcpu.hypervisor = 1000, 1
    bench.header.n_pcpu, bench.header.tb_read = 2, 5000
    bench.run(2)
    assert (bench.r(3), bench.r(4)) == (5000, 5000)
    assert bench.header.tb_read == 5000


@pytest.mark.parametrize("number", [TB, TBU])
def test_the_numbers_that_read_the_time_base_do_not_write_it(number):
    bench = Bench([asm.mtspr(number, 4), asm.mfspr(3, TB)], r4=12345)
    bench.run(2)
    assert bench.r(3) == 1


@pytest.mark.parametrize(
    ("number", "value", "expected"),
    [
        (TBL, 0x9_8765_4321, 0x1234_5678_8765_4321),
        (TBU_WRITE, 0x9_8765_4321, 0x8765_4321_9ABC_DEF0),
        (TBU40, 0x9876_5432_10FE_DCBA, 0x9876_5432_10BC_DEF0),
    ],
)
def test_the_time_base_is_written_by_halves_or_in_its_upper_40_bits_and_counts_on(number, value, expected):
    bench = Bench([asm.mtspr(number, 4), asm.mfspr(3, TB), asm.mftb(5), asm.mftb(6, TBU)], tb=(1, 3), r4=value)
    bench.pcpu.now = 3 * 0x0234_5678_9ABC_DEF0 + 1
    bench.pcpu.tb_offset = 0x1000_0000_0000_0000
    bench.mtdec(100)
    bench.run(4)
    assert (hex(bench.r(3)), hex(bench.r(5)), bench.r(6)) == (hex(expected), hex(expected + 1), expected >> 32)


def test_decrementers_do_not_notice_that_the_time_base_is_written():
    bench = Bench([asm.mtspr(TBU_WRITE, 4), asm.mfspr(3, DEC), asm.mfspr(5, HDEC)], r4=12345)
    bench.mtdec(100)
    bench.pcpu.hdec_at, bench.pcpu.hdec_base = 200, 199
    bench.run(3)
    assert (bench.r(3), bench.r(5)) == (99, 197)


# ---- Decrementer: Decrementer Interrupt ----


@pytest.mark.parametrize("value", [0, 1, 5, 30])
def test_the_decrementer_interrupts_when_it_passes_from_0_to_minus_1(value):
    bench = Bench(SLED, msr=GUEST)
    bench.mtdec(value)
    assert first_delayed_instruction(bench) == value + 1
    assert bench.cpu.srr1 == GUEST


@given(st.integers(0, 40), st.integers(1, 7), st.integers(1, 9), st.integers(1, 9), st.integers(0, 1000))
def test_the_decrementer_interrupts_at_the_first_boundary_at_or_after_its_tick(value, cpi, num, den, now):
    bench = Bench(SLED, msr=GUEST, cpi=cpi, tb=(num, den))
    bench.pcpu.now = now
    bench.mtdec(value)
    count = next(n for n in range(1 << 20) if (now + n * cpi) * num // den >= now * num // den + value + 1)
    bench.put(0x900, asm.b(0))
    bench.run(64)
    assert (bench.pc == 0x900) == (count < 64)
    if count < 64:
        assert bench.cpu.srr0 == START + 4 * count


def test_a_negative_value_written_to_dec_interrupts_before_the_next_instruction():
    bench = Bench([asm.mtspr(DEC, 3), asm.li(4, 1)], msr=GUEST, r3=-1)
    bench.put(0x900, asm.b(0))
    bench.run(2)
    assert_entered(bench, 0x900, srr0=START + 4, srr1=GUEST, msr=SF | ME)
    assert bench.r(4) == 0


def test_only_the_low_32_bits_of_dec_are_written():
    bench = Bench([asm.mtspr(DEC, 3), asm.NOP], msr=GUEST, r3=0xFFFF_FFFF_7FFF_FFFF)
    bench.run(2)
    assert bench.pc == START + 8
    bench = Bench([asm.mtspr(DEC, 3), asm.NOP], msr=GUEST, r3=0x9000_0000)
    bench.step()
    bench.look()
    assert bench.pc == 0x900


def test_dec_reads_as_32_bits_zero_extended_and_counts_on_below_zero():
    bench = Bench([asm.mtspr(DEC, 3), asm.mfspr(4, DEC), asm.NOP, asm.mfspr(5, DEC)], r3=1, msr=SF)
    bench.run(4)
    assert (bench.r(4), bench.r(5)) == (0, 0xFFFF_FFFE)


def test_dec_counts_while_ee_is_off_and_waits_for_it():
    bench = Bench([asm.NOP] * 5 + [asm.mtmsrd(3, 1), asm.NOP], msr=SF, r3=EE)
    bench.mtdec(2)
    bench.run(6)
    bench.look()
    assert_entered(bench, 0x900, srr0=START + 24, srr1=SF | EE, msr=SF)


def test_a_handler_that_enables_without_reloading_dec_is_interrupted_again():
    bench = Bench([asm.NOP], msr=GUEST, r3=EE)
    bench.mtdec(-5)
    bench.put(0x900, [asm.mtmsrd(3, 1), asm.NOP])
    bench.run(1)
    bench.look()
    assert_entered(bench, 0x900, srr0=0x904, srr1=SF | ME | EE, msr=SF | ME)


def test_writing_a_value_that_is_not_negative_ends_the_exception():
    bench = Bench([asm.mtspr(DEC, 4), asm.mtmsrd(3, 1), asm.NOP], msr=SF, r3=EE, r4=1000)
    bench.mtdec(-5)
    bench.run(3)
    assert bench.pc == START + 12


def test_an_exception_ends_by_itself_when_dec_wraps_round_to_positive():
    bench = Bench([asm.NOP] * 4 + [asm.mtmsrd(3, 1), asm.mfspr(4, DEC)], msr=SF, r3=EE)
    bench.mtdec(-(1 << 31) + 2)
    bench.run(6)
    assert bench.pc == START + 24
    assert bench.r(4) == 0x7FFF_FFFD


def test_dec_wraps_round_and_interrupts_again_after_2_to_the_32_ticks():
    bench = Bench(SLED, msr=GUEST)
    bench.mtdec(-1)
    bench.pcpu.now = (1 << 32) - 4
    for count in range(4):  # DEC is 3, 2, 1, 0
        bench.look()
        assert bench.pc == START + 4 * count
        bench.run(1)
    assert first_delayed_instruction(bench) == 4


def test_the_decrementer_is_due_in_handlers_and_after_them():
    bench = Bench(SLED, msr=GUEST)
    bench.mtdec(EXC_ENTRY)
    bench.put(0x700, [asm.RFID])
    bench.put(START, asm.sc())
    bench.put(0xC00, [asm.RFID])
    bench.put(0x900, asm.b(0))
    bench.run(4)
    assert bench.cpu.srr0 == START + 4


# ---- Hypervisor decrementer ----


@pytest.mark.parametrize(
    ("model", "enabled"), [(Model.PPC970, {"hid0": HID0_HDICE}), (Model.POWER8, {"lpcr": LPCR_HDICE})]
)
@pytest.mark.parametrize("value", [0, 1, 20])
def test_hdec_leaves_for_the_hypervisor_at_its_very_cycle(model, enabled, value):
    bench = Bench(SLED, msr=GUEST & ~EE, model=model, hypervisor=True, **enabled)
    bench.pcpu.hdec_at = value
    assert bench.run(64) == Outcome.HDEC
    assert bench.pcpu.now == value
    assert bench.pc == START + 4 * value


@given(st.integers(0, 1 << 20), st.sampled_from([(1, 1), (1, 60), (33, 2000)]), st.integers(0, 1 << 30))
def test_hdec_reads_what_was_written_less_the_ticks_since(value, tb, now):
    bench = Bench([asm.mtspr(HDEC, 3), asm.NOP, asm.mfspr(4, HDEC)], r3=value, tb=tb)
    bench.pcpu.now = now
    bench.run(3)
    num, den = tb
    assert bench.r(4) == (value - ((now + 2) * num // den - now * num // den)) & 0xFFFF_FFFF


def test_hdec_passes_from_0_to_minus_1_like_dec():
    bench = Bench([asm.mtspr(HDEC, 3), *SLED], msr=SF | HV | EE, hid0=HID0_HDICE, r3=5)
    bench.put(0x980, asm.b(0))
    bench.run(64)
    assert bench.pc == 0x980
    assert bench.cpu.hsrr0 == START + 4 * 6


def test_a_negative_value_written_to_hdec_is_due_at_once():
    bench = Bench([asm.mtspr(HDEC, 3), *SLED], msr=SF | HV | EE, hid0=HID0_HDICE, r3=-1)
    bench.step()
    bench.look()
    assert bench.pc == 0x980
    assert bench.cpu.hsrr0 == START + 4


def test_an_hdec_that_is_off_reads_as_far_away():
    bench = Bench([asm.mfspr(3, HDEC)])
    assert bench.pcpu.hdec_at == NEVER
    bench.step()
    assert bench.r(3) == 0x7FFF_FFFF


def test_an_hdec_exception_ends_by_itself_when_hdec_wraps_round_to_positive_and_comes_again():
    bench = Bench([*[asm.NOP] * 4, asm.mtmsrd(3, 1), asm.NOP, asm.NOP], msr=SF | HV, r3=EE, hid0=HID0_HDICE)
    bench.pcpu.hdec_at, bench.pcpu.hdec_base = 0, -(1 << 31) + 2
    bench.run(6)
    assert bench.pc == START + 24
    assert bench.pcpu.hdec_at == (1 << 31) + 3
    bench.pcpu.now = (1 << 31) + 3
    bench.look()
    assert bench.pc == 0x980


# ---- Large decrementer: LPCR[LD], Power ISA 3.0 ----


def test_a_large_decrementer_has_56_bits_and_reads_sign_extended():
    program = [asm.mtspr(LPCR, 5), asm.mtspr(DEC, 3), asm.mfspr(4, DEC)]
    bench = Bench(program, isa=ISA_300, r5=LPCR_LD, r3=0x12C0_0000_0000_0000)
    bench.run(3)
    assert hex(bench.r(4)) == hex(0xFFC0_0000_0000_0000 - 1)
    bench = Bench(program, isa=ISA_300, r5=LPCR_LD, r3=0x1234_5678)
    bench.run(3)
    assert bench.r(4) == 0x1234_5677


def test_a_large_decrementer_that_has_no_bit_31_set_as_its_sign_does_not_interrupt():
    bench = Bench([asm.mtspr(DEC, 3), asm.NOP], msr=GUEST, isa=ISA_300, lpcr=LPCR_LD, r3=0x9000_0000)
    bench.run(2)
    assert bench.pc == START + 8
    bench = Bench([asm.mtspr(DEC, 3), asm.NOP], msr=GUEST, isa=ISA_300, lpcr=LPCR_LD, r3=-1)
    bench.put(0x900, asm.b(0))
    bench.run(2)
    assert bench.pc == 0x900


def test_a_far_exception_of_a_large_decrementer_comes_at_its_cycle():
    bench = Bench(SLED, msr=GUEST, isa=ISA_300, lpcr=LPCR_LD, tb=(1, 625))
    far = (1 << 45) + 10
    bench.mtdec(far)
    bench.pcpu.now = 625 * (far + 1) - 3
    assert first_delayed_instruction(bench) == 3


def test_an_exception_whose_cycle_does_not_fit_64_bits_does_not_come_early():
    bench = Bench(SLED, msr=GUEST, isa=ISA_300, lpcr=LPCR_LD, tb=(33, 20_300))
    bench.mtdec((1 << 55) - 1)
    assert 0 < bench.cpu.dec_at < NEVER
    bench.run(64)
    assert bench.pc == START + 256


def test_a_large_decrementer_that_becomes_a_small_one_interrupts_if_bit_32_is_its_sign_then():
    program = [asm.mtspr(DEC, 3), asm.mtspr(LPCR, 0), asm.mtmsrd(4, 1), asm.NOP]
    bench = Bench(program, isa=ISA_300, lpcr=LPCR_LD, r3=0x10_9000_0000, r4=EE)
    bench.put(0x900, asm.b(0))
    bench.run(4)
    assert (bench.pc, bench.cpu.srr0) == (0x900, START + 12)


def test_ld_widens_a_decrementer_at_once_and_only_from_3_0_on():
    for isa, dec in ((ISA_300, 0x0010_0000_9000_0000 - 1), (ISA_207, 0x9000_0000 - 1)):
        bench = Bench([asm.mtspr(LPCR, 5), asm.mfspr(4, DEC)], isa=isa, r5=LPCR_LD)
        bench.cpu.dec_base = 0x0010_0000_9000_0000
        bench.run(2)
        assert (isa, hex(bench.r(4))) == (isa, hex(dec))


def test_hdec_has_56_bits_from_3_0_on():
    bench = Bench([asm.mtspr(HDEC, 3), asm.mfspr(4, HDEC)], isa=ISA_300, r3=0x00FF_0000_0000_0000)
    bench.run(2)
    assert hex(bench.r(4)) == hex(0xFFFF_0000_0000_0000 - 1)


def test_no_instruction_begins_at_the_horizon():
    bench = Bench(SLED, cpi=3)
    bench.header.horizon = 10
    assert bench.run(64) == Outcome.LIMIT
    assert bench.pcpu.now == 12
    assert bench.pc == START + 4 * 4
    assert unsigned(bench.pcpu.icount) == 4
