"""Interrupts: what is saved, what the handler finds, who takes what, and when.

Power ISA Book III-S, Interrupts; routing of the 970 from Xen/PPC.
"""

import pytest

from hw import asm
from hw.bench import EE, EXC_ENTRY, EXC_RETURN, HV, ME, SF, START, Bench, assert_entered
from irqvisor._jit import entry
from irqvisor.hw import doorbell, spr
from irqvisor.hw.doorbell import HYPERVISOR, PRIVILEGED
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import ISA_201, ISA_207, ISA_300, EventKind, Model
from irqvisor.spec.power_isa import (
    CAUSE_ILLEGAL,
    CAUSE_PRIVILEGED,
    CAUSE_TRAP,
    FACILITY_MSGP,
    HFSCR_MSGP,
    HID0_HDICE,
    HID4_LPES0,
    ISI_NO_TRANSLATION,
    ISI_PROTECTION,
    LPCR_HDICE,
    LPCR_HEIC,
    LPCR_HVICE,
    LPCR_LPES0,
    LPCR_MER,
    MSR_BE,
    MSR_DR,
    MSR_FE0,
    MSR_FP,
    MSR_IR,
    MSR_LE,
    MSR_PR,
    MSR_RI,
    MSR_SE,
    MSR_SUSPENDED,
    MSR_TM,
    MSR_TS,
    MSR_VEC,
    MSR_VSX,
    PSSCR_LOSES,
    SRR1_CLEARED,
    SRR1_MEDIATED,
)
from irqvisor.tables import Table


@entry
def ring_arrives(m, arg):
    doorbell.arrive(m, arg)


MODELS = pytest.mark.parametrize("model", list(Model), ids=lambda model: model.name)
LEVELS = pytest.mark.parametrize(
    ("isa", "extra"),
    [
        (ISA_201, 0),
        (ISA_207, MSR_VSX | MSR_TS | MSR_TM | MSR_LE),
        (ISA_300, MSR_VSX | MSR_TM | MSR_LE),
    ],
    ids=["2.01", "2.07", "3.0"],
)
HYPERVISORS_ROUTING = {Model.PPC970: {"hid4": 0}, Model.POWER8: {"lpcr": 0}, Model.POWER9: {"lpcr": 0}}
GUESTS_ROUTING = {
    Model.PPC970: {"hid4": HID4_LPES0},
    Model.POWER8: {"lpcr": LPCR_LPES0},
    Model.POWER9: {"lpcr": LPCR_LPES0},
}
FP_ADD = 63 << 26 | 21 << 1
VADDUBM = 4 << 26
XXLAND = 60 << 26
GUEST = SF | ME | EE | MSR_RI


# ---- Entry: Interrupt Processing, and the vector of each ----

SYNCHRONOUS = {
    # claim: (program, vector, cause in SRR1, SRR0 relative to the instruction)
    "illegal": (asm.ILLEGAL, 0x700, CAUSE_ILLEGAL, 0),
    "trap": (asm.TRAP, 0x700, CAUSE_TRAP, 0),
    "system call": (asm.sc(), 0xC00, 0, 4),
    "data storage": (asm.lwz(3, -4, 0), 0x300, 0, 0),
    "alignment": (asm.lwarx(3, 0, 5), 0x600, 0, 0),
    "floating point": (FP_ADD, 0x800, 0, 0),
    "vector": (VADDUBM, 0xF20, 0, 0),
}


@pytest.mark.parametrize("claim", SYNCHRONOUS)
@pytest.mark.parametrize("hv", [0, HV])
def test_an_interrupt_saves_pc_and_msr_and_enters_in_real_mode_with_ee_off(claim, hv):
    word, vector, cause, after = SYNCHRONOUS[claim]
    before = GUEST | hv | MSR_FE0
    bench = Bench([word], msr=before, r5=0x1001)
    bench.step()
    assert_entered(bench, vector, srr0=START + after, srr1=before | cause, msr=SF | ME | hv)
    assert bench.pcpu.now == 1 + EXC_ENTRY


def test_srr1_clears_the_bits_that_hold_causes_and_keeps_all_others():
    bench = Bench([asm.sc()], msr=-1)
    others = ~(MSR_SE | MSR_BE | MSR_IR | MSR_DR | MSR_LE)
    bench.set(msr=others)
    bench.step()
    assert SRR1_CLEARED == 0x783F0000
    assert bench.cpu.srr1 == others & ~0x783F0000


def test_an_interrupt_always_enters_64_bit_mode():
    bench = Bench([asm.sc()], msr=ME)
    bench.step()
    assert_entered(bench, 0xC00, srr0=START + 4, srr1=ME, msr=SF | ME)


def test_machine_check_enable_is_kept_off_too():
    bench = Bench([asm.sc()], msr=SF)
    bench.step()
    assert bench.msr == SF


@pytest.mark.parametrize(("msr", "cause"), [(0, ISI_PROTECTION), (MSR_IR, ISI_NO_TRANSLATION)])
def test_a_fetch_that_fails_saves_the_address_that_could_not_be_fetched(msr, cause):
    address = START if msr else 0x7_0000
    bench = Bench(at=address, msr=GUEST | msr)
    bench.put(0x400, asm.NOP)
    bench.run(1)
    assert_entered(bench, 0x404, srr0=address, srr1=GUEST | msr | cause, msr=SF | ME)


@pytest.mark.parametrize("target", [0x8000, 0x8000_0000_0000_8000, 0x0FFF_FFFF_FFFF_FFF0, 0xFFFF_FFFF_FFFF_FFF0])
def test_a_jump_to_nowhere_completes_and_its_target_is_what_faults(target):
    bench = Bench([asm.BCTR], ctr=target)
    bench.put(0x400, asm.NOP)
    bench.run(2)
    assert_entered(bench, 0x404, srr0=target, srr1=SF | HV | ME | ISI_PROTECTION, msr=SF | HV | ME)


def test_an_interrupt_that_is_due_precedes_the_fetch_that_would_fail():
    bench = Bench([asm.BCTR], msr=GUEST, ctr=0x7_0000)
    bench.mtdec(0)
    bench.put(0x900, asm.NOP)
    bench.run(2)
    assert_entered(bench, 0x904, srr0=0x7_0000, srr1=GUEST, msr=SF | ME)


# ---- Return: rfid, hrfid ----


@pytest.mark.parametrize("word", [asm.RFID, asm.HRFID])
def test_a_return_ignores_the_low_two_bits_of_its_target(word):
    bench = Bench([word], srr0=0x3003, hsrr0=0x3003, srr1=SF | HV, hsrr1=SF | HV)
    bench.step()
    assert bench.pc == 0x3000
    assert bench.cpu.srr0 == 0x3003
    assert bench.pcpu.now == 1 + EXC_RETURN


@pytest.mark.parametrize("word", [asm.RFID, asm.HRFID])
def test_a_return_to_problem_state_forces_ee_and_translation(word):
    bench = Bench([word], srr1=MSR_PR, hsrr1=MSR_PR)
    bench.step()
    assert bench.msr & ~ME == MSR_PR | EE | MSR_IR | MSR_DR  # HV and SF fall


@pytest.mark.parametrize(
    ("old", "saved", "fresh"),
    [(HV, HV, HV), (HV, 0, 0), (0, HV, 0), (0, 0, 0)],
)
def test_rfid_can_leave_hypervisor_state_but_not_enter_it(old, saved, fresh):
    bench = Bench([asm.RFID], msr=SF | old, srr1=SF | saved)
    bench.step()
    assert bench.msr == SF | fresh


@pytest.mark.parametrize(
    ("old", "saved", "fresh"),
    [(HV | ME, 0, 0), (HV, ME, ME), (ME, 0, ME), (0, ME, 0)],
)
def test_rfid_changes_machine_check_enable_in_hypervisor_state_only(old, saved, fresh):
    bench = Bench([asm.RFID], msr=SF | old, srr1=SF | saved)
    bench.step()
    assert bench.msr == SF | fresh


@pytest.mark.parametrize("saved", [SF | HV | ME, SF | HV, SF | ME, SF])
def test_hrfid_copies_hv_and_me(saved):
    bench = Bench([asm.HRFID], hsrr0=0x3000, hsrr1=saved, srr0=0x100, srr1=0)
    bench.step()
    assert (bench.pc, bench.msr) == (0x3000, saved)


def test_hrfid_is_the_hypervisors():
    bench = Bench([asm.HRFID], msr=GUEST)
    bench.step()
    assert_entered(bench, 0x700, srr0=START, srr1=GUEST | CAUSE_PRIVILEGED, msr=SF | ME)


@LEVELS
def test_rfid_loads_every_bit_the_processor_has_except_status_hv_and_me(isa, extra):
    bench = Bench([asm.RFID], msr=SF | ME, srr1=-1 & ~MSR_PR, isa=isa)
    bench.step()
    low = EE | MSR_FP | ME | MSR_FE0 | MSR_SE | MSR_BE | 0x100 | MSR_IR | MSR_DR | 4 | MSR_RI
    assert bench.msr == SF | MSR_VEC | low | extra


@pytest.mark.parametrize("word", [asm.RFID, asm.HRFID, asm.mtmsrd(3)])
def test_a_suspended_transaction_is_not_ended_by_a_return_that_says_nothing_of_it(word):
    before, other = SF | HV | MSR_SUSPENDED, SF | HV | MSR_TM
    bench = Bench([word], msr=before, srr1=SF | HV, hsrr1=SF | HV, r3=SF | HV, isa=ISA_207)
    bench.step()
    assert bench.msr == before
    bench = Bench([word], msr=before, srr1=other, hsrr1=other, r3=other, isa=ISA_207)
    bench.step()
    assert bench.msr == other


def test_rfid_to_32_bit_mode_cuts_the_address():
    bench = Bench([asm.RFID], srr0=0x1_0000_3000, srr1=0)
    bench.put(0x3000, asm.NOP)
    bench.run(2)
    assert bench.pc == 0x3004


# ---- External interrupts: level, between instructions ----


def test_an_external_interrupt_is_taken_between_instructions():
    bench = Bench([asm.NOP, asm.NOP], msr=GUEST, hid4=HID4_LPES0)
    bench.step()
    bench.set(external=1)
    bench.look()
    assert_entered(bench, 0x500, srr0=START + 4, srr1=GUEST, msr=SF | ME)


@MODELS
def test_ee_off_holds_the_guests_own_external_interrupt_off(model):
    bench = Bench([asm.NOP] * 3, msr=GUEST & ~EE, model=model, external=1, **GUESTS_ROUTING[model])
    bench.run(3)
    assert bench.pc == START + 12


def test_a_line_that_drops_before_ee_is_set_leaves_nothing():
    bench = Bench([asm.NOP, asm.mtmsrd(3, 1), asm.NOP], msr=GUEST & ~EE, r3=EE | MSR_RI, external=1, hid4=HID4_LPES0)
    bench.run(1)
    bench.set(external=0)
    bench.run(2)
    assert bench.pc == START + 12
    assert bench.msr == GUEST


@pytest.mark.parametrize(
    ("word", "ready"),
    [
        (asm.mtmsrd(3, 1), SF | ME | EE),
        (asm.mtmsrd(3, 0), SF | ME | EE),
        (asm.mtmsr(3, 1), SF | ME | EE),
        (asm.mtmsr(3, 0), SF | ME | EE),
    ],
)
@MODELS
def test_setting_ee_with_the_line_up_interrupts_before_the_next_instruction(word, ready, model):
    bench = Bench([word, asm.li(4, 1)], msr=SF | ME, r3=SF | EE, model=model, external=1, **GUESTS_ROUTING[model])
    bench.put(0x500, asm.NOP)
    bench.run(2)
    assert_entered(bench, 0x504, srr0=START + 4, srr1=ready, msr=SF | ME)
    assert bench.r(4) == 0


@MODELS
def test_rfid_that_sets_ee_with_the_line_up_interrupts_at_its_target(model):
    bench = Bench([asm.RFID], msr=SF | ME, srr0=0x3000, srr1=GUEST, model=model, external=1, **GUESTS_ROUTING[model])
    bench.put(0x500, asm.NOP)
    bench.run(2)
    assert_entered(bench, 0x504, srr0=0x3000, srr1=GUEST, msr=SF | ME)


def test_a_handler_that_enables_with_the_line_still_up_is_interrupted_again():
    bench = Bench([asm.NOP], msr=GUEST, r3=EE, external=1, hid4=HID4_LPES0)
    bench.put(0x500, [asm.NOP, asm.mtmsrd(3, 1), asm.NOP])
    bench.look()
    bench.run(2)
    bench.look()
    assert_entered(bench, 0x500, srr0=0x508, srr1=SF | ME | EE, msr=SF | ME)


def test_clearing_ee_holds_off_from_the_very_next_boundary():
    bench = Bench([asm.mtmsrd(3, 1), asm.NOP], msr=GUEST, r3=0, hid4=HID4_LPES0)
    bench.step()
    bench.set(external=1)
    bench.run(1)
    assert bench.pc == START + 8


# ---- Routing: LPES0, who takes an external interrupt ----


@MODELS
@pytest.mark.parametrize("hypervisor", [False, True])
def test_lpes0_sends_external_interrupts_to_the_running_partition(model, hypervisor):
    bench = Bench([asm.NOP], msr=GUEST, model=model, hypervisor=hypervisor, external=1, **GUESTS_ROUTING[model])
    assert bench.look() == Outcome.LIMIT
    assert_entered(bench, 0x500, srr0=START, srr1=GUEST, msr=SF | ME)


@MODELS
def test_without_lpes0_external_interrupts_are_the_hypervisors(model):
    bench = Bench([asm.NOP], msr=GUEST, model=model, hypervisor=True, external=1, **HYPERVISORS_ROUTING[model])
    assert bench.run(1) == Outcome.EXTERNAL
    assert (bench.pc, bench.msr, bench.pcpu.icount) == (START, GUEST, 0)


def test_ee_off_holds_off_even_the_hypervisors_interrupt_on_a_970():
    bench = Bench([asm.NOP], msr=GUEST & ~EE, hypervisor=True, external=1)
    assert bench.run(1) == Outcome.LIMIT
    assert bench.pc == START + 4


def test_power8_interrupts_a_guest_for_the_hypervisor_whatever_its_ee():
    bench = Bench([asm.NOP], msr=GUEST & ~EE, model=Model.POWER8, hypervisor=True, external=1)
    assert bench.run(1) == Outcome.EXTERNAL
    assert bench.pc == START


def test_power8_hypervisor_state_needs_ee_for_its_own_external_interrupt():
    bench = Bench([asm.NOP], msr=SF | HV | ME, model=Model.POWER8, external=1)
    assert bench.run(1) == Outcome.LIMIT
    assert bench.pc == START + 4


@pytest.mark.parametrize(
    ("msr", "lpcr", "taken"),
    [
        (GUEST & ~EE, LPCR_HVICE, True),  # a guest cannot hold it off
        (GUEST | HV, LPCR_HVICE, True),
        ((GUEST | HV) & ~EE, LPCR_HVICE, False),
        (GUEST, 0, False),
    ],
)
def test_the_hypervisor_virtualization_interrupt_is_masked_by_ee_in_hypervisor_state_only(msr, lpcr, taken):
    bench = Bench([asm.NOP], msr=msr, model=Model.POWER9, hypervisor=True, lpcr=lpcr)
    bench.pcpu.virtualization = 1
    assert bench.run(1) == (Outcome.EXTERNAL if taken else Outcome.LIMIT)


@pytest.mark.parametrize("hv", [0, HV])
def test_a_970_on_bare_metal_enters_hypervisor_state_by_srr0_and_srr1(hv):
    bench = Bench([asm.NOP], msr=GUEST | hv, external=1, hsrr0=7)
    bench.look()
    assert_entered(bench, 0x500, srr0=START, srr1=GUEST | hv, msr=SF | HV | ME)
    assert bench.cpu.hsrr0 == 7


@pytest.mark.parametrize("hv", [0, HV])
def test_a_power8_on_bare_metal_enters_hypervisor_state_by_hsrr0_and_keeps_ri(hv):
    bench = Bench([asm.NOP], msr=GUEST | hv, model=Model.POWER8, external=1, srr0=7)
    bench.look()
    assert (bench.pc, bench.msr) == (0x500, SF | HV | ME | MSR_RI)
    assert (bench.cpu.hsrr0, bench.cpu.hsrr1, bench.cpu.srr0) == (START, GUEST | hv, 7)


def test_a_mediated_external_interrupt_says_so_in_srr1():
    bench = Bench([asm.NOP], msr=GUEST, model=Model.POWER8, lpcr=LPCR_MER)
    bench.look()
    assert_entered(bench, 0x500, srr0=START, srr1=GUEST | SRR1_MEDIATED, msr=SF | ME)
    assert SRR1_MEDIATED == 1 << (63 - 42)


@pytest.mark.parametrize("msr", [GUEST & ~EE, GUEST | HV])
def test_a_mediated_external_interrupt_waits_for_a_guest_with_ee(msr):
    bench = Bench([asm.NOP], msr=msr, model=Model.POWER8, lpcr=LPCR_MER)
    bench.run(1)
    assert bench.pc == START + 4


def test_the_external_interrupt_goes_before_the_decrementer():
    bench = Bench([asm.NOP], msr=GUEST, hid4=HID4_LPES0, external=1)
    bench.mtdec(-1)
    bench.look()
    assert bench.pc == 0x500


def test_the_hypervisor_decrementer_goes_before_the_external_interrupt():
    bench = Bench([asm.NOP], msr=GUEST, hid0=HID0_HDICE, hypervisor=True, external=1)
    bench.pcpu.hdec_at = 0
    assert bench.look() == Outcome.HDEC


HDICE = {
    Model.PPC970: {"hid0": HID0_HDICE},
    Model.POWER8: {"lpcr": LPCR_HDICE},
    Model.POWER9: {"lpcr": LPCR_HDICE},
}


@MODELS
@pytest.mark.parametrize(
    ("msr", "taken"),
    [(SF, True), (SF | EE, True), (SF | HV, False), (SF | HV | EE, True), (SF | HV | MSR_PR, True)],
)
def test_the_hypervisor_decrementer_is_masked_by_ee_in_hypervisor_state_only(model, msr, taken):
    bench = Bench([asm.NOP], msr=msr, model=model, hypervisor=True, **HDICE[model])
    bench.pcpu.hdec_at = 0
    assert bench.run(1) == (Outcome.HDEC if taken else Outcome.LIMIT)


@MODELS
def test_hdice_off_holds_the_hypervisor_decrementer_off(model):
    bench = Bench([asm.NOP] * 4, msr=GUEST, model=model, hypervisor=True)
    bench.pcpu.hdec_at = 2
    assert bench.run(4) == Outcome.LIMIT


@MODELS
def test_bare_metal_takes_the_hypervisor_decrementer_itself(model):
    bench = Bench([asm.NOP], msr=GUEST, model=model, **HDICE[model])
    bench.pcpu.hdec_at, bench.pcpu.hdec_base = 0, -1
    assert bench.look() == Outcome.LIMIT
    assert (bench.pc, bench.msr) == (0x980, SF | HV | ME | MSR_RI)
    assert (bench.cpu.hsrr0, bench.cpu.hsrr1) == (START, GUEST)
    bench.look()  # still expired, but masked: HV=1, EE=0
    assert bench.pc == 0x980


def test_heic_holds_external_interrupts_off_in_hypervisor_state():
    """Power ISA 3.0 Book III, Logical Partitioning Control Register."""
    for msr, taken in ((SF | HV | EE, False), (GUEST, True), (SF | HV | EE | MSR_PR, True)):
        bench = Bench([asm.NOP], msr=msr, model=Model.POWER8, isa=ISA_300, lpcr=LPCR_LPES0 | LPCR_HEIC, external=1)
        bench.look()
        assert (bench.pc == 0x500) == taken


def test_problem_state_with_hv_on_is_interrupted_for_the_hypervisor_whatever_its_ee():
    bench = Bench([asm.NOP], msr=SF | HV | MSR_PR, model=Model.POWER8, external=1)
    bench.look()
    assert (bench.pc, bench.cpu.hsrr1) == (0x500, SF | HV | MSR_PR)


# ---- Hypervisor Emulation Assistance Interrupt ----


@pytest.mark.parametrize("isa", [ISA_207, ISA_300])
@pytest.mark.parametrize("msr", [GUEST, GUEST | HV, GUEST | MSR_PR])
def test_an_illegal_instruction_is_the_hypervisors_to_emulate(isa, msr):
    word = 31 << 26 | 1023 << 1
    bench = Bench([word], msr=msr, model=Model.POWER8, isa=isa, srr0=7)
    bench.step()
    assert (bench.pc, bench.msr) == (0xE40, SF | HV | ME | MSR_RI)
    assert (bench.cpu.hsrr0, bench.cpu.hsrr1, bench.cpu.srr0) == (START, msr, 7)
    assert bench.cpu.spr[spr.HEIR] == word


def test_a_simulated_hypervisor_hands_an_illegal_instruction_back_to_its_guest():
    bench = Bench([asm.ILLEGAL], msr=GUEST, model=Model.POWER8, hypervisor=True)
    bench.step()
    assert_entered(bench, 0x700, srr0=START, srr1=GUEST | CAUSE_ILLEGAL, msr=SF | ME)


# ---- Directed doorbells: Book III-S, Processor Control ----

DOORBELL = 5 << (63 - 36)


def test_a_hypervisor_doorbell_interrupts_its_own_processor_once():
    bench = Bench([asm.msgsnd(3), asm.NOP], msr=SF | HV | ME | EE | MSR_RI, isa=ISA_207, pir=9, r3=DOORBELL | 9)
    bench.put(0xE80, asm.HRFID)
    bench.run(3)
    assert bench.pc == START + 8
    assert (bench.cpu.hsrr0, bench.cpu.hsrr1) == (START + 4, SF | HV | ME | EE | MSR_RI)


@pytest.mark.parametrize("value", [DOORBELL | 8, 9, (6 << (63 - 36)) | 9, DOORBELL | 9 | 1 << 12])
def test_a_message_to_somebody_else_or_of_another_type_does_nothing(value):
    bench = Bench([asm.msgsnd(3), asm.NOP], msr=SF | HV | ME | EE, isa=ISA_207, pir=9, r3=value)
    bench.cpu.pcpu = 0
    bench.run(2)
    assert (bench.pc, bench.pcpu.doorbell) == (START + 8, 0)


def test_a_hypervisor_doorbell_waits_for_ee_in_hypervisor_state_only():
    bench = Bench([asm.NOP], msr=SF | HV, isa=ISA_207, doorbell=HYPERVISOR)
    bench.look()
    assert bench.pc == START
    for msr in (SF, SF | MSR_PR, SF | HV | MSR_PR, SF | HV | EE):
        bench = Bench([asm.NOP], msr=msr, isa=ISA_207, doorbell=HYPERVISOR)
        bench.look()
        assert (bench.pc, bench.cpu.hsrr1, bench.pcpu.doorbell) == (0xE80, msr, 0)


def test_msgclr_takes_a_doorbell_back():
    bench = Bench([asm.msgsnd(3), asm.msgclr(3)], msr=SF | HV, isa=ISA_207, r3=DOORBELL)
    bench.run(1)
    assert bench.pcpu.doorbell == HYPERVISOR
    bench.run(1)
    assert bench.pcpu.doorbell == 0


def test_a_privileged_doorbell_needs_ee_and_shows_in_dpdes():
    program = [asm.msgsndp(3), asm.mfspr(4, 176), asm.mtmsrd(5, 1), asm.NOP]
    bench = Bench(program, msr=SF | HV | ME, isa=ISA_207, r3=DOORBELL, r5=EE)
    bench.run(3)
    assert bench.r(4) == 1
    bench.look()
    assert_entered(bench, 0xA00, srr0=START + 12, srr1=SF | HV | ME | EE, msr=SF | HV | ME)
    assert bench.pcpu.doorbell == 0
    bench = Bench([asm.msgsndp(3), asm.msgclrp(3)], isa=ISA_207, r3=DOORBELL)
    bench.run(2)
    assert bench.pcpu.doorbell == 0


def test_a_partition_needs_hfscr_for_privileged_doorbells():
    bench = Bench([asm.msgsndp(3)], msr=GUEST & ~EE, isa=ISA_207, r3=DOORBELL, hfscr=7)
    bench.step()
    assert (bench.pc, bench.msr, bench.cpu.hsrr0) == (0xF80, SF | HV | ME | MSR_RI, START)
    assert bench.cpu.spr[spr.HFSCR] == FACILITY_MSGP << 56 | 7
    bench = Bench([asm.msgsndp(3)], msr=GUEST & ~EE, isa=ISA_207, r3=DOORBELL, hfscr=HFSCR_MSGP)
    bench.step()
    assert bench.pcpu.doorbell == PRIVILEGED
    bench = Bench([asm.msgsndp(3)], msr=GUEST, isa=ISA_207, r3=DOORBELL, hypervisor=True)
    bench.step()
    assert_entered(bench, 0x700, srr0=START, srr1=GUEST | CAUSE_ILLEGAL, msr=SF | ME)


@pytest.mark.parametrize("word", [asm.msgsnd(3), asm.msgclr(3), asm.msgsndp(3), asm.msgclrp(3)])
def test_doorbells_are_privileged_and_unknown_to_a_970(word):
    for msr, isa, cause in (
        (GUEST | MSR_PR, ISA_207, CAUSE_PRIVILEGED),
        (SF | HV, ISA_201, CAUSE_ILLEGAL),
    ):
        bench = Bench([word], msr=msr, isa=isa, r3=DOORBELL)
        bench.step()
        assert (bench.pc, bench.cpu.srr1 & 0x783F0000) == (0x700, cause)


def test_a_doorbell_of_another_processor_takes_as_long_as_an_inter_processor_interrupt():
    bench = Bench([asm.msgsnd(3), asm.msgsnd(3)], msr=SF | HV, isa=ISA_207, r3=DOORBELL | 4)
    other, there = bench.views[Table.CONTEXT][1], bench.views[Table.PCPU][1]
    other.pir = 4
    bench.header.phys_ipi = 100
    bench.run(2)
    assert (there.doorbell, there.ringing, bench.header.events) == (0, HYPERVISOR, 1)
    event = bench.views[Table.EVENT][0]
    assert (event.cycle, event.kind) == (100, EventKind.DOORBELL)
    ring_arrives(bench.arrays, event.arg)
    assert (there.doorbell, there.ringing) == (HYPERVISOR, 0)


@pytest.mark.parametrize("first", [{"external": 1}, {"dec": -1}])
def test_doorbells_come_last(first):
    bench = Bench([asm.NOP], msr=GUEST, isa=ISA_207, hid4=HID4_LPES0, doorbell=HYPERVISOR | PRIVILEGED)
    if "dec" in first:
        bench.mtdec(-1)
    bench.set(external=first.get("external", 0))
    bench.look()
    assert bench.pc == (0x900 if "dec" in first else 0x500)
    bench.set(msr=GUEST, external=0)
    bench.mtdec(1000)
    bench.look()
    assert bench.pc == 0xA00


# ---- The end of a nap: Book III-S, Power-Saving Mode ----

WAKING = {
    "external": ({"external": 1}, 8),
    "decrementer": ({}, 6),
    "privileged doorbell": ({"doorbell": PRIVILEGED}, 5),
    "hypervisor doorbell": ({"doorbell": HYPERVISOR}, 3),
}


@pytest.mark.parametrize("claim", WAKING)
@pytest.mark.parametrize("ee", [0, EE])
def test_what_ends_a_nap_is_a_system_reset_that_tells_the_reason(claim, ee):
    cause, reason = WAKING[claim]
    bench = Bench([asm.NAP, asm.NOP], msr=SF | HV | ME | ee, model=Model.POWER8)
    assert bench.run(1) == Outcome.WAIT
    bench.set(**cause)
    if claim == "decrementer":
        bench.mtdec(-1)
    bench.look()
    assert_entered(bench, 0x100, srr0=START + 4, srr1=SF | HV | ME | ee | reason << 18 | 1 << 16, msr=SF | HV | ME)
    bench.look()
    assert (bench.pc, bench.cpu.srr0) == (0x100, START + 4)  # once


def test_a_stop_that_loses_nothing_goes_on_behind_itself():
    bench = Bench([asm.STOP, asm.NOP], msr=SF | HV, isa=ISA_300, model=Model.POWER8)
    assert bench.run(1) == Outcome.WAIT
    bench.set(external=1)
    bench.run(1)
    assert bench.pc == START + 8
    bench = Bench([asm.STOP, asm.NOP], msr=SF | HV, isa=ISA_300, model=Model.POWER8, psscr=PSSCR_LOSES)
    bench.run(1)
    bench.set(external=1)
    bench.look()
    assert bench.pc == 0x100


# ---- Trace: Trace Interrupt ----


def test_single_step_interrupts_after_each_instruction():
    msr = GUEST & ~EE | MSR_SE
    bench = Bench([asm.li(3, 7), asm.NOP], msr=msr)
    bench.run(1)
    assert_entered(bench, 0xD00, srr0=START + 4, srr1=msr, msr=SF | ME)
    assert bench.r(3) == 7


@pytest.mark.parametrize("word", [asm.lwz(4, 0, 0), asm.stw(4, 0x7000, 0), asm.ISYNC, asm.mfmsr(4), asm.mtspr(272, 4)])
def test_single_step_traces_slow_instructions_too(word):
    bench = Bench([word], msr=SF | MSR_SE)
    bench.run(1)
    assert_entered(bench, 0xD00, srr0=START + 4, srr1=SF | MSR_SE, msr=SF)


def test_single_step_of_a_branch_saves_its_target():
    bench = Bench([asm.b(0x40)], msr=SF | MSR_SE)
    bench.run(1)
    assert_entered(bench, 0xD00, srr0=START + 0x40, srr1=SF | MSR_SE, msr=SF)
    assert bench.cpu.spr[spr.SIAR] == START


def test_branch_trace_interrupts_after_branches_only_taken_or_not():
    bench = Bench([asm.NOP, asm.mfmsr(3), asm.li(4, 1), asm.beq(8)], msr=SF | MSR_BE)
    bench.run(4)
    assert_entered(bench, 0xD00, srr0=START + 16, srr1=SF | MSR_BE, msr=SF)


def test_the_instruction_that_sets_single_step_is_not_traced_itself():
    bench = Bench([asm.mtmsrd(3)], r3=SF | MSR_SE, msr=SF)
    bench.put(START + 4, [asm.NOP, asm.NOP])
    bench.run(1)
    assert bench.pc == START + 4
    bench.run(1)
    assert_entered(bench, 0xD00, srr0=START + 8, srr1=SF | MSR_SE, msr=SF)
    assert bench.cpu.spr[spr.SIAR] == START + 4


@pytest.mark.parametrize("word", [asm.RFID, asm.HRFID])
def test_a_return_that_sets_single_step_traces_the_first_instruction_at_its_target(word):
    bench = Bench([word], srr0=0x3000, srr1=SF | MSR_SE, hsrr0=0x3000, hsrr1=SF | MSR_SE, msr=SF | HV | MSR_SE)
    bench.put(0x3000, asm.NOP)
    bench.run(1)
    assert bench.pc == 0x3000
    bench.run(1)
    assert bench.pc == 0xD00


def test_an_instruction_that_interrupts_is_not_traced():
    bench = Bench([asm.sc()], msr=SF | MSR_SE)
    bench.run(1)
    assert_entered(bench, 0xC00, srr0=START + 4, srr1=SF | MSR_SE, msr=SF)


def test_the_trace_interrupt_goes_before_an_asynchronous_one():
    bench = Bench([asm.NOP], msr=GUEST | MSR_SE, hid4=HID4_LPES0)
    bench.mtdec(0)
    bench.run(1)
    bench.look()
    assert bench.pc == 0xD00
