"""The machine when its window begins: at the ready mark.

A program on a bare machine is one image for all pCPUs. Each begins at its entry with its own number in r3; the first
runs alone until it stores the ready mark of the board, and the others are held until then.
"""

from __future__ import annotations

import numpy as np

from irqvisor import bare
from irqvisor.errors import GuestFault
from irqvisor.guest.image import Image
from irqvisor.hv.explore import examine
from irqvisor.hw.state import CLEAN, NOBODY, Phase, Stop
from irqvisor.lab.explore import question as single
from irqvisor.lab.explore import site
from irqvisor.lab.explore.preempt.question import RAM_BYTES, Question
from irqvisor.machine import Machine
from irqvisor.tables import Table

BOOT_INSTRUCTIONS = 1_000_000


def prepare(question: Question) -> Machine:
    """The machine at the beginning of its window: nothing decoded, and every page of memory counts as clean.

    Raises:
        GuestFault: a guest ended, or did not become ready.
        ImageError: the program cannot be loaded.
        UsageError: the design cannot express the scenario.
    """
    if question.scenario is not None:
        asked = single.Question(question.scenario, question.design, question.cpu)
        machine = site.prepare(asked)
        machine.header.phys_ipi = 0  # the sooner it arrives, the more there is that may happen at once
    else:
        machine = _program(question)
    site.forget_decoded(machine)
    machine.views[Table.CODEMAP].entry |= CLEAN
    return machine


def _program(question: Question) -> Machine:
    assert question.image is not None
    image = Image.load(question.image)
    machine = bare.machine(
        RAM_BYTES, question.cpu or "970", None, little_endian=False, pcpus=question.pcpus, board=True
    )
    machine.memory[: image.end] = image.place(RAM_BYTES)
    machine.labels.symbols = [list(image.symbols)]
    pcpus = machine.views[Table.PCPU]
    for p, cpu in enumerate(machine.cpu):
        cpu.pc, cpu.gpr[3] = image.entry, p
    pcpus.context[1:] = NOBODY
    for _ in range(BOOT_INSTRUCTIONS):
        if machine.phase >= Phase.ARMED:
            break
        if machine.step() == 0 and machine.stop_reason != Stop.BUDGET:
            break
    if machine.phase < Phase.ARMED:
        raise GuestFault(question.name, "never became ready", "a store of pCPU 0 to the board's READY register")
    with np.errstate(over="ignore"):
        examine.begin(machine.arrays)
    pcpus.now = machine.cpu[0].now
    pcpus.context = range(question.pcpus)
    return machine
