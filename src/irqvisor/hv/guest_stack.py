"""A guest's stack, as a hypervisor reads and writes it: cells of the size of a register, in the guest's byte order."""

from irqvisor._jit import jit
from irqvisor.hw.memory import EA_64, in_order, load_sized, write_ram
from irqvisor.hw.state import NOBODY
from irqvisor.spec.bits import ult
from irqvisor.spec.power_isa import MSR_DR, MSR_SF


@jit
def cell_bytes(cpu):
    """Bytes of a cell: a register of the guest's mode."""
    return 8 if cpu.msr & MSR_SF != 0 else 4


@jit
def place(cpu, address, size):
    """RAM offset of `size` bytes of the stack, or NOBODY if an access of the guest's would not reach its memory."""
    real = address & EA_64 if cpu.msr & MSR_SF != 0 else address & 0xFFFFFFFF
    if cpu.msr & MSR_DR != 0 or not ult(real, cpu.win_size - size):
        return NOBODY
    return cpu.win_base + real


@jit
def put(m, cpu, a, size, value):
    """Store a cell at a RAM offset."""
    write_ram(m, a, size, in_order(cpu, size, value))


@jit
def get(m, cpu, a, size):
    """Load a cell from a RAM offset."""
    return in_order(cpu, size, load_sized(m.ram, a, size))
