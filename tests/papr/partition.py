"""A pseries board whose guest makes one hypercall at a time, as a test tells it to."""

import numpy as np

from hw import asm
from irqvisor import pseries
from irqvisor.guest.image import Image
from irqvisor.hv.state import Quirk
from irqvisor.spec import papr, rtas
from irqvisor.spec.power_isa import MSR_EE, MSR_SF
from irqvisor.tables import Table

SC = pseries.LOAD_ADDRESS
ARGUMENTS = 0x8000
MASK64 = (1 << 64) - 1
HALT = asm.b(0)


def image(*words):
    """A raw image of instructions."""
    return Image.from_firmware(b"".join(word.to_bytes(4, "big") for word in words), base=pseries.LOAD_ADDRESS)


class Partition:
    """A board; `call` makes a hypercall on a processor, `rtas` one by H_RTAS."""

    def __init__(self, *, cpus=1, quirk=0, **options):
        config = pseries.Config(cpus=cpus, memory_bytes=8 * pseries.MIB, quirks=quirk, **options)
        self.machine = pseries.build(image(asm.sc(1), HALT), config)
        self.machine.cpu[0].msr |= MSR_SF & MASK64
        for v in range(1, cpus):
            assert self.rtas(rtas.START_CPU, v, SC, 0) == [0]

    def call(self, number, *arguments, cpu=0):
        """Make a hypercall; returns r3 and r4 to r6, unsigned but the status."""
        context = self.machine.views[Table.CONTEXT][cpu]
        for other in range(len(self.machine.views[Table.PCPU])):
            if other != cpu:
                self.machine.views[Table.CONTEXT][other].nip = SC + 4
        context.nip = SC
        context.gpr[3 : 4 + len(arguments)] = [
            x & MASK64 if x < 1 << 63 else x - (1 << 64) for x in (number, *arguments)
        ]
        self.machine.run(instructions=1 if len(self.machine.views[Table.PCPU]) == 1 else 1000)
        self.settle()
        return int(context.gpr[3])

    def settle(self):
        """What one processor does to another has arrived."""
        if len(self.machine.views[Table.PCPU]) > 1:
            self.machine.run(cycles=4 * int(self.machine.header.quantum))

    def result(self, register, cpu=0):
        return int(self.machine.views[Table.CONTEXT][cpu].gpr[register]) & MASK64

    def rtas(self, token, *arguments, returns=1, cpu=0, at=ARGUMENTS):
        """Make an RTAS call; returns what it answers, as signed cells."""
        block = np.array([token, len(arguments), returns, *arguments, *[0] * returns], ">u4")
        self.machine.memory[at : at + block.nbytes] = block.tobytes()
        self.status = self.call(papr.H_RTAS, at, cpu=cpu)
        end = at + block.nbytes
        return np.frombuffer(self.machine.memory[end - 4 * returns : end], ">i4").tolist()

    def icp(self, cpu=0):
        """CPPR, XISR, MFRR and the line of a server."""
        s = self.machine.views[Table.SERVER][cpu]
        return int(s.cppr), int(s.xisr), int(s.mfrr), bool(self.machine.views[Table.PCPU][cpu].external)

    def steer(self, source, server=0, priority=5):
        assert self.rtas(rtas.SET_XIVE, source, server, priority) == [0]

    def enabled(self, cpu=0):
        return bool(self.machine.views[Table.CONTEXT][cpu].msr & MSR_EE)


QEMU = Quirk.XIRR_OPENS
