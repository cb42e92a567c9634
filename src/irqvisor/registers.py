"""Registers of a machine's processors by name, for people and harnesses: ``machine.cpu[0].gpr[3]``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from irqvisor.errors import UsageError
from irqvisor.hw import panel
from irqvisor.hw.state import ISA_300
from irqvisor.hw.undefined import XER_KEPT_LOW
from irqvisor.spec import power_isa
from irqvisor.tables import Table

if TYPE_CHECKING:
    from irqvisor.machine import Machine

MASK64 = (1 << 64) - 1


def as_signed(value: int, name: str) -> int:
    """A 64-bit number, of either sign, as records keep it."""
    if not -(1 << 63) <= value <= MASK64:
        raise UsageError(f"{name} = {value:#x}", "does not fit into a register", "64 bits")
    return ((value & MASK64) ^ (1 << 63)) - (1 << 63)


class Field:
    """A register that is a field of the context."""

    def __init__(self, field: str, place: int | None = None) -> None:
        self._field = field
        self._place = place

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, cpu: "Cpu", owner: type) -> int:
        value = cpu.record[self._field]
        return int(value if self._place is None else value[self._place]) & MASK64

    def __set__(self, cpu: "Cpu", value: int) -> None:
        if self._place is None:
            cpu.record[self._field] = as_signed(value, self._name)
        else:
            cpu.record[self._field][self._place] = as_signed(value, self._name)


class Spr:
    """A register that counts by itself, or whose bits are not all its own: read and written as by an instruction."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __get__(self, cpu: "Cpu", owner: type) -> int:
        return cpu.read_spr(self._number)

    def __set__(self, cpu: "Cpu", value: int) -> None:
        cpu.write_spr(self._number, value)


class Gprs(Sequence[int]):
    """The general registers of a context, to be read and written like a list of 32 numbers."""

    def __init__(self, registers: np.ndarray[Any, Any]) -> None:
        self._registers = registers

    def __len__(self) -> int:
        return len(self._registers)

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return self._registers[which].view(np.uint64).tolist()
        return int(self._registers[which]) & MASK64

    def __setitem__(self, which: int | slice, value: Any) -> None:
        if isinstance(which, slice):
            self._registers[which] = [as_signed(int(x), "gpr") for x in value]
        else:
            self._registers[which] = as_signed(int(value), f"gpr[{which}]")

    def __eq__(self, other: object) -> bool:
        return bool(self[:] == (other[:] if isinstance(other, Gprs) else other))

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __repr__(self) -> str:
        return f"[{', '.join(hex(x) for x in self)}]"


class Cpu:
    """The context that a pCPU runs, or ran last: its registers by name, to be read and written.

    Values are plain Python integers, unsigned when read.
    """

    __slots__ = ("_machine", "_number", "_pcpu")

    pc = Field("nip")
    msr = Field("msr")
    lr = Field("lr")
    ctr = Field("ctr")
    tar = Field("tar")
    cfar = Field("cfar")
    srr0 = Field("srr0")
    srr1 = Field("srr1")
    hsrr0 = Field("hsrr0")
    hsrr1 = Field("hsrr1")
    dar = Field("dar")
    dsisr = Spr(power_isa.SPR_DSISR)
    sprg0 = Field("sprg", 0)
    sprg1 = Field("sprg", 1)
    sprg2 = Field("sprg", 2)
    sprg3 = Field("sprg", 3)
    hsprg0 = Field("hsprg", 0)
    hsprg1 = Field("hsprg", 1)
    lpcr = Spr(power_isa.SPR_LPCR)
    hid0 = Field("hid0")
    hid1 = Field("hid1")
    hid4 = Field("hid4")
    hid5 = Field("hid5")
    dec = Spr(power_isa.SPR_DEC)
    hdec = Spr(power_isa.SPR_HDEC)

    def __init__(self, machine: "Machine", pcpu: int) -> None:
        self._machine = machine
        self._number = pcpu
        self._pcpu = machine.views[Table.PCPU][pcpu]

    @property
    def context(self) -> int:
        """The context's number, or the last one's while the pCPU is idle."""
        c = int(self._pcpu.context)
        return c if c >= 0 else max(int(self._pcpu.loaded), 0)

    @property
    def record(self) -> Any:
        """Its record (hw/state.py CONTEXT)."""
        return self._machine.views[Table.CONTEXT][self.context]

    @property
    def idle(self) -> bool:
        """Whether the pCPU runs no context."""
        return int(self._pcpu.context) < 0

    @property
    def now(self) -> int:
        """The pCPU's clock, in cycles."""
        return int(self._pcpu.now)

    @property
    def instructions(self) -> int:
        """Instructions so far; one that an interrupt took the place of counts too."""
        return int(self._pcpu.icount)

    @property
    def untranslated(self) -> int:
        """Storage interrupts because MSR[IR] or MSR[DR] was set: there is no translation."""
        return int(self._pcpu.untranslated)

    @property
    def gpr(self) -> Gprs:
        """The general registers; a list of 32 numbers may be assigned."""
        return Gprs(self.record.gpr[:32])

    @gpr.setter
    def gpr(self, values: Sequence[int]) -> None:
        self.gpr[:] = values

    @property
    def cr(self) -> int:
        """The condition register, 32 bits."""
        return int(self.record.cr.tobytes().hex()[1::2], 16)

    @cr.setter
    def cr(self, value: int) -> None:
        self.record.cr[:] = [as_signed(value, "cr") >> shift & 15 for shift in range(28, -4, -4)]

    @property
    def xer(self) -> int:
        """The fixed-point exception register; OV32 and CA32 from level 3.0 on."""
        c = self.record
        value = int(c.so) << 31 | int(c.ov) << 30 | int(c.ca) << 29 | int(c.xer_low)
        if self._pcpu.isa != ISA_300:
            return value
        return value | int(c.ov32) << 19 | int(c.ca32) << 18

    @xer.setter
    def xer(self, value: int) -> None:
        c = self.record
        as_signed(value, "xer")
        c.so, c.ov, c.ca, c.ov32, c.ca32 = (value >> bit & 1 for bit in (31, 30, 29, 19, 18))
        c.xer_low = value & XER_KEPT_LOW

    @property
    def tb(self) -> int:
        """The time base, in its ticks."""
        return self.read_spr(power_isa.SPR_TB)

    @tb.setter
    def tb(self, value: int) -> None:
        # The lower half must not carry into the upper one in between (Book III-S, Writing the Time Base)
        self.write_spr(power_isa.SPR_TBL_WRITE, 0)
        self.write_spr(power_isa.SPR_TBU_WRITE, value >> 32)
        self.write_spr(power_isa.SPR_TBL_WRITE, value)

    @property
    def external(self) -> bool:
        """Level of the external interrupt input; where there is a controller, it drives it."""
        return bool(self._pcpu.external)

    @external.setter
    def external(self, level: bool) -> None:
        self._pcpu.external = int(level)

    def read_spr(self, number: int) -> int:
        """A special purpose register by its number; 0 if there is none."""
        if number in NAMED_SPRS:
            return int(getattr(self, NAMED_SPRS[number]))
        with np.errstate(over="ignore"):
            return int(panel.get(self._machine.arrays, self._number, self.context, number)) & MASK64

    def write_spr(self, number: int, value: int) -> None:
        """Write it as an instruction in hypervisor state would: bits it does not have are dropped."""
        if number in NAMED_SPRS:
            setattr(self, NAMED_SPRS[number], value)
            return
        with np.errstate(over="ignore"):
            panel.put(self._machine.arrays, self._number, self.context, number, as_signed(value, f"spr {number}"))

    def __repr__(self) -> str:
        what = " idle" if self.idle else " MSR[IR/DR] set, no translation configured" if self.untranslated else ""
        return f"<Cpu pc={self.pc:#x} msr={self.msr:#x} now={self.now}{what}>"


NAMED_SPRS = {
    power_isa.SPR_XER: "xer",
    power_isa.SPR_LR: "lr",
    power_isa.SPR_CTR: "ctr",
    power_isa.SPR_SRR0: "srr0",
    power_isa.SPR_SRR1: "srr1",
    **{power_isa.SPR_SPRG0 + n: f"sprg{n}" for n in range(4)},
}
"""Registers that instructions reach without hw/spr.py `read_spr`."""
