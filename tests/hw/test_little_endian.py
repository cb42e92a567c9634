"""Little-endian mode: MSR[LE] for instructions and data, and who changes it (Power ISA Book I, Byte Ordering; Book
III-S, Machine State Register and Interrupt Processing)."""

import pytest

from hw import asm
from hw.bench import DEVICE, EE, HV, ME, PAGE, SF, START, Bench, assert_entered
from irqvisor.hw import spr
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import ISA_201, ISA_207, ISA_300, LITTLE, Model, Stop, Table
from irqvisor.spec.power_isa import (
    CAUSE_TRAP,
    HID0_POWER8_HILE,
    HID0_POWER9_HILE,
    LPCR_ILE,
    LPCR_LPES0,
    MSR_LE,
    MSR_RI,
)

LE = MSR_LE
AT = 0x3000
DATA = bytes(range(0x81, 0x91))
NEW = 0x99AA_BBCC_DDEE_FF81


def bench_for(*program, **registers):
    """A program in little-endian order and mode; r5 = AT, where DATA is; r4 = NEW, r6 = 8."""
    options = {"model": Model.POWER8, "msr": SF | HV | ME | LE, "r4": NEW, "r5": AT, "r6": 8} | registers
    bench = Bench(program, little=True, **options)
    bench.poke(AT, DATA)
    return bench


def at(offset, size, *, signed=False):
    """The little-endian number in DATA, as a register holds it."""
    return int.from_bytes(DATA[offset : offset + size], "little", signed=signed) & (1 << 64) - 1


def reversed_at(offset, size):
    return int.from_bytes(DATA[offset : offset + size], "big")


# ---- Data ----

LOADS = {
    "lbz": (asm.lbz(3, 1, 5), at(1, 1)),
    "lhz": (asm.lhz(3, 1, 5), at(1, 2)),
    "lha": (asm.lha(3, 1, 5), at(1, 2, signed=True)),
    "lwz": (asm.lwz(3, 3, 5), at(3, 4)),
    "lwa": (asm.lwa(3, 4, 5), at(4, 4, signed=True)),
    "ld": (asm.ld(3, 4, 5), at(4, 8)),
    "lhzx": (asm.lhzx(3, 5, 6), at(8, 2)),
    "lhax": (asm.lhax(3, 5, 6), at(8, 2, signed=True)),
    "lwzx": (asm.lwzx(3, 5, 6), at(8, 4)),
    "lwax": (asm.lwax(3, 5, 6), at(8, 4, signed=True)),
    "ldx": (asm.ldx(3, 5, 6), at(8, 8)),
    "lhbrx": (asm.lhbrx(3, 5, 6), reversed_at(8, 2)),
    "lwbrx": (asm.lwbrx(3, 5, 6), reversed_at(8, 4)),
    "ldbrx": (asm.ldbrx(3, 5, 6), reversed_at(8, 8)),
}
UPDATES = {
    "lbzu": (asm.lbzu(3, 8, 5), at(8, 1)),
    "lhzu": (asm.lhzu(3, 8, 5), at(8, 2)),
    "lhau": (asm.lhau(3, 8, 5), at(8, 2, signed=True)),
    "lwzu": (asm.lwzu(3, 8, 5), at(8, 4)),
    "ldu": (asm.ldu(3, 8, 5), at(8, 8)),
    "lhzux": (asm.lhzux(3, 5, 6), at(8, 2)),
    "lhaux": (asm.lhaux(3, 5, 6), at(8, 2, signed=True)),
    "lwzux": (asm.lwzux(3, 5, 6), at(8, 4)),
    "lwaux": (asm.lwaux(3, 5, 6), at(8, 4, signed=True)),
    "ldux": (asm.ldux(3, 5, 6), at(8, 8)),
}
STORES = {
    "stb": (1, asm.stb(4, 8, 5), False),
    "sth": (2, asm.sth(4, 8, 5), False),
    "stw": (4, asm.stw(4, 8, 5), False),
    "std": (8, asm.std(4, 8, 5), False),
    "sthx": (2, asm.sthx(4, 5, 6), False),
    "stwx": (4, asm.stwx(4, 5, 6), False),
    "stdx": (8, asm.stdx(4, 5, 6), False),
    "sthbrx": (2, asm.sthbrx(4, 5, 6), True),
    "stwbrx": (4, asm.stwbrx(4, 5, 6), True),
    "stdbrx": (8, asm.stdbrx(4, 5, 6), True),
    "stbu": (1, asm.stbu(4, 8, 5), False),
    "sthu": (2, asm.sthu(4, 8, 5), False),
    "stwu": (4, asm.stwu(4, 8, 5), False),
    "stdu": (8, asm.stdu(4, 8, 5), False),
    "sthux": (2, asm.sthux(4, 5, 6), False),
    "stwux": (4, asm.stwux(4, 5, 6), False),
    "stdux": (8, asm.stdux(4, 5, 6), False),
}
WATCHED = pytest.mark.parametrize("watched", [False, True], ids=["plain", "watched"])


@pytest.mark.parametrize("name", LOADS | UPDATES)
def test_a_load_takes_the_lowest_byte_first(name):
    word, expected = (LOADS | UPDATES)[name]
    bench = bench_for(word)
    bench.step()
    assert (bench.pc, hex(bench.r(3))) == (START + 4, hex(expected))
    assert bench.r(5) == (AT + 8 if name in UPDATES else AT)


@WATCHED
@pytest.mark.parametrize("name", STORES)
def test_a_store_puts_the_lowest_byte_first(name, watched):
    """On a watched page too, which is not the run loop's business."""
    size, word, is_reversed = STORES[name]
    bench = bench_for(word)
    if watched:
        bench.watch(AT)
    assert bench.step() == (Outcome.STORED if watched else Outcome.LIMIT)
    low = NEW & (1 << 8 * size) - 1
    stored = low.to_bytes(8, "big")[8 - size :] if is_reversed else low.to_bytes(size, "little")
    assert bench.peek(AT + 8, size) == int.from_bytes(stored, "big")
    assert bench.peek(AT, 8) == int.from_bytes(DATA[:8], "big")
    assert bench.r(5) == (AT + 8 if name.removesuffix("x").endswith("u") else AT)


@pytest.mark.parametrize("name", ["lhz", "lha", "lwz", "lwa", "ld", "lhbrx", "lwbrx", "ldbrx"])
def test_a_load_from_another_region_is_the_same(name):
    """ROM, through `storage.data_access`."""
    word, expected = LOADS[name]
    bench = bench_for(word, r5=0x4000_0000)
    rom = len(bench.ram) - 0x1000
    bench.ram[rom : rom + 16] = list(DATA)
    bench.step()
    assert hex(bench.r(3)) == hex(expected)


def test_a_device_register_is_big_endian_whatever_the_mode():
    """Bytes have their addresses: a little-endian store of a register's value arrives with its bytes reversed, and a
    byte-reversed store as it is."""
    bench = bench_for(asm.stw(4, 8, 5), r5=DEVICE, r4=0x1122_3344)
    assert bench.step() == Outcome.BOARD
    assert (bench.pcpu.watch_at, bench.pcpu.watch_new) == (8, 0x4433_2211)
    bench = bench_for(asm.stwbrx(4, 0, 5), r5=DEVICE, r4=0x1122_3344)
    assert bench.step() == Outcome.BOARD
    assert bench.pcpu.watch_new == 0x1122_3344


RESERVATIONS = {
    2: (asm.lharx, asm.sthcx),
    4: (asm.lwarx, asm.stwcx),
    8: (asm.ldarx, asm.stdcx),
}


@pytest.mark.parametrize("size", RESERVATIONS)
def test_reservations_see_memory_in_the_same_order(size):
    load, store = RESERVATIONS[size]
    bench = bench_for(load(3, 0, 5), store(4, 0, 5))
    bench.run(2)
    assert hex(bench.r(3)) == hex(at(0, size))
    assert bench.peek(AT, size) == int.from_bytes((NEW & (1 << 8 * size) - 1).to_bytes(size, "little"), "big")


def test_quadwords_have_their_low_half_in_the_odd_register():
    """Book I, Load Quadword: the even register gets the doubleword at EA+8, each byte-reversed."""
    program = [asm.lq(8, 0, 5), asm.lqarx(10, 0, 5), asm.stqcx(12, 0, 5), asm.stq(12, 16, 5)]
    bench = bench_for(*program, r12=0x1111_2222_3333_4444, r13=0x5555_6666_7777_8888)
    bench.run(4)
    assert [hex(bench.r(n)) for n in (8, 9)] == [hex(at(8, 8)), hex(at(0, 8))]
    assert [bench.r(10), bench.r(11)] == [bench.r(8), bench.r(9)]
    stored = int.from_bytes((0x1111_2222_3333_4444 << 64 | 0x5555_6666_7777_8888).to_bytes(16, "little"), "big")
    assert hex(bench.peek(AT, 16)) == hex(bench.peek(AT + 16, 16)) == hex(stored)


@pytest.mark.parametrize("name", ["lhzcix", "lwzcix", "ldcix"])
def test_cache_inhibited_accesses_see_memory_in_the_same_order(name):
    size, store = {"lhzcix": (2, asm.sthcix), "lwzcix": (4, asm.stwcix), "ldcix": (8, asm.stdcix)}[name]
    bench = bench_for(getattr(asm, name)(3, 0, 5), store(4, 5, 6))
    bench.run(2)
    assert hex(bench.r(3)) == hex(at(0, size))
    assert bench.peek(AT + 8, size) == int.from_bytes((NEW & (1 << 8 * size) - 1).to_bytes(size, "little"), "big")


@pytest.mark.parametrize(
    "word",
    [
        asm.lmw(20, 0, 5),
        asm.stmw(20, 0, 5),
        asm.lswi(20, 5, 4),
        asm.stswi(20, 5, 4),
        asm.lswx(20, 0, 5),
        asm.stswx(20, 0, 5),
    ],
)
def test_multiples_and_strings_raise_an_alignment_interrupt(word):
    bench = bench_for(word, xer_low=0, r20=7)
    bench.step()
    assert_entered(bench, 0x600, srr0=START, srr1=SF | HV | ME | LE, msr=SF | HV | ME)
    assert (bench.cpu.dar, bench.cpu.dsisr) == (AT, word >> 16 & 0x3FF)
    assert (bench.r(20), bench.peek(AT, 16)) == (7, int.from_bytes(DATA, "big"))


# ---- Instructions ----

BOTH_ORDERS = int.from_bytes(asm.b(8).to_bytes(4, "little"), "big")
"""In little-endian mode b .+8, in big-endian mode tdi 0,0,0x48, which does nothing."""


def test_the_usual_trick_at_an_entry_point_tells_the_modes_apart():
    assert asm.tdi(0, 0, 0x48) == BOTH_ORDERS
    program = [BOTH_ORDERS, asm.li(3, 1), asm.NOP]
    big = Bench(program, model=Model.POWER8)
    big.run(2)
    assert (big.pc, big.r(3)) == (START + 8, 1)
    little = Bench(program, model=Model.POWER8, msr=SF | HV | ME | LE)
    little.run(1)
    assert (little.pc, little.r(3)) == (START + 8, 0)


def test_a_kernel_that_enters_big_endian_turns_little_endian_by_rfid_in_the_same_page():
    """Linux, FIXUP_ENDIAN: the words of the trampoline are in big-endian order inside a little-endian image."""
    trampoline = [
        asm.mfmsr(11),
        26 << 26 | 11 << 21 | 11 << 16 | 1,  # xori 11,11,1
        asm.mtspr(27, 11),
        asm.li(10, START + 32),
        asm.mtspr(26, 10),
        asm.RFID,
    ]
    bench = Bench([BOTH_ORDERS, asm.NOP, *trampoline], model=Model.POWER8, r5=AT)
    bench.put(START + 32, [asm.li(3, 5), asm.mfmsr(4), asm.lwz(6, 0, 5), asm.b(-8)], little=True)
    bench.poke(AT, DATA)
    bench.run(8 + 3)
    assert (bench.r(3), bench.r(4)) == (5, (SF | HV | ME | LE) & (1 << 64) - 1)
    assert hex(bench.r(6)) == hex(at(0, 4))
    bench.run(10)
    assert START + 36 <= bench.pc <= START + 44


def test_the_same_words_mean_something_else_each_time_the_mode_changes():
    """An rfid to itself in the other mode, again and again, all in one page."""
    one_way = asm.RFID
    bench = Bench(model=Model.POWER8, srr0=START, r5=AT)
    bench.put(START, BOTH_ORDERS)  # big-endian: falls through; little-endian: to START + 8
    bench.put(START + 4, [asm.addi(3, 3, 1)])
    bench.put(START + 8, [asm.addi(4, 4, 1), one_way], little=True)
    for count in range(1, 4):
        bench.set(nip=START, msr=SF | HV | ME)
        bench.run(2)
        bench.set(nip=START, msr=SF | HV | ME | LE, srr1=SF | HV | ME)
        bench.run(3)
        assert (bench.pc, bench.msr, bench.r(3), bench.r(4)) == (START, SF | HV | ME, count, count)
        bench.run(1)
        assert bench.pc == START + 4


def test_words_already_executed_are_decoded_again_when_rfid_changes_the_mode_on_the_way():
    bench = Bench([BOTH_ORDERS, asm.RFID], model=Model.POWER8, srr0=START, srr1=SF | HV | LE)
    bench.put(START + 8, asm.addi(4, 4, 1), little=True)
    bench.run(4)
    assert (bench.pc, bench.r(4)) == (START + 12, 1)


def test_a_page_remembers_the_mode_it_was_decoded_in():
    bench = Bench([asm.NOP, asm.NOP], model=Model.POWER8)
    entries = bench.views[Table.CODEMAP].entry
    page = (bench.base + START) // PAGE
    bench.run(1)
    assert entries[page] == 1
    bench.set(msr=SF | LE, nip=START)
    bench.run(1)
    assert entries[page] == 1 | LITTLE
    assert bench.code[0]["imm"] == 1


def test_a_shared_pool_is_made_private_before_its_pages_change_their_mode():
    bench = Bench([asm.NOP, asm.NOP], model=Model.POWER8)
    bench.run(1)
    before = bench.code.copy()
    bench.code[0]["x"] = 1
    before[0]["x"] = 1
    bench.set(msr=SF | LE, nip=START)
    assert bench.run(1) == Outcome.AGAIN
    assert bench.views[Table.REQUEST][0].reason == Stop.CODE
    assert bench.code.tobytes() == before.tobytes()


def test_a_store_changes_little_endian_code_too():
    bench = bench_for(asm.stw(4, 8, 5), asm.NOP, asm.li(3, 1), r5=START, r4=asm.li(3, 2))
    bench.set(nip=START + 8)
    bench.run(1)
    assert bench.r(3) == 1
    bench.set(nip=START)
    bench.run(3)
    assert bench.r(3) == 2


@pytest.mark.parametrize("isa", [ISA_207, ISA_300])
def test_an_illegal_instruction_is_kept_as_a_number_not_as_bytes(isa):
    bench = bench_for(0x0000_0001, isa=isa)
    bench.step()
    assert (bench.pc, bench.cpu.spr[spr.HEIR]) == (0xE40, 1)


# ---- Who changes LE ----

INTERRUPTED = SF | ME | EE | MSR_RI


@pytest.mark.parametrize("before", [0, LE])
@pytest.mark.parametrize("ile", [0, LPCR_ILE])
def test_a_partitions_interrupts_take_le_from_ile(before, ile):
    bench = Bench(
        [asm.TRAP], little=before != 0, msr=INTERRUPTED | before, model=Model.POWER8, lpcr=ile, hid0=HID0_POWER8_HILE
    )
    bench.step()
    msr = SF | ME | (LE if ile else 0)
    assert_entered(bench, 0x700, srr0=START, srr1=INTERRUPTED | before | CAUSE_TRAP, msr=msr)


@pytest.mark.parametrize(("isa", "hile"), [(ISA_207, HID0_POWER8_HILE), (ISA_300, HID0_POWER9_HILE)])
@pytest.mark.parametrize("on", [False, True])
def test_hypervisor_interrupts_take_le_from_hile(isa, hile, on):
    """System calls, HSRR-type interrupts, and those of hypervisor state itself."""
    for word, vector in ((asm.sc(1), 0xC00), (asm.ILLEGAL, 0xE40)):
        bench = Bench([word], msr=INTERRUPTED, isa=isa, model=Model.POWER8, lpcr=LPCR_ILE, hid0=hile if on else 0)
        bench.step()
        assert (bench.pc, bench.msr & LE) == (vector, LE if on else 0)
    bench = Bench([asm.TRAP], msr=SF | HV | ME, isa=isa, model=Model.POWER8, lpcr=LPCR_ILE, hid0=hile if on else 0)
    bench.step()
    assert (bench.pc, bench.msr & LE) == (0x700, LE if on else 0)


def test_an_external_interrupt_takes_le_from_ile_and_its_handler_is_fetched_in_that_order():
    bench = Bench([asm.NOP], msr=INTERRUPTED, model=Model.POWER8, lpcr=LPCR_LPES0 | LPCR_ILE, external=1)
    bench.put(0x500, [asm.li(3, 7), asm.lwz(4, 0x600, 0), asm.RFID], little=True)
    bench.poke(0x600, DATA)
    bench.run(3)
    assert (bench.r(3), hex(bench.r(4))) == (7, hex(at(0, 4)))
    assert (bench.pc, bench.msr) == (START, INTERRUPTED)


@pytest.mark.parametrize("word", [asm.RFID, asm.HRFID])
def test_returns_load_le_except_on_a_970(word):
    for isa, expected in ((ISA_201, 0), (ISA_207, LE), (ISA_300, LE)):
        bench = Bench([word], isa=isa, srr0=AT, hsrr0=AT, srr1=SF | HV | LE, hsrr1=SF | HV | LE)
        bench.step()
        assert bench.msr & LE == expected


def test_a_970_is_big_endian_in_its_handlers_too():
    bench = Bench([asm.TRAP], msr=INTERRUPTED, lpcr=LPCR_ILE, hid0=HID0_POWER8_HILE)
    bench.step()
    assert bench.msr & LE == 0
