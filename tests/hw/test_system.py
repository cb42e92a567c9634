"""Privileged and other slow instructions (Power ISA Book III-S): MSR moves, SPRs, program interrupts, sc, sleep."""

import pytest

from hw import asm
from hw.bench import DEVICE, EE, HV, MASK64, ME, SF, START, Bench, assert_entered
from hw.encode import fixed
from irqvisor.hw import ops, spr
from irqvisor.hw.decode import INSTRUCTIONS
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import CONTEXT, ISA_201, ISA_207, ISA_300, Model, Stop
from irqvisor.spec.power_isa import (
    BESCR_GE,
    CAUSE_ILLEGAL,
    CAUSE_PRIVILEGED,
    CAUSE_TRAP,
    FACILITY_DSCR,
    FACILITY_EBB,
    FACILITY_SCV,
    FACILITY_TAR,
    FACILITY_TM,
    FSCR_DSCR,
    FSCR_EBB,
    FSCR_SCV,
    FSCR_TAR,
    HID0_EN_ATTN,
    HID0_NAP,
    HID0_POWER9_EN_ATTN,
    MSR_BE,
    MSR_DR,
    MSR_FE0,
    MSR_FE1,
    MSR_FP,
    MSR_IR,
    MSR_LE,
    MSR_PMM,
    MSR_POW,
    MSR_PR,
    MSR_RI,
    MSR_SE,
    MSR_TM,
    MSR_TS,
    MSR_VEC,
    MSR_VSX,
    SPR_PRIVILEGED,
)
from irqvisor.tables import Table

MODELS = pytest.mark.parametrize("model", list(Model), ids=lambda model: model.name)
USER, SUPERVISOR, HYPERVISOR = MSR_PR | SF | ME, SF | ME, SF | HV | ME
STATES = pytest.mark.parametrize("state", [USER, SUPERVISOR, HYPERVISOR], ids=["user", "supervisor", "hypervisor"])


def program_cause(word, state, **options):
    """What an instruction raises in a privilege state: the cause of a program interrupt, or None if it completes."""
    bench = Bench([word], msr=state, model=options.pop("model", Model.POWER8), **options)
    bench.step()
    if bench.pc == 0x700:
        assert bench.cpu.srr0 == START
        return int(bench.cpu.srr1) & 0x783F0000
    if bench.pc == 0xE40:
        assert (bench.cpu.hsrr0, bench.cpu.spr[spr.HEIR]) == (START, word)
        return CAUSE_ILLEGAL
    return None


# ---- Move To Machine State Register ----


def test_mtmsrd_1_changes_ee_and_ri_and_nothing_else():
    bench = Bench([asm.mtmsrd(3, 1)], msr=SF | ME | MSR_FP, r3=-1)
    bench.step()
    assert bench.msr == SF | ME | MSR_FP | EE | MSR_RI
    bench = Bench([asm.mtmsrd(3, 1)], msr=SF | HV | ME | EE | MSR_RI, r3=0)
    bench.step()
    assert bench.msr == SF | HV | ME


def test_mtmsr_1_is_the_same():
    bench = Bench([asm.mtmsr(3, 1)], msr=SF | ME, r3=MSR_RI | MSR_PR)
    bench.step()
    assert bench.msr == SF | ME | MSR_RI


@pytest.mark.parametrize("word", [asm.mtmsrd(3), asm.mtmsr(3)])
@pytest.mark.parametrize("kept", [HV | ME, HV, ME, 0])
@pytest.mark.parametrize("value", [-1 & ~MSR_PR & ~MSR_IR & ~MSR_DR & ~MSR_SE & ~MSR_BE, SF])
def test_hv_and_me_never_change_by_a_move(word, kept, value):
    bench = Bench([word], msr=SF | kept, r3=value)
    bench.step()
    assert bench.msr & (HV | ME) == kept


@MODELS
def test_mtmsrd_writes_every_other_bit_that_the_processor_has(model):
    bench = Bench([asm.mtmsrd(3)], msr=SF | ME, r3=-1 & ~MSR_PR & ~MSR_POW, model=model)
    bench.step()
    low = EE | MSR_FP | ME | MSR_FE0 | MSR_SE | MSR_BE | MSR_FE1 | MSR_IR | MSR_DR | MSR_PMM | MSR_RI
    extra = {Model.PPC970: 0, Model.POWER8: MSR_VSX | MSR_TS | MSR_TM, Model.POWER9: MSR_VSX | MSR_TM}
    assert hex(bench.msr & MASK64) == hex((SF | low | MSR_VEC | extra[model]) & MASK64)
    assert bench.msr & MSR_LE == 0  # LE does not change by a move


@pytest.mark.parametrize("word", [asm.mtmsrd(3), asm.mtmsr(3)])
def test_a_move_that_sets_problem_state_forces_ee_and_translation(word):
    bench = Bench([word], msr=SF, r3=SF | MSR_PR)
    bench.step()
    assert bench.msr == SF | MSR_PR | EE | MSR_IR | MSR_DR


def test_mtmsr_leaves_the_upper_half_alone():
    bench = Bench([asm.mtmsr(3)], msr=SF | HV | MSR_VEC, r3=MSR_RI)
    bench.step()
    assert bench.msr == SF | HV | MSR_RI  # VEC is bit 38: the lower half
    bench = Bench([asm.mtmsr(3)], msr=0, r3=-1 & ~(MSR_PR | MSR_IR | MSR_DR | MSR_SE | MSR_BE))
    bench.step()
    assert bench.msr & (SF | HV) == 0


def test_mtmsrd_to_32_bit_mode_goes_on_at_the_cut_address():
    bench = Bench([asm.mtmsrd(3), asm.NOP], at=0x8000_0000_0000_0000 | START, r3=0)
    bench.run(2)
    assert (bench.pc, bench.msr) == (START + 8, HV | ME)


@STATES
def test_mfmsr_reads_the_whole_register(state):
    bench = Bench([asm.mfmsr(3)], msr=state)
    bench.step()
    assert bench.pc == (0x700 if state == USER else START + 4)
    assert bench.r(3) == (0 if state == USER else state & MASK64)


# ---- Who may execute what ----

HYPERVISOR_ONLY = {"hrfid", "nap", "doze", "sleep", "rvwinkle", "tlbie", "tlbsync"}
SUPERVISOR_ONLY = {
    *("rfid", "mfmsr", "mtmsr", "mtmsrd", "dcbi", "tlbiel", "slbie", "slbia", "slbmte"),
    *("slbmfee", "slbmfev", "slbfee.", "mtsr", "mtsrin", "mfsr", "mfsrin"),
}
ENCODED = {row.mnemonic: fixed(row) for row in INSTRUCTIONS if row.since <= ISA_207 <= row.until}


@pytest.mark.parametrize("mnemonic", sorted(SUPERVISOR_ONLY))
@STATES
def test_privileged_instructions_are_refused_in_problem_state(mnemonic, state):
    assert program_cause(ENCODED[mnemonic], state) == (CAUSE_PRIVILEGED if state == USER else None)


@pytest.mark.parametrize("mnemonic", sorted(HYPERVISOR_ONLY))
@STATES
def test_the_hypervisors_instructions_are_refused_without_hv(mnemonic, state):
    assert program_cause(ENCODED[mnemonic], state) == (None if state == HYPERVISOR else CAUSE_PRIVILEGED)


def test_hv_means_nothing_in_problem_state():
    assert program_cause(ENCODED["mfmsr"], USER | HV) == CAUSE_PRIVILEGED
    assert program_cause(ENCODED["hrfid"], USER | HV) == CAUSE_PRIVILEGED
    assert program_cause(asm.mfspr(3, 314), USER | HV) == CAUSE_PRIVILEGED


@pytest.mark.parametrize("mnemonic", ["sync", "eieio", "isync", "dcbst", "dcbf", "dcbt", "dcbtst", "icbt", "icbi"])
@STATES
def test_barriers_and_hints_do_nothing_for_anybody(mnemonic, state):
    bench = Bench([ENCODED[mnemonic]], msr=state, model=Model.POWER8)
    bench.step()
    assert bench.pc == START + 4


@pytest.mark.parametrize("mnemonic", ["slbmfee", "slbmfev", "mfsr", "mfsrin"])
@MODELS
def test_segments_read_as_not_there(mnemonic, model):
    bench = Bench([ENCODED[mnemonic] | 3 << 21], model=model, r3=-1)
    bench.step()
    assert (bench.pc, bench.r(3)) == (START + 4, 0)


@STATES
@MODELS
@pytest.mark.parametrize("word", [0, 1, 0x00000200, 6 << 26, 31 << 26 | 1023 << 1, 0x7C000000 | 1 << 1])
def test_words_that_are_no_instruction_are_illegal(word, model, state):
    assert program_cause(word, state, model=model) == CAUSE_ILLEGAL


@pytest.mark.parametrize("word", [asm.lwzu(3, 4, 3), asm.lwzu(3, 4, 0), asm.stwu(3, 4, 0), asm.lswi(3, 4, 8)])
def test_invalid_forms_are_illegal(word):
    assert program_cause(word, SUPERVISOR, r3=0x3000, r4=0x3000) == CAUSE_ILLEGAL


@pytest.mark.parametrize("word", [asm.lbarx(3, 0, 5), asm.ldbrx(3, 0, 5), asm.NAP])
def test_a_970_does_not_know_later_instructions(word):
    assert program_cause(word, HYPERVISOR, model=Model.PPC970, r5=0x3000) == CAUSE_ILLEGAL


# ---- Facilities that are not available ----

FACILITIES = {
    # name: (word, bit, vector)
    "fadd": (63 << 26 | 21 << 1, MSR_FP, 0x800),
    "lfd": (50 << 26, MSR_FP, 0x800),
    "stfs": (52 << 26, MSR_FP, 0x800),
    "lfsx": (31 << 26 | 535 << 1, MSR_FP, 0x800),
    "vaddubm": (4 << 26, MSR_VEC, 0xF20),
    "lvx": (31 << 26 | 103 << 1, MSR_VEC, 0xF20),
    "xxland": (60 << 26, MSR_VSX, 0xF40),
    "lxvd2x": (31 << 26 | 844 << 1, MSR_VSX, 0xF40),
    "mfvsrd, low": (31 << 26 | 51 << 1, MSR_FP, 0x800),
    "mfvsrd, high": (31 << 26 | 51 << 1 | 1, MSR_VEC, 0xF20),
}


@pytest.mark.parametrize("name", FACILITIES)
@STATES
def test_a_unit_that_is_off_is_unavailable_and_one_that_is_on_is_not_there(name, state):
    word, bit, vector = FACILITIES[name]
    bench = Bench([word], msr=state, model=Model.POWER8)
    bench.step()
    assert_entered(bench, vector, srr0=START, srr1=state, msr=SF | ME | state & HV)
    assert program_cause(word, state | bit) == CAUSE_ILLEGAL


# ---- Traps: Book I, Fixed-Point Trap Instructions ----


@pytest.mark.parametrize("to", range(32))
@pytest.mark.parametrize(
    ("a", "b", "word_holds", "doubleword_holds"),
    [
        (5, 5, 0x04, 0x04),
        (4, 5, 0x12, 0x12),
        (6, 5, 0x09, 0x09),
        (-1, 1, 0x11, 0x11),
        (1, -1, 0x0A, 0x0A),
        (0x8000_0000, 1, 0x11, 0x09),  # negative as a word
        (0x1_0000_0000, 0, 0x04, 0x09),  # zero as a word
        (1 << 63, 1, 0x12, 0x11),
        (0xFFFF_FFFF, -1, 0x04, 0x0A),
    ],
)
def test_a_trap_is_taken_if_one_of_its_conditions_holds(to, a, b, word_holds, doubleword_holds):
    registers = {"r3": a, "r4": b}
    for word, holds in ((asm.tw(to, 3, 4), word_holds), (asm.td(to, 3, 4), doubleword_holds)):
        assert (program_cause(word, SUPERVISOR, **registers) == CAUSE_TRAP) == (to & holds != 0)
    if -(1 << 15) <= b < 1 << 15:
        for word, holds in ((asm.twi(to, 3, b), word_holds), (asm.tdi(to, 3, b), doubleword_holds)):
            assert (program_cause(word, SUPERVISOR, **registers) == CAUSE_TRAP) == (to & holds != 0)


# ---- System call ----


@STATES
@pytest.mark.parametrize("hypervisor", [False, True])
def test_sc_enters_the_partitions_own_handler(state, hypervisor):
    bench = Bench([asm.sc()], msr=state, hypervisor=hypervisor)
    assert bench.step() == Outcome.LIMIT
    assert_entered(bench, 0xC00, srr0=START + 4, srr1=state, msr=SF | ME | state & HV)


@STATES
def test_sc_1_calls_the_hypervisor(state):
    state &= ~HV
    bench = Bench([asm.sc(1)], msr=state, hypervisor=True)
    assert bench.run(5) == Outcome.HCALL
    assert (bench.pc, bench.msr, bench.pcpu.icount) == (START + 4, state, 1)
    assert (bench.cpu.srr0, bench.cpu.srr1) == (START + 4, state)


@STATES
def test_sc_1_on_bare_metal_enters_hypervisor_state(state):
    bench = Bench([asm.sc(1)], msr=state)
    bench.step()
    assert_entered(bench, 0xC00, srr0=START + 4, srr1=state, msr=SF | ME | HV)


@STATES
def test_scv_is_unavailable_until_fscr_enables_it(state):
    """Power ISA 3.0 Book III, System Call Vectored."""
    bench = Bench([asm.scv(3)], msr=state, isa=ISA_300, fscr=7)
    bench.step()
    assert_entered(bench, 0xF60, srr0=START, srr1=state, msr=SF | ME | state & HV)
    assert bench.cpu.spr[spr.FSCR] == FACILITY_SCV << 56 | 7


@STATES
@pytest.mark.parametrize("kept", [0, EE, EE | MSR_RI])
def test_scv_saves_to_lr_and_ctr_and_leaves_ee_and_ri_alone(state, kept):
    bench = Bench([asm.scv(3)], msr=state | kept, isa=ISA_300, fscr=FSCR_SCV, srr0=5, srr1=6)
    bench.put(0x7000, asm.NOP)
    bench.step()
    assert (bench.pc, bench.msr) == (0x17000 + 3 * 32, SF | ME | state & HV | kept)
    assert (bench.cpu.lr, bench.cpu.ctr) == (START + 4, state | kept)
    assert (bench.cpu.srr0, bench.cpu.srr1) == (5, 6)


def test_rfscv_returns_by_lr_and_ctr_and_is_privileged():
    bench = Bench([asm.RFSCV], isa=ISA_300, lr=0x3003, ctr=SF | EE | MSR_PR)
    bench.step()
    assert (bench.pc, bench.msr) == (0x3000, SF | EE | MSR_PR | MSR_IR | MSR_DR)
    assert program_cause(asm.RFSCV, USER, isa=ISA_300) == CAUSE_PRIVILEGED


# ---- Event-based branches, transactional memory: Book II ----


def test_rfebb_goes_to_ebbrr_and_sets_ge_as_it_says():
    for enable in (0, 1):
        bench = Bench([asm.rfebb(enable)], isa=ISA_207, msr=USER, fscr=FSCR_EBB, ebbrr=0x3002, bescr=5 | 1 << 63)
        bench.step()
        assert (bench.pc, int(bench.cpu.spr[spr.BESCR])) == (0x3000, 5 | (BESCR_GE if enable else 0))


def test_rfebb_in_problem_state_needs_fscr():
    bench = Bench([asm.rfebb(1)], isa=ISA_207, msr=USER)
    bench.step()
    assert (bench.pc, bench.cpu.spr[spr.FSCR]) == (0xF60, FACILITY_EBB << 56)
    bench = Bench([asm.rfebb(1)], isa=ISA_207, msr=SUPERVISOR, ebbrr=0x3000)
    bench.step()
    assert bench.pc == 0x3000


TRANSACTIONS = [row.mnemonic for row in INSTRUCTIONS if row.op in (ops.TM_PROBLEM, ops.TM_PRIVILEGED)]


@pytest.mark.parametrize("mnemonic", TRANSACTIONS)
@STATES
def test_transactions_are_unavailable_or_not_there(mnemonic, state):
    word = ENCODED[mnemonic]
    privileged = mnemonic in {"treclaim.", "trechkpt."}
    bench = Bench([word], isa=ISA_207, msr=state)
    bench.step()
    if privileged and state == USER:
        assert program_cause(word, state) == CAUSE_PRIVILEGED
    else:
        assert_entered(bench, 0xF60, srr0=START, srr1=state, msr=SF | ME | state & HV)
        assert bench.cpu.spr[spr.FSCR] == FACILITY_TM << 56
        assert program_cause(word, state | MSR_TM) == CAUSE_ILLEGAL


FACILITY_REGISTERS = {3: (FACILITY_DSCR, FSCR_DSCR), 815: (FACILITY_TAR, FSCR_TAR), 805: (FACILITY_EBB, FSCR_EBB)}


@pytest.mark.parametrize("number", FACILITY_REGISTERS)
@pytest.mark.parametrize("writing", [False, True])
def test_registers_of_a_facility_that_is_off_are_unavailable_in_problem_state(number, writing):
    reason, enable = FACILITY_REGISTERS[number]
    word = asm.mtspr(number, 3) if writing else asm.mfspr(3, number)
    for state, fscr, pc in (
        (USER, ~enable & 0xFFFF, 0xF60),
        (USER, enable, START + 4),
        (SUPERVISOR, 0, START + 4),
    ):
        bench = Bench([word], isa=ISA_207, msr=state, fscr=fscr)
        bench.step()
        assert bench.pc == pc
        assert bench.cpu.spr[spr.FSCR] == (reason << 56 if pc == 0xF60 else 0) | fscr


@pytest.mark.parametrize("number", [128, 129, 130, 131])
@STATES
def test_transaction_registers_need_msr_tm_in_every_state(number, state):
    bench = Bench([asm.mfspr(3, number)], isa=ISA_207, msr=state)
    bench.step()
    assert (bench.pc, bench.cpu.spr[spr.FSCR]) == (0xF60, FACILITY_TM << 56)
    bench = Bench([asm.mfspr(3, number)], isa=ISA_207, msr=state | MSR_TM)
    bench.step()
    assert bench.pc == START + 4


def test_texasru_is_the_upper_half_of_texasr():
    program = [asm.mtspr(130, 3), asm.mtspr(131, 4), asm.mfspr(5, 130), asm.mfspr(6, 131)]
    bench = Bench(program, isa=ISA_207, msr=SUPERVISOR | MSR_TM, r3=0x1111_2222_3333_4444, r4=0x5555_6666_7777_8888)
    bench.run(4)
    assert (bench.r(5), bench.r(6)) == (0x7777_8888_3333_4444, 0x7777_8888)


def test_problem_state_reads_sier_by_a_number_of_its_own():
    bench = Bench([asm.mtspr(784, 3), asm.mfspr(4, 768)], isa=ISA_207, msr=SUPERVISOR, r3=0x1234)
    bench.step()
    bench.set(msr=USER)
    bench.step()
    assert bench.r(4) == 0x1234


# ---- The hypervisor's real-mode accesses: Book III-S, Fixed-Point Load and Store Caching Inhibited ----

CACHE_INHIBITED = {
    # mnemonic: (load, store, bytes)
    "b": (asm.lbzcix, asm.stbcix, 1),
    "h": (asm.lhzcix, asm.sthcix, 2),
    "w": (asm.lwzcix, asm.stwcix, 4),
    "d": (asm.ldcix, asm.stdcix, 8),
}


@pytest.mark.parametrize("width", CACHE_INHIBITED)
def test_cache_inhibited_accesses_load_and_store(width):
    load, store, size = CACHE_INHIBITED[width]
    bench = Bench([load(3, 0, 5), store(4, 5, 6)], isa=ISA_207, r5=0x3000, r6=16, r4=0x99AA_BBCC_DDEE_FF81)
    bench.poke(0x3000, bytes(range(1, 9)))
    bench.run(2)
    assert bench.r(3) == bench.peek(0x3000, size)
    assert bench.peek(0x3010, 8) >> (64 - 8 * size) == 0x99AA_BBCC_DDEE_FF81 & (1 << 8 * size) - 1
    assert bench.peek(0x3010 + size, 8) == 0
    bench = Bench([store(4, 0, 5)], isa=ISA_207, r5=DEVICE, r4=0x12)
    assert bench.step() == Outcome.BOARD
    assert (bench.pcpu.watch_at, bench.pcpu.watch_new) == (0, 0x12)


@pytest.mark.parametrize("width", CACHE_INHIBITED)
def test_cache_inhibited_accesses_are_the_hypervisors(width):
    for make in CACHE_INHIBITED[width][:2]:
        assert program_cause(make(3, 0, 5), USER | HV, r5=0x3000) == CAUSE_PRIVILEGED
        assert program_cause(make(3, 0, 5), SUPERVISOR, r5=0x3000) == CAUSE_PRIVILEGED
        assert program_cause(make(3, 0, 5), HYPERVISOR, r5=0x3000) is None
        assert program_cause(make(3, 0, 5), HYPERVISOR, r5=0x3000, model=Model.PPC970) == CAUSE_ILLEGAL


# ---- darn: Power ISA 3.0 Book I, Deliver A Random Number ----


def test_darn_delivers_words_and_doublewords_that_differ_and_can_be_repeated():
    program = [asm.darn(3, 0), asm.darn(4, 1), asm.darn(5, 2), asm.darn(6, 3), asm.darn(7, 1)]
    first, again = (Bench(program, isa=ISA_300, msr=USER) for _ in range(2))
    first.run(5)
    again.run(5)
    numbers = [first.r(n) for n in range(3, 8)]
    assert numbers == [again.r(n) for n in range(3, 8)]
    assert numbers[0] < 1 << 32
    assert numbers[3] == MASK64
    assert len({numbers[0], *numbers[1:3], numbers[4]}) == 4
    assert all(number >> 32 for number in (*numbers[1:3], numbers[4]))


@STATES
def test_the_branch_history_is_empty(state):
    bench = Bench([ENCODED["mfbhrbe"] | 3 << 21, ENCODED["clrbhrb"]], isa=ISA_207, msr=state, r3=7)
    bench.run(2)
    assert (bench.pc, bench.r(3)) == (START + 8, 0)


# ---- attn ----


@pytest.mark.parametrize(
    ("isa", "hid0"), [(ISA_201, HID0_EN_ATTN), (ISA_207, HID0_EN_ATTN), (ISA_300, HID0_POWER9_EN_ATTN)]
)
def test_attn_stops_the_processor_where_hid0_says_so(isa, hid0):
    bench = Bench([asm.ATTN], isa=isa, hid0=hid0)
    assert bench.run(5) == Outcome.AGAIN
    assert (bench.pc, bench.pcpu.icount) == (START, 0)
    assert bench.views[Table.REQUEST][0].reason == Stop.ATTENTION
    bench = Bench([asm.ATTN], isa=isa, hid0=~hid0)
    bench.step()
    assert bench.pc == (0x700 if isa == ISA_201 else 0xE40)


# ---- Sleep ----


@pytest.mark.parametrize("word", [asm.mtmsrd(3), asm.mtmsr(3)])
def test_pow_naps_if_hid0_says_so(word):
    bench = Bench([word, asm.NOP], r3=SF | MSR_POW | EE | MSR_RI, hid0=HID0_NAP)
    assert bench.run(2) == Outcome.WAIT
    assert (bench.pc, bench.msr) == (START + 4, SF | HV | ME | EE | MSR_RI)
    bench = Bench([word, asm.NOP], r3=SF | MSR_POW | EE | MSR_RI)
    assert bench.run(2) == Outcome.LIMIT
    assert bench.msr & MSR_POW == 0


@pytest.mark.parametrize("mnemonic", ["nap", "doze", "sleep", "rvwinkle"])
def test_power8_has_instructions_that_sleep(mnemonic):
    bench = Bench([ENCODED[mnemonic], asm.NOP], model=Model.POWER8)
    assert bench.run(2) == Outcome.WAIT
    assert bench.pc == START + 4


@pytest.mark.parametrize("word", [asm.WAIT, asm.STOP])
def test_3_0_has_others(word):
    bench = Bench([word, asm.NOP], isa=ISA_300)
    assert bench.run(2) == Outcome.WAIT
    assert bench.pc == START + 4
    assert program_cause(word, HYPERVISOR) == CAUSE_ILLEGAL  # a POWER8
    assert program_cause(ENCODED["nap"], HYPERVISOR, isa=ISA_300) == CAUSE_ILLEGAL


def test_stop_is_the_hypervisors_and_wait_is_everybodys():
    assert program_cause(asm.STOP, SUPERVISOR, isa=ISA_300) == CAUSE_PRIVILEGED
    assert Bench([asm.WAIT], isa=ISA_300, msr=USER).run(1) == Outcome.WAIT


# ---- Special purpose registers: Move To/From System Register Instructions ----

U, S, H, UR, SR = "user", "supervisor", "hypervisor", "user reads", "supervisor reads"
US = "user reads, supervisor writes"
SPRS = {
    # number: who may read and write; a reader's register is written by the hypervisor
    **dict.fromkeys((1, 3, 8, 9, 13, 256, 815, 896), U),
    **dict.fromkeys(
        (17, 18, 19, 22, 26, 27, 28, 29, 61, 152, 153, 157, 159, 272, 273, 274, 275, 784, 787, 795, 798), S
    ),
    **dict.fromkeys((25, 180, 186, 187, 188, 190, 284, 285, 286, 304, 305, 306, 307, 310, 312, 313), H),
    **dict.fromkeys((314, 315, 318, 319, 336, 337, 338, 339, 349, 1008, 1009), H),
    **dict.fromkeys((136, 259, 268, 269, 782), UR),
    **dict.fromkeys((768, 769, 771, 779), US),
    **dict.fromkeys((176, 287, 308, 309, 446, 848, 849, 1023), SR),
}


def expected_cause(number, state, *, writing):
    """Section by section: problem state by the number's bit; then the class of the register."""
    kind = SPRS[number]
    allowed = {U: USER, UR: USER, US: USER, S: SUPERVISOR, SR: SUPERVISOR, H: HYPERVISOR}[kind]
    if writing and kind in {UR, SR, US}:
        allowed = SUPERVISOR if kind == US else HYPERVISOR
    order = [USER, SUPERVISOR, HYPERVISOR]
    if order.index(state) >= order.index(allowed):
        return None
    if state == USER and number & SPR_PRIVILEGED == 0:
        return CAUSE_ILLEGAL
    return CAUSE_PRIVILEGED


@pytest.mark.parametrize("number", SPRS)
@STATES
def test_registers_are_guarded_by_their_class(number, state):
    for word, writing in ((asm.mfspr(3, number), False), (asm.mtspr(number, 3), True)):
        assert program_cause(word, state, fscr=FSCR_TAR | FSCR_DSCR) == expected_cause(number, state, writing=writing)


ONLY_201 = {**dict.fromkeys((280, 311, 1012, 1013, 1014, 1015), H), **dict.fromkeys((793, 794), S), 777: UR}
ONLY_300 = {48: S, 144: S, 823: S, 464: H, 855: H}
SINCE_207 = (3, 13, 128, 131, 815, 896, 17, 28, 153, 180, 190, 306, 318, 319, 339, 176, 308, 309, 784, 848, 768, 769)


@pytest.mark.parametrize(
    ("number", "levels"),
    [
        *((number, {ISA_201}) for number in ONLY_201),
        *((number, {ISA_300}) for number in ONLY_300),
        *((number, {ISA_207, ISA_300}) for number in SINCE_207),
        (25, {ISA_201, ISA_207}),  # SDR1: gave way to PTCR
        (312, {ISA_207}),  # RMOR: in HID4 before; real mode has no offset at 3.0
        *((number, {ISA_201, ISA_207, ISA_300}) for number in (1, 8, 18, 22, 268, 272, 287, 310, 1008, 1023)),
    ],
)
@pytest.mark.parametrize("isa", [ISA_201, ISA_207, ISA_300])
def test_a_level_has_the_registers_of_its_book(number, levels, isa):
    assert (spr.ACCESS[isa, number] != 0) == (isa in levels)
    bench = Bench([asm.mfspr(3, number)], isa=isa, msr=USER | MSR_TM)
    bench.cpu.spr[spr.FSCR] = -1
    bench.step()
    missing = CAUSE_PRIVILEGED if number & SPR_PRIVILEGED else CAUSE_ILLEGAL
    kinds = ONLY_201 | ONLY_300 | SPRS | {128: U, 131: U}
    if isa not in levels or kinds[number] not in {U, UR, US}:
        assert bench.pc == (0xE40 if missing == CAUSE_ILLEGAL and isa != ISA_201 else 0x700)
    else:
        assert bench.pc == START + 4


@pytest.mark.parametrize("number", [1000, 1022, 48 + 512, 1001])
@pytest.mark.parametrize("state", [SUPERVISOR, HYPERVISOR])
def test_an_undefined_register_is_a_no_op_for_privileged_software(number, state):
    bench = Bench([asm.mfspr(3, number), asm.mtspr(number, 3)], msr=state, r3=7)
    before = bench.cpu.tobytes()
    bench.run(2)
    bench.set(nip=START)
    assert bench.cpu.tobytes() == before


@pytest.mark.parametrize(("number", "cause"), [(1000, CAUSE_ILLEGAL), (1022, CAUSE_PRIVILEGED), (0, CAUSE_ILLEGAL)])
def test_an_undefined_register_is_refused_in_problem_state(number, cause):
    assert program_cause(asm.mfspr(3, number), USER) == cause
    assert program_cause(asm.mtspr(number, 3), USER) == cause


@pytest.mark.parametrize("number", [0, 4, 5, 6])
def test_the_numbers_that_are_never_registers_are_illegal(number):
    assert program_cause(asm.mfspr(3, number), HYPERVISOR) == CAUSE_ILLEGAL
    assert (program_cause(asm.mtspr(number, 3), HYPERVISOR) == CAUSE_ILLEGAL) == (number == 0)


@pytest.mark.parametrize("number", [808, 809, 810, 811])
@STATES
def test_the_reserved_no_ops_are_no_ops_for_everybody(number, state):
    bench = Bench([asm.mfspr(3, number), asm.mtspr(number, 3)], msr=state, r3=7)
    bench.run(2)
    assert (bench.pc, bench.r(3)) == (START + 8, 7)


NARROW = {1: 0xE003_FFFF, 18: 0xFFFF_FFFF}


COUNTING = {308, 309, 849}
"""PURR, SPURR, VTB: they go on with the time base."""


@pytest.mark.parametrize("isa", [ISA_201, ISA_207, ISA_300])
def test_every_register_keeps_its_own_value(isa):
    stored = {n for n in range(1024) if spr.STORAGE[n] != spr.NOT_STORED} - set(spr.PROBLEM_STATE_NAMES) - COUNTING
    stored |= {1, 8, 9, 18, 19, 26, 27, 28, 272, 273, 274, 275, 304, 305, 311, 314, 315, 815, 1008, 1009}
    numbers = sorted(n for n in stored if spr.ACCESS[isa, n] != 0)
    program = [word for k, n in enumerate(numbers) for word in (asm.li(3, 1 + k), asm.mtspr(n, 3))]
    bench = Bench(program, isa=isa, msr=SF | HV | ME | MSR_TM)
    bench.run(2 * len(numbers))
    for k, n in enumerate(numbers):
        bench.put(0x7000, asm.mfspr(4, n))
        bench.set(nip=0x7000)
        bench.step()
        assert (n, bench.r(4)) == (n, 1 + k)


@pytest.mark.parametrize("number", sorted(COUNTING))
def test_registers_that_measure_time_go_on_with_the_time_base(number):
    bench = Bench([asm.mtspr(number, 3), *[asm.NOP] * 9, asm.mfspr(4, number)], isa=ISA_207, r3=1000)
    bench.run(11)
    assert bench.r(4) == 1010


@pytest.mark.parametrize("number", [*NARROW, 26, 27, 8, 9, 272, 314, 313])
def test_registers_have_their_architected_width(number):
    bench = Bench([asm.mtspr(number, 3), asm.mfspr(4, number)], r3=-1, isa=ISA_207)
    bench.run(2)
    assert bench.r(4) == NARROW.get(number, MASK64)


@pytest.mark.parametrize(("isa", "kept"), [(ISA_201, 0xE003_FFFF), (ISA_207, 0xE003_FFFF), (ISA_300, 0xE00F_FFFF)])
def test_xer_keeps_its_bits_and_the_low_18(isa, kept):
    """POWER9 Processor User's Manual: 46:56 are implemented, though the architecture reserves them."""
    bench = Bench([asm.mtspr(1, 3), asm.mfspr(4, 1)], r3=-1, isa=isa)
    bench.run(2)
    assert hex(bench.r(4)) == hex(kept)
    assert bench.cpu.xer_low == 0x3FFFF


@pytest.mark.parametrize(
    ("written", "read"), [(275, 259), (152, 136), (17, 3), (3, 17), (29, 13), (787, 771), (795, 779), (798, 782)]
)
def test_a_register_is_the_same_under_its_problem_state_number(written, read):
    bench = Bench([asm.mtspr(written, 3), asm.mfspr(4, read)], r3=0x1234, isa=ISA_207)
    bench.run(2)
    assert bench.r(4) == 0x1234


@pytest.mark.parametrize(("model", "version"), [(Model.PPC970, 0x00390202), (Model.POWER8, 0x004D0200)])
def test_the_processor_tells_its_version_and_its_number(model, version):
    program = [asm.mtspr(287, 3), asm.mtspr(1023, 3), asm.mfspr(4, 287), asm.mfspr(5, 1023)]
    bench = Bench(program, model=model, pir=3, r3=9)
    bench.run(4)
    assert (bench.r(4), bench.r(5)) == (version, 3)


def test_there_is_a_place_for_every_register_that_is_stored():
    places = {}
    for number in range(1024):
        place = int(spr.STORAGE[number])
        if place != spr.NOT_STORED:
            assert place < CONTEXT["spr"].shape[0]
            places.setdefault(place, []).append(number)
    shared = [numbers for numbers in places.values() if len(numbers) > 1]
    assert all(numbers in ([3, 17], [13, 29], [136, 152]) or numbers[1] - numbers[0] == 16 for numbers in shared)


# ---- Nothing of a guest's making reaches the host ----


def test_every_operation_of_the_table_can_be_executed():
    """With odd operands, in every state: it completes, interrupts or tells why it stops."""
    for state in (USER, SUPERVISOR, HYPERVISOR):
        bench = Bench(model=Model.POWER8)
        outside = bench.outside()
        for row in INSTRUCTIONS:
            for operands in (0x00A4_2800, 0x03FF_F800, 0x0081_8000):
                bench.set(nip=START, r4=0x8000_0000_0000_7FFF, r5=3, r1=-1, msr=state)
                bench.put(START, fixed(row) | operands)
                bench.run(1)
                assert bench.outside() == outside, row.mnemonic
                assert bench.cpu.gpr[32] == 0, row.mnemonic


@pytest.mark.parametrize("number", [152, 159, 188, 256, 306, 319, 787, 792, 801, 803, 898])
def test_registers_of_a_word_keep_a_word(number):
    bench = Bench([asm.mtspr(number, 3), asm.mfspr(4, number)], r3=-1, isa=ISA_207, msr=HYPERVISOR)
    bench.run(2)
    assert bench.r(4) == 0xFFFFFFFF
