"""Hypercalls, returns and enablings inside host code: the same as in the interpreter, whatever the hypervisor does."""

import pytest

from hw import asm
from hw.bench import EE, EXC_RETURN, HV, ME, SF, START, Bench
from irqvisor._jit import entry, jit
from irqvisor.hw import memory, ops, panel
from irqvisor.hw.interpret import interpreter
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import CODE_PAGE, ISA_207, PAGE_SHIFT, PAGE_WORDS, context, header, pcpu
from irqvisor.spec.power_isa import MSR_LE, MSR_PR, MSR_RI
from irqvisor.tables import Table, borrow
from irqvisor.translation import install
from irqvisor.translation.region import regions

pytestmark = pytest.mark.compiled

COUNT, REWRITE, JUMP, MODE, REFUSE, WAIT, RAISE, TIME = range(8)
"""What this hypervisor is asked to do, in r3; how, in r4 and r5."""
WAITED = 1000
"""Cycles."""


@jit
def hypercall(m, p):
    """Count calls in r6; then whatever may keep the caller from going on at once."""
    pc = pcpu(m, p)
    cpu = context(m, pc.context)
    cpu.gpr[6] += 1
    asked = cpu.gpr[3]
    if asked == REWRITE:
        memory.write_ram(m, cpu.win_base + cpu.gpr[4], 4, cpu.gpr[5])
    elif asked == JUMP:
        cpu.nip = cpu.gpr[4]
    elif asked == MODE:
        cpu.msr ^= cpu.gpr[4]
    elif asked == WAIT:
        pc.now += WAITED
    elif asked == RAISE:
        pc.external = 1
    elif asked == TIME:
        header(m).horizon = pc.now + cpu.gpr[4]
    return asked != REFUSE


interpret = interpreter(hypercall)


@entry
def run(m, p, quota):
    return interpret(borrow(m), p, quota)


class Guest(Bench):
    """A guest of that hypervisor."""

    def __init__(self, program, **settings):
        super().__init__(program, hypervisor=True, isa=ISA_207, code_pages=8, **settings)

    def run(self, quota):
        return Outcome(int(run(self.arrays, 0, quota)))

    def translate(self):
        """Host code for the page of NIP, which has to be decoded."""
        at = self.base + self.pc
        number = int(self.views[Table.CODEMAP][at >> PAGE_SHIFT].entry) & CODE_PAGE
        first = install.prepare(self.code, number)
        panel.decode_page(self.arrays, 0, self.pc & -4 * PAGE_WORDS, first)
        for region in regions(self.code[first : first + PAGE_WORDS], ISA_207):
            install.install(self.code, number, region)

    def host_words(self):
        return int((self.code["op"] == ops.HOST).sum())


def loop(asked, r4=0, r5=0, turns=7):
    """Ask so often; r7 counts what comes behind the calls."""
    return [
        asm.li(8, turns),
        asm.mtspr(9, 8),
        asm.li(3, asked),
        asm.li(4, r4),
        asm.li(5, r5),
        asm.sc(1),
        asm.addi(7, 7, 1),
        asm.bdnz(-20),
        asm.TRAP,
    ]


BEHIND = START + 6 * 4
"""Where the loop goes on after a call."""


def pair(program, **settings):
    """The same guest after its first instruction, without and with host code."""
    guests = Guest(program, **settings), Guest(program, **settings)
    for guest in guests:
        guest.run(1)
    guests[1].translate()
    assert guests[1].host_words()
    return guests


def state(guest):
    return guest.digest(), int(guest.pcpu.icount), int(guest.pcpu.now)


@pytest.mark.parametrize("cpi", [1, 2, 3])
@pytest.mark.parametrize("asked", [COUNT, WAIT, REFUSE, RAISE, TIME])
def test_every_quota_ends_at_the_same_instruction(asked, cpi):
    for quota in range(1, 60):
        plain, fast = pair(loop(asked, r4=11), cpi=cpi, msr=SF | ME | MSR_RI)
        assert plain.run(quota) == fast.run(quota), quota
        assert state(plain) == state(fast), quota


def test_all_calls_are_answered_and_what_is_behind_them_is_done():
    _, fast = pair(loop(COUNT))
    assert fast.run(35) == Outcome.LIMIT
    assert (fast.r(6), fast.r(7)) == (6, 5)


def test_words_that_a_hypercall_writes_are_executed():
    word = asm.addi(7, 7, 100)
    program = loop(REWRITE, r4=BEHIND)
    program[4] = asm.lwz(5, 0x3000, 0)
    guests = pair(program)
    for guest in guests:
        guest.put(0x3000, word)  # nothing stays decoded
        guest.run(1)
    guests[1].translate()
    plain, fast = guests
    for guest in guests:
        guest.run(50)
    assert state(plain) == state(fast)
    assert fast.r(7) == 700


@pytest.mark.parametrize("target", [START + 4 * 7, START + 4 * 8, 0x100], ids=["in the loop", "behind it", "elsewhere"])
def test_a_hypercall_may_move_its_caller(target):
    plain, fast = pair(loop(JUMP, r4=target))
    for guest in (plain, fast):
        guest.put(0x100, [asm.b(4 * 7 + START - 0x100)])
        guest.run(40)
    assert state(plain) == state(fast)


@pytest.mark.parametrize("bits", [MSR_PR, EE, MSR_RI, 0x400], ids=["PR", "EE", "RI", "SE"])
def test_a_hypercall_may_change_its_callers_state(bits):
    for quota in range(1, 50):
        plain, fast = pair(loop(MODE, r4=bits), msr=SF | ME | MSR_RI)
        for guest in (plain, fast):
            guest.run(quota)
        assert state(plain) == state(fast), quota


def test_a_page_that_is_turned_round_forgets_its_copy_too():
    """Translated in big-endian mode; then the same bytes are other instructions."""
    either_way = asm.addi(7, 7, 0x138)  # from behind: addi 0, 1, -6344
    plain, fast = pair([either_way] * 5 + [asm.TRAP])
    for guest in (plain, fast):
        guest.cpu.msr |= MSR_LE
        guest.cpu.nip = START
        guest.run(3)
    fast.translate()
    for guest in (plain, fast):
        guest.run(2)
    assert state(plain) == state(fast)
    assert fast.r(7) == 0x138


def test_an_interrupt_returns_and_an_enabling_enables_in_host_code():
    handler = [asm.addi(7, 7, 1), asm.mtmsrd(9, 1), asm.NOP, asm.mtmsrd(10, 1), asm.RFID]
    program = [*handler, asm.NOP, asm.TRAP]
    for quota in range(1, 30):
        guests = pair(program, msr=SF | ME | MSR_RI, r9=EE | MSR_RI, r10=0)
        for guest in guests:
            guest.set(srr0=START, srr1=SF | ME | MSR_RI)
        plain, fast = guests
        assert plain.run(quota) == fast.run(quota)
        assert state(plain) == state(fast), quota
    assert fast.r(7) == 6
    assert int(fast.pcpu.now) == 30 + 6 * EXC_RETURN


def test_bare_metal_has_no_gate():
    program = loop(COUNT)
    guest = Guest(program, msr=SF | HV | ME)
    guest.pcpu.hypervisor = 0
    guest.run(1)
    guest.translate()
    guest.run(5)
    assert guest.pc == 0xC00
    assert guest.r(6) == 0
