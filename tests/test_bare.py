"""Machine.bare: a processor and memory, its registers read and written, stopped where an interrupt was taken."""

import re
from pathlib import Path

import pytest

from hw import asm
from irqvisor import Machine, Stop
from irqvisor.errors import UsageError
from irqvisor.lab.scenario import Scenario

CODE = 0x2000
SF, HV, ME, EE, PR = 1 << 63, 1 << 60, 1 << 12, 1 << 15, 1 << 14


@pytest.fixture(params=["970", "power8"])
def machine(request):
    return Machine.bare(memory_bytes=0x10000, cpu=request.param)


def load(machine, *words, at=CODE):
    machine.memory[at : at + 4 * len(words)] = b"".join(word.to_bytes(4, "big") for word in words)
    machine.cpu[0].pc = at


def test_a_new_one_waits_at_the_reset_vector_with_zeros_in_everything_else(machine):
    cpu = machine.cpu[0]
    assert (cpu.pc, cpu.msr) == (0x100, SF | HV | ME)
    assert (cpu.gpr[:], cpu.cr, cpu.xer, cpu.lr, cpu.ctr, cpu.tb) == ([0] * 32, 0, 0, 0, 0, 0)
    assert len(machine.memory) == 0x10000
    assert not any(machine.memory)
    assert machine.is_bare


def test_the_example_of_the_page_prints_what_the_page_says(capsys):
    page = (Path(__file__).parents[1] / "docs/reference/bare-machine.md").read_text()
    code, printed = (
        re.search(rf"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1] for kind in ("python", "text")
    )
    exec(code, {})
    assert capsys.readouterr().out == printed


REGISTERS = ["pc", "msr", "lr", "ctr", "srr0", "srr1", "hsrr0", "hsrr1", "dar", "cfar", "hid0", "hid4", "hsprg0"]


@pytest.mark.parametrize("name", [*REGISTERS, "sprg0", "sprg1", "sprg2", "sprg3", "hsprg1", "tar"])
@pytest.mark.parametrize("value", [0, 0x0123456789ABCDEC, 2**64 - 4])
def test_registers_hold_what_is_written(machine, name, value):
    cpu = machine.cpu[0]
    before = {other: getattr(cpu, other) for other in REGISTERS if other != name}
    setattr(cpu, name, value)
    assert getattr(machine.cpu[0], name) == value
    assert {other: getattr(cpu, other) for other in before} == before


def test_general_registers_are_like_a_list(machine):
    cpu = machine.cpu[0]
    cpu.gpr[3] = 5
    cpu.gpr[-1] = -1
    assert (cpu.gpr[3], cpu.gpr[31], len(cpu.gpr)) == (5, 2**64 - 1, 32)
    cpu.gpr = range(32)
    assert cpu.gpr == list(range(32))
    cpu.gpr[4:6] = [1 << 63, 7]
    assert list(cpu.gpr)[3:7] == [3, 1 << 63, 7, 6]
    with pytest.raises(IndexError):
        cpu.gpr[32] = 0
    with pytest.raises(UsageError, match="does not fit"):
        cpu.gpr[0] = 1 << 64


def test_registers_of_parts_keep_their_bits(machine):
    cpu = machine.cpu[0]
    cpu.cr = 0x89ABCDEF
    cpu.xer = 0xE000007F
    assert (cpu.cr, cpu.xer) == (0x89ABCDEF, 0xE000007F)
    cpu.xer = 0x20000000
    cpu.dsisr = 0x1_42000000
    assert (cpu.xer, cpu.dsisr) == (0x20000000, 0x42000000)
    cpu.tb = 0x1_FFFFFFFF
    machine.run(instructions=0)
    assert (cpu.tb, cpu.dec) == (0x1_FFFFFFFF, 0x7FFFFFFF)
    cpu.write_spr(8, 0x77)
    cpu.write_spr(256, 0x1234)
    assert (cpu.lr, cpu.read_spr(256)) == (0x77, 0x1234)


def test_a_misspelt_register_is_an_error(machine):
    with pytest.raises(AttributeError):
        machine.cpu[0].grp = 3
    with pytest.raises(AttributeError):
        machine.cpu[0].srr2  # noqa: B018


def test_it_counts_what_completes_and_says_why_it_stopped(machine):
    load(machine, asm.addi(3, 3, 1), asm.b(-4))
    assert machine.run(instructions=101) == 101
    assert (machine.stop_reason, machine.interrupt, machine.cpu[0].gpr[3]) == (Stop.BUDGET, None, 51)


STOPS = [
    # program, instructions completed, vector, SRR0 after CODE, SRR1 cause
    ((asm.NOP, asm.RFID), 1, 0x700, 4, 0x40000),
    ((asm.NOP, asm.sc()), 2, 0xC00, 8, 0),
    ((asm.TRAP,), 0, 0x700, 0, 0x20000),
    ((asm.NOP, asm.NOP, asm.lwz(3, -4, 0)), 2, 0x300, 8, 0),
    ((asm.lwarx(3, 0, 31),), 0, 0x600, 0, 0),
    ((asm.NOP, asm.ba(0x100000)), 2, 0x400, 0x100000 - CODE, 0x8000000),
]


@pytest.mark.parametrize(("program", "completed", "vector", "srr0", "cause"), STOPS)
def test_it_stops_where_an_interrupt_was_taken(machine, program, completed, vector, srr0, cause):
    load(machine, *program, asm.NOP)
    cpu = machine.cpu[0]
    cpu.gpr[31] = 2
    cpu.msr = SF | ME | EE | PR
    assert machine.run(instructions=50) == completed
    assert (machine.stop_reason, machine.interrupt, cpu.pc) == (Stop.INTERRUPT, vector, vector)
    assert (cpu.srr0, cpu.srr1) == (CODE + srr0, SF | ME | EE | PR | cause)
    assert cpu.msr == SF | ME
    load(machine, asm.NOP, at=vector)
    assert machine.run(instructions=1) == 1
    assert (machine.stop_reason, machine.interrupt, cpu.pc) == (Stop.BUDGET, None, vector + 4)


def test_an_illegal_instruction_is_a_program_interrupt_or_for_a_hypervisor_to_emulate():
    old, new = (Machine.bare(memory_bytes=0x10000, cpu=cpu) for cpu in ("970", "power8"))
    for machine in (old, new):
        load(machine, asm.NOP, asm.ILLEGAL)
        assert machine.run(instructions=5) == 1
    assert (old.interrupt, old.cpu[0].srr0, old.cpu[0].srr1) == (0x700, CODE + 4, SF | HV | ME | 0x80000)
    assert (new.interrupt, new.cpu[0].hsrr0, new.cpu[0].hsrr1) == (0xE40, CODE + 4, SF | HV | ME)


def test_it_stops_at_an_interrupt_that_ends_the_count_too(machine):
    load(machine, asm.NOP, asm.sc())
    assert machine.run(instructions=2) == 2
    assert machine.interrupt == 0xC00


def test_the_decrementer_and_the_input_line_interrupt_it(machine):
    load(machine, *[asm.NOP] * 20)
    cpu = machine.cpu[0]
    cpu.msr |= EE
    cpu.dec = 3
    assert machine.run(instructions=20) == 4
    assert (machine.interrupt, cpu.srr0, cpu.dec) == (0x900, CODE + 16, 0xFFFFFFFF)
    cpu.dec = 1000
    cpu.pc, cpu.msr, cpu.external = cpu.srr0, cpu.srr1, True
    assert machine.run(instructions=20) == 0
    assert (machine.interrupt, cpu.srr0) == (0x500, CODE + 16)


def test_several_processors_share_memory_and_take_turns():
    machine = Machine.bare(memory_bytes=0x10000, pcpus=2)
    load(machine, asm.mfspr(3, 1023), asm.add(4, 3, 3), asm.add(4, 4, 4), asm.stw(3, 0x3000, 4), asm.b(0))
    machine.cpu[1].pc = CODE
    machine.run(instructions=20)
    assert machine.stop_reason == Stop.BUDGET
    assert [cpu.instructions for cpu in machine.cpu] == [10, 10]
    assert machine.memory[0x3000:0x3008] == bytes([0, 0, 0, 0, 0, 0, 0, 1])
    with pytest.raises(UsageError, match="a machine with one"):
        machine.run(instructions=1, stop_at_interrupts=True)


def test_told_to_run_on_it_enters_the_handlers(machine):
    load(machine, asm.addi(3, 3, 1), asm.RFID, at=0xC00)
    load(machine, asm.sc(), asm.b(-4))
    assert machine.run(instructions=40, stop_at_interrupts=False) == 40
    assert (machine.stop_reason, machine.interrupt) == (Stop.BUDGET, None)
    assert machine.cpu[0].gpr[3] == 10
    machine.run(instructions=40)
    assert machine.interrupt == 0xC00


@pytest.mark.compiled
def test_a_machine_with_guests_can_stop_at_interrupts_too():
    scenario = {"name": "one", "duration_ms": 1, "domains": [{"name": "a", "tick_hz": 1000, "compute": True}]}
    machine = Machine.from_scenario(Scenario.model_validate(scenario), design="native")
    machine.run(cycles=1000)
    assert machine.interrupt is None
    machine.run(cycles=100_000_000, stop_at_interrupts=True)
    assert (machine.stop_reason, machine.interrupt, machine.cpu[0].pc) == (Stop.INTERRUPT, 0x900, 0x900)


@pytest.mark.compiled
def test_stopping_at_interrupts_changes_nothing():
    scenario = {"name": "one", "duration_ms": 2, "domains": [{"name": "a", "tick_hz": 10000, "compute": True}]}
    straight, stopped = (Machine.from_scenario(Scenario.model_validate(scenario), design="native") for _ in range(2))
    straight.run()
    stops = 0
    while stopped.run(stop_at_interrupts=True) and stopped.stop_reason == Stop.INTERRUPT:
        stops += 1
    assert stopped.digest() == straight.digest()
    assert stops >= 20


def test_an_instruction_written_from_outside_counts_and_costs_only_itself(machine):
    load(machine, *[asm.addi(3, 3, 1)] * 100)
    machine.run(instructions=100)
    cpu = machine.cpu[0]
    decoded = int((machine.code["op"] != 0).sum())
    machine.memory[CODE + 40 : CODE + 44] = asm.addi(3, 3, 1000).to_bytes(4, "big")
    machine.memory[CODE + 83] = 100  # the last byte of instruction 20
    assert int((machine.code["op"] != 0).sum()) == decoded - 2
    cpu.pc, cpu.gpr[3] = CODE, 0
    machine.run(instructions=100)
    assert cpu.gpr[3] == 98 + 1000 + 100


@pytest.mark.parametrize(("first", "illegal"), [(0xFFC, 0xFFC), (0x1000, 0x1000), (0x1FFE, 0x2000)])
def test_code_written_across_pages_counts(machine, first, illegal):
    words = [asm.addi(3, 3, 1)] * 0x800
    load(machine, *words, at=0x1000 - 16)
    cpu = machine.cpu[0]
    machine.run(instructions=0x404)
    machine.memory[first : first + 12] = machine.memory[0x5000 : 0x5000 + 12]
    cpu.pc = 0x1000 - 16
    machine.run(instructions=0x500)
    assert cpu.srr0 + cpu.hsrr0 == illegal


def test_a_fork_forgets_its_own_code_only(machine):
    load(machine, asm.addi(3, 3, 1))
    machine.run(instructions=1)
    twin = machine.fork()
    load(twin, asm.addi(3, 3, 10))
    twin.run(instructions=1)
    machine.cpu[0].pc = CODE
    machine.run(instructions=1)
    assert (machine.cpu[0].gpr[3], twin.cpu[0].gpr[3]) == (2, 11)


def test_it_is_saved_and_loaded(machine, tmp_path):
    load(machine, asm.addi(3, 3, 1), asm.sc())
    machine.run(instructions=1)
    machine.save(tmp_path / "a.irqvisor")
    again = Machine.load(tmp_path / "a.irqvisor")
    assert again.is_bare
    assert again.run(instructions=5) == 1
    assert (again.interrupt, again.cpu[0].gpr[3]) == (0xC00, 1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"memory_bytes": 100}, "a multiple of 4096"),
        ({"memory_bytes": 0}, "a multiple of 4096"),
        ({"cpu": "power7"}, "970, power8"),
        ({"isa": "2.06"}, "2.01, 2.07, 3.0"),
        ({"little_endian": True}, "2.07 or 3.0"),
        ({"pcpus": 0}, "1 to 8"),
        ({"pcpus": 9}, "1 to 8"),
    ],
)
def test_what_cannot_be_built_is_said(wrong, said):
    with pytest.raises(UsageError, match=said):
        Machine.bare(**wrong)
