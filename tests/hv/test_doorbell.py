"""Doorbells between processors of one machine (Power ISA Book III-S, Processor Control), through the run loop."""

from hv.harness import Parked, small
from hw import asm
from irqvisor.hw.state import Phase
from irqvisor.lab import build
from irqvisor.spec.power_isa import MSR_HV, MSR_ME, MSR_RI, MSR_SF
from irqvisor.tables import Table

DOORBELL = 5 << (63 - 36)
VECTOR = 0xE80
HYPERVISOR_STATE = MSR_SF | MSR_HV | MSR_ME | MSR_RI


def two_processors():
    """Bare metal, two POWER8; the kernels have booted and are parked."""
    domains = [{"name": "one", "pcpu": 0}, {"name": "two", "pcpu": 1}]
    machine = build.machine(small(domains, pcpus=2, duration_ms=5), "native", cpu="power8")
    machine.run(until=Phase.RUN)
    machine.views[Table.PCPU].waiting[:] = 0
    return machine, Parked(machine, 0), Parked(machine, 1)


def test_a_doorbell_reaches_another_processor_after_the_time_of_an_ipi():
    machine, sender, receiver = two_processors()
    sender.park(asm.msgsnd(3), asm.msgsnd(3), msr=HYPERVISOR_STATE)
    sender.cpu.gpr[3] = DOORBELL | 1
    receiver.park(msr=MSR_SF | MSR_ME | MSR_RI)
    receiver.memory[VECTOR : VECTOR + 8] = b"".join(w.to_bytes(4, "big") for w in (asm.addi(9, 9, 1), asm.b(0)))
    receiver.cpu.gpr[9] = 0
    ipi = int(machine.header.phys_ipi)
    sent = int(machine.views[Table.PCPU][0].now)
    machine.run(cycles=ipi // 2)
    assert receiver.cpu.gpr[9] == 0
    machine.run(cycles=4 * ipi)
    assert (receiver.cpu.gpr[9], receiver.cpu.nip) == (1, VECTOR + 4)
    assert machine.views[Table.PCPU][1].ringing == 0
    assert machine.views[Table.PCPU][1].now >= sent + ipi


def test_a_doorbell_ends_the_nap_of_another_processor():
    machine, sender, receiver = two_processors()
    receiver.park(asm.NAP, msr=HYPERVISOR_STATE)
    receiver.memory[0x100:0x104] = asm.b(0).to_bytes(4, "big")
    sender.park(msr=HYPERVISOR_STATE)
    machine.run(cycles=1000)
    napping = machine.views[Table.PCPU][1]
    assert (napping.waiting, napping.napping) == (1, 1)
    sender.park(asm.msgsnd(3), msr=HYPERVISOR_STATE)
    sender.cpu.gpr[3] = DOORBELL | 1
    machine.run(cycles=10 * int(machine.header.phys_ipi))
    assert (napping.waiting, napping.napping, receiver.cpu.nip) == (0, 0, 0x100)
    assert int(receiver.cpu.srr1) >> 18 & 15 == 3
