"""A processor on a bench: one context, some RAM, a program, and nothing around it."""

import hashlib

import numpy as np

import irqvisor.hv.state
import irqvisor.hw.wiring
import irqvisor.trace  # noqa: F401  a buffer has every table
from irqvisor import tables
from irqvisor._jit import entry, jit
from irqvisor.hw import memory, spr
from irqvisor.hw.interpret import interpreter
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import CODE_STRIDE, LEVEL_OF, NEVER, WATCHED, Model, RegionKind, context, pcpu
from irqvisor.hw.timer import set_decrementer
from irqvisor.spec.power_isa import MSR_EE, MSR_HV, MSR_ME, MSR_SF
from irqvisor.tables import Table, borrow

PAGE = 4096
RAM_BYTES = 0x8000
START = 0x2000
"""Where programs are, unless a test says otherwise."""
ROM = 0x4000_0000
ROM_BYTES = 0x1000
DEVICE = 0x5000_0000
"""A device: what is stored there can be seen in pcpu.watch_at and watch_new."""
MASK64 = (1 << 64) - 1
SF, HV, ME, EE = MSR_SF, MSR_HV, MSR_ME, MSR_EE
STORED = ("FSCR", "HFSCR", "BESCR", "EBBRR", "HEIR", "PSSCR")
"""Registers that `Bench.set` finds in ``context.spr``."""
EXC_ENTRY, EXC_RETURN = 5, 3
"""Cycles that an interrupt and the return from one take here."""


@jit
def nobody(m, p):
    """A hypervisor that answers no call."""
    return False


interpret = interpreter(nobody)


@entry
def run(m, p, quota):
    return interpret(borrow(m), p, quota)


@entry
def write_ram(m, a, size, value):
    memory.write_ram(borrow(m), a, size, value)


@entry
def write_dec(m, p, value):
    m = borrow(m)
    set_decrementer(m, context(m, pcpu(m, p).context), pcpu(m, p).now, value)


def signed(value):
    """A 64-bit pattern as the records keep it."""
    return ((value & MASK64) ^ (1 << 63)) - (1 << 63)


def unsigned(value):
    return int(value) & MASK64


class Bench:
    """A machine with one pCPU. RAM is at real address 0, with another partition's RAM on both sides of it."""

    def __init__(
        self,
        program=(),
        *,
        at=START,
        msr=SF | HV | ME,
        model=Model.PPC970,
        isa=None,
        hypervisor=False,
        cpi=1,
        tb=(1, 1),
        code_pages=None,
        little=False,
        **registers,
    ):
        self.state = tables.allocate(
            {
                Table.HEADER: 1,
                Table.PCPU: 2,
                Table.CONTEXT: 2,
                Table.REGION: 3,
                Table.PIC: 1,
                Table.REQUEST: 1,
                Table.EVENT: 4,
                Table.OBSERVED: 1,
                Table.PCPU_COUNT: 2,
                Table.CONTEXT_COUNT: 2,
                Table.DOMAIN_COUNT: 1,
                Table.CODEMAP: 3 * RAM_BYTES // PAGE,
            }
        )
        self.ram = np.zeros(3 * RAM_BYTES, np.uint8)
        self.code = np.zeros(1 + (code_pages or len(self.ram) // PAGE) * CODE_STRIDE, tables.CODE)
        self.arrays = tables.arrays(self.state, self.ram, self.code)
        self.views = tables.Views(self.state)
        self.base = RAM_BYTES
        h = self.header
        h.n_pcpu, h.n_context, h.cpi, h.horizon, h.event_capacity = 2, 2, cpi, NEVER, 4
        h.tb_num, h.tb_den = tb
        h.exc_entry, h.exc_return = EXC_ENTRY, EXC_RETURN
        for p, pc in enumerate(self.views[Table.PCPU]):
            pc.model, pc.hypervisor, pc.context, pc.hdec_at = int(model), int(hypervisor), p, NEVER
            pc.isa = LEVEL_OF[model] if isa is None else isa
        self._regions()
        cpu = self.cpu
        cpu.win_base, cpu.win_size, cpu.region, cpu.regions = self.base, RAM_BYTES, 0, 3
        cpu.msr, cpu.nip = signed(msr), signed(at)
        self.mtdec(0x7FFFFFFF)
        self.put(at & (PAGE * 8 - 1), program, little=little)
        self.set(**registers)

    def _regions(self):
        """RAM at 0, ROM at `ROM`: the last page of the RAM array. A board register at `DEVICE`."""
        wired = (
            (0, RAM_BYTES, RegionKind.RAM, self.base),
            (ROM, ROM_BYTES, RegionKind.ROM, 3 * RAM_BYTES - ROM_BYTES),
            (DEVICE, PAGE, RegionKind.BOARD, 0),
        )
        for r, (start, size, kind, ram) in zip(self.views[Table.REGION], wired, strict=False):
            r.start, r.bytes, r.kind, r.ram = start, size, int(kind), ram

    @property
    def header(self):
        return self.views[Table.HEADER][0]

    @property
    def cpu(self):
        return self.views[Table.CONTEXT][0]

    @property
    def pcpu(self):
        return self.views[Table.PCPU][0]

    @property
    def pc(self):
        return unsigned(self.cpu.nip)

    @property
    def msr(self):
        return int(self.cpu.msr)

    def r(self, n):
        """A general register, unsigned."""
        return unsigned(self.cpu.gpr[n])

    def set(self, **registers):
        """Registers by name: r3=, srr0=, external= (the input line), doorbell= ..."""
        for name, value in registers.items():
            if name in {"external", "doorbell"}:
                self.pcpu[name] = value
            elif name[0] == "r" and name[1:].isdecimal():
                self.cpu.gpr[int(name[1:])] = signed(value)
            elif name.upper() in STORED:
                self.cpu.spr[getattr(spr, name.upper())] = signed(value)
            else:
                self.cpu[name] = signed(value)
        return self

    def mtdec(self, value):
        """Set DEC now."""
        write_dec(self.arrays, 0, value)

    def put(self, address, words, *, little=False):
        """Write a program, or one word, as a loader does: nothing stays decoded."""
        words = [words] if isinstance(words, int) else list(words)
        data = b"".join(word.to_bytes(4, "little" if little else "big") for word in words)
        self.poke(address, data)

    def poke(self, address, data):
        at = self.base + address
        self.ram[at : at + len(data)] = np.frombuffer(data, np.uint8)
        self.enlarge_pool((len(self.code) - 1) // CODE_STRIDE)

    def peek(self, address, size):
        """Big-endian memory at a guest real address."""
        at = self.base + address
        return int.from_bytes(self.ram[at : at + size].tobytes(), "big")

    def watch(self, address, size=PAGE):
        """The hypervisor wants to see stores to these bytes of a page."""
        self.cpu.watch_from, self.cpu.watch_to = self.base + address, self.base + address + size
        self.views[Table.CODEMAP][(self.base + address) // PAGE].entry |= WATCHED

    def enlarge_pool(self, pages):
        """A larger pool of decoded pages, empty, as `Machine` makes one."""
        self.code = np.zeros(1 + pages * CODE_STRIDE, tables.CODE)
        self.arrays = tables.arrays(self.state, self.ram, self.code)
        self.views[Table.CODEMAP].entry[:] &= WATCHED

    def outside(self):
        """Every byte of the RAM array that does not belong to this partition."""
        return self.ram[: self.base].tobytes() + self.ram[self.base + RAM_BYTES :].tobytes()

    def run(self, quota):
        """Execute up to `quota` instructions; why it stopped."""
        return Outcome(int(run(self.arrays, 0, quota)))

    def step(self):
        """Execute exactly one instruction (an interrupt that is due comes first), then nothing."""
        before = int(self.pcpu.icount)
        outcome = self.run(1)
        assert int(self.pcpu.icount) == before + 1
        return outcome

    def look(self):
        """Take what is due before the next instruction, and execute nothing."""
        return self.run(0)

    def write_from_outside(self, address, size, value):
        """A store by a device."""
        write_ram(self.arrays, self.base + address, size, value)

    def digest(self):
        """Everything that decides what happens next."""
        h = hashlib.sha256(tables.behaviour(self.state))
        h.update(self.ram)
        return h.hexdigest()


def assert_entered(bench, vector, *, srr0, srr1, msr):
    """The context has just entered a vector, and this is what it finds there."""
    assert hex(bench.pc) == hex(vector)
    assert hex(unsigned(bench.cpu.srr0)) == hex(unsigned(srr0))
    assert hex(unsigned(bench.cpu.srr1)) == hex(unsigned(srr1))
    assert hex(unsigned(bench.msr)) == hex(unsigned(msr))
