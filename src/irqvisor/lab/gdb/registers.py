"""The processor as gdb sees it: a target description, and its registers as bytes in the guest's order."""

from typing import Literal, NamedTuple

from irqvisor.machine import Machine
from irqvisor.registers import Cpu
from irqvisor.spec import power_isa
from irqvisor.tables import Table

Order = Literal["big", "little"]


class Register(NamedTuple):
    """A register of the description, in gdb's numbering."""

    name: str
    bits: int
    kind: str = "int"
    group: str = "general"


CORE = (
    *(Register(f"r{n}", 64) for n in range(32)),
    Register("pc", 64, "code_ptr"),
    Register("msr", 64),
    Register("cr", 32),
    Register("lr", 64, "code_ptr"),
    Register("ctr", 64),
    Register("xer", 32),
)
SYSTEM = (
    *(Register(name, 64, group="system") for name in ("srr0", "srr1", "dar")),
    Register("dsisr", 32, group="system"),
    Register("dec", 32, group="system"),
    *(Register(name, 64, group="system") for name in ("tb", "sprg0", "sprg1", "sprg2", "sprg3", "hsrr0", "hsrr1")),
    *(Register(name, 64, group="system") for name in ("lpcr", "hid0", "hid4", "cfar")),
)
REGISTERS = CORE + SYSTEM
READ_ONLY = frozenset({"tb"})


def _feature(name: str, registers: tuple[Register, ...]) -> str:
    lines = [
        f'    <reg name="{r.name}" bitsize="{r.bits}" type="{r.kind if r.kind != "int" else f"uint{r.bits}"}" '
        f'group="{r.group}"/>'
        for r in registers
    ]
    return "\n".join([f'  <feature name="{name}">', *lines, "  </feature>"])


DESCRIPTION = "\n".join(
    [
        '<?xml version="1.0"?>',
        '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
        '<target version="1.0">',
        "  <architecture>powerpc:common64</architecture>",
        _feature("org.gnu.gdb.power.core", CORE),
        _feature("org.irqvisor.power.system", SYSTEM),
        "</target>",
        "",
    ]
).encode()


class VCpu(Cpu):
    """A vCPU's registers, whether it runs or not."""

    __slots__ = ("_vcpu",)

    def __init__(self, machine: Machine, vcpu: int) -> None:
        self._vcpu = vcpu
        super().__init__(machine, int(machine.views[Table.CONTEXT][vcpu].pcpu))

    @property
    def context(self) -> int:
        return self._vcpu


def read(cpu: Cpu, number: int, order: Order) -> bytes:
    """A register's bytes.

    Raises:
        IndexError: there is no such register.
    """
    register = REGISTERS[number]
    value = cpu.gpr[number] if number < 32 else int(getattr(cpu, register.name))
    return (value & (1 << register.bits) - 1).to_bytes(register.bits // 8, order)


def write(cpu: Cpu, number: int, data: bytes, order: Order) -> None:
    """Write a register.

    Raises:
        IndexError: there is no such register.
        ValueError: the wrong number of bytes, or it cannot be written.
    """
    register = REGISTERS[number]
    if len(data) * 8 != register.bits or register.name in READ_ONLY:
        raise ValueError(register.name)
    value = int.from_bytes(data, order)
    if number < 32:
        cpu.gpr[number] = value
    else:
        setattr(cpu, register.name, value)
    if register.name == "lpcr":
        cpu.write_spr(power_isa.SPR_LPCR, value)


def size(number: int) -> int:
    """Bytes of a register."""
    return REGISTERS[number].bits // 8
