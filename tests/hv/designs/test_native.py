"""native: the kernel takes the interrupt and asks the controller itself; nobody is in between."""

import numpy as np
import pytest

from hv.harness import MANUAL, Parked, fates, finished, kinds, logged, of, parked, periodic, ready, small
from irqvisor.lab import build, runner
from irqvisor.spec.power_isa import MSR_EE, MSR_HV, MSR_ME, MSR_RI, MSR_SF, SRR1_CLEARED, VEC_EXTERNAL
from irqvisor.tables import Table
from irqvisor.trace import Kind

EE_ON = MSR_SF | MSR_HV | MSR_ME | MSR_RI | MSR_EE
IACK, EOI = 0xF80600A0, 0xF80600B0
LWZ = 0x80000000 | 4 << 21 | 3 << 16
STW = 0x90000000 | 4 << 21 | 3 << 16


@pytest.fixture(scope="module")
def machine():
    sources = [
        {"name": "edge", "owner": "io", "arrival": MANUAL},
        {"name": "level", "owner": "io", "trigger": "level", "arrival": MANUAL},
    ]
    return ready(small([{"name": "io", "compute": True}], sources), "native")


@pytest.fixture
def kernel(machine):
    return parked(machine.fork())[0]


def register(kernel, instruction, address, value=0):
    """Load or store a register of the controller; r4."""
    kernel.park(instruction, msr=kernel.cpu.msr)
    kernel.cpu.gpr[3], kernel.cpu.gpr[4] = address, value
    while kernel.at == kernel.HERE:
        kernel.machine.run(cycles=100)
    return int(kernel.cpu.gpr[4])


def test_hardware_enters_the_kernel_at_0x500(kernel):
    kernel.park(msr=EE_ON)
    kernel.machine.raise_irq(1)
    kernel.machine.run(cycles=400)
    assert kernel.at == VEC_EXTERNAL
    assert (kernel.cpu.srr0, kernel.cpu.srr1) == (kernel.HERE, EE_ON & ~SRR1_CLEARED)
    assert kernel.cpu.msr == MSR_SF | MSR_HV | MSR_ME


@pytest.mark.parametrize("irq", [1, 2])
def test_iack_drops_the_line_and_eoi_ends_service(kernel, irq):
    pcpu, cpu = kernel.machine.views[Table.PCPU][0], kernel.machine.views[Table.PIC_CPU][0]
    kernel.machine.raise_irq(irq)
    assert pcpu.external == 1
    assert register(kernel, LWZ, IACK) == kernel.machine.views[Table.PIC_SOURCE][irq].vector
    assert (pcpu.external, cpu.serving != 0) == (0, True)
    register(kernel, STW, EOI)
    assert cpu.serving == 0
    assert pcpu.external == (1 if irq == 2 else 0)  # a level line whose ring was not drained comes again


def test_iack_with_nothing_pending_is_the_spurious_vector(kernel):
    assert register(kernel, LWZ, IACK) == 255
    assert kernel.machine.views[Table.PIC_CPU][0].serving == 0


def test_sc_1_is_the_kernels_own_system_call(kernel):
    kernel.memory[0xC00:0xC04] = Parked.SPIN.to_bytes(4, "big")
    kernel.park(Parked.SC_1)
    kernel.machine.run(cycles=400)
    assert (kernel.at, kernel.cpu.srr0) == (0xC00, kernel.HERE + 4)


@pytest.mark.compiled
def test_there_is_no_hypervisor():
    scenario = small([{"name": "io", "compute": True}], [{"name": "a", "owner": "io", "arrival": periodic(100)}])
    result, log = logged(scenario, "native")
    assert (result["hypervisor_entries"], result["hypervisor_cycles"], result["lower_bound"]) == ({}, 0, True)
    assert len(kinds(log, Kind.VECTOR)) == 20
    assert np.all(kinds(log, Kind.VECTOR)["cycle"] > kinds(log, Kind.RAISE)["cycle"])


@pytest.mark.compiled
def test_one_kernel_a_pcpu_runs_all_loops_in_turn():
    domains = [{"name": name, "compute": True, "pcpu": p} for name, p in (("a", 0), ("b", 1), ("c", 0))]
    result = runner.run(small(domains, pcpus=2), "native")
    assert set(result["work"]) == {"a", "b", "c"}
    assert abs(result["work"]["a"] - result["work"]["c"]) <= 1
    assert result["work"]["b"] == pytest.approx(2 * result["work"]["a"], rel=0.02)


@pytest.mark.compiled
def test_a_sleeping_kernel_naps_until_its_interrupt():
    scenario = small([{"name": "io"}], [{"name": "a", "owner": "io", "arrival": periodic(500)}])
    result = runner.run(scenario, "native")
    assert of(result, "a") == {"raised": 4, "serviced": 4}
    assert result["idle_cycles"] > 0.99 * 6_400_000


def test_a_source_routed_elsewhere_is_skipped_with_the_reason():
    scenario = small(
        [{"name": "io", "pcpu": 0}, {"name": "calc", "pcpu": 1}],
        [{"name": "a", "owner": "io", "route": 1, "arrival": periodic(100)}],
        pcpus=2,
    )
    assert "routed to another pCPU" in runner.run(scenario, "native")["skipped"]
    assert build.machine(scenario, "rhype").labels.design == "rhype"


@pytest.mark.compiled
def test_a_tick_is_the_kernels_own():
    scenario = small([{"name": "io", "tick_hz": 10_000}], [{"name": "a", "owner": "io", "arrival": periodic(130)}])
    assert fates(finished(scenario, "native"), "a") == {"raised": 16, "serviced": 16}
