"""How many instructions an interrupt takes in the bundled kernels: what guests/README.md says."""

import re
from pathlib import Path

import pytest

from irqvisor.hw.state import Phase
from irqvisor.lab import scenario
from irqvisor.lab.scenario import DESIGNS
from irqvisor.machine import Machine
from irqvisor.spec import sapic, xen
from irqvisor.spec.power_isa import VEC_EXTERNAL

README = Path(__file__).resolve().parents[2] / "guests" / "README.md"
RFID = bytes.fromhex("4c000024")
SC_1 = bytes.fromhex("44000022")


def steps_to(machine, at, limit=1000):
    """Complete instructions until the next one is `at`; how many."""
    for count in range(limit):
        if machine.cpu[0].pc == at:
            return count
        machine.step()
    raise AssertionError(f"not at {at:#x} after {limit} instructions")


def entry_of(machine):
    """Where a guest is after the first instruction of its handler; it may enter and execute that one in a single
    step."""
    symbols = {s.name: s.address for s in machine.labels.symbols[0]}
    return symbols.get("upcall", symbols.get("ia64_entry", VEC_EXTERNAL)) + 4


def is_over(machine):
    """Whether the next instruction ends the handler: rfid, or a hypercall in place of it."""
    cpu = machine.cpu[0]
    word = machine.memory[cpu.pc : cpu.pc + 4]
    if word != SC_1:
        return word == RFID
    return (cpu.gpr[3] & 0xFFFF, cpu.gpr[4]) == (sapic.HYPERPRIVOP, sapic.RFI) or cpu.gpr[3] & 0xFFFF == xen.HC_IRET


def path_of(design, trigger):
    """Instructions from the handler's first to its last, and from there to the next first."""
    settings = ["duration_ms=1", "sources.echo.arrival.response_us=20", f"sources.echo.trigger={trigger}"]
    machine = Machine.from_scenario(scenario.with_overrides(scenario.load("closed"), settings), design=design)
    machine.run(until=Phase.RUN)
    first = entry_of(machine)
    for _ in range(2):
        steps_to(machine, first)
        machine.step()
    steps_to(machine, first)
    taken = 1
    while not is_over(machine):
        machine.step()
        taken += 1
    return taken + 1, steps_to(machine, first) - 2


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("trigger", ["edge", "level"])
def test_the_path_of_an_interrupt_is_as_long_as_the_page_says(design, trigger):
    text = README.read_text(encoding="utf-8")
    columns, edge, level, rounds = (
        re.search(rf"^\| {first} \| (.*) \|$", text, re.MULTILINE)[1].split(" | ")
        for first in (
            "from the handler's first instruction to its last",
            "edge",
            "level",
            "then, a round of the idle loop",
        )
    )
    place = columns.index(design)
    handler = {"edge": edge, "level": level}[trigger][place]
    assert path_of(design, trigger) == (int(handler), int(rounds[place]))
