"""Host code does what the interpreter does: the same instructions, counted alike, and the same machine afterwards."""

import random
from collections import defaultdict

import pytest

from differential.campaign import CONFIGURATIONS, MOST_UNITS, UNIT_BITS, Case
from differential.generate import CHOICES_OF_A_STATE
from hv.harness import DESIGNS
from hw import asm
from irqvisor import Machine
from irqvisor.hw import ops
from irqvisor.hw.state import CODE_PAGE, PAGE_SHIFT, Phase, Stop
from irqvisor.lab import scenario
from irqvisor.spec.power_isa import MSR_BE, MSR_DR, MSR_SE, MSR_SF
from irqvisor.tables import Table
from irqvisor.translation import entrances, install, watcher

pytestmark = pytest.mark.compiled

CODE, DATA = 0x1000, 0x4000
LOOP = CODE + 12
TURNS = 9


def program():
    """A loop that loads, adds, stores, compares and calls; then an instruction that nobody has."""
    return [
        asm.li(3, TURNS),
        asm.mtspr(9, 3),
        asm.li(5, DATA),
        asm.ld(4, 0, 5),  # LOOP
        asm.add(4, 4, 3),
        asm.bl(16),  # to the function
        asm.std(4, 0, 5),
        asm.bdnz(-16),
        asm.b(12),
        asm.addi(4, 4, 1),  # the function
        asm.BLR,
        asm.TRAP,
    ]


def bare(words, **settings):
    machine = Machine.bare(memory_bytes=1 << 16, cpu="power8", **settings)
    order = "little" if settings.get("little_endian") else "big"
    machine.memory[CODE : CODE + 4 * len(words)] = b"".join(word.to_bytes(4, order) for word in words)
    machine.cpu[0].pc = CODE
    machine.cpu[0].msr |= MSR_SF
    return machine


def begun(words, **settings):
    """A machine after its first instruction, and the same with host code."""
    plain = bare(words, **settings)
    plain.run(instructions=1)
    fast = plain.copy()
    fast.translate()
    assert has_host_code(fast)
    assert not has_host_code(plain)
    return plain, fast


def has_host_code(machine):
    return bool((machine.code["op"] == ops.HOST).any())


def same(one, other):
    return one.digest() == other.digest() and one.cpu[0].instructions == other.cpu[0].instructions


@pytest.mark.parametrize("little", [False, True], ids=["big", "little"])
def test_every_count_ends_at_the_same_instruction(little):
    plain, fast = begun(program(), little_endian=little)
    for count in range(1, 80):
        one, other = plain.copy(), fast.copy()
        assert one.run(instructions=count) == other.run(instructions=count)
        assert (one.stop_reason, one.interrupt) == (other.stop_reason, other.interrupt)
        assert same(one, other), count
    assert one.interrupt == 0x700


def test_pieces_make_the_whole():
    plain, fast = begun(program())
    plain.run()
    while fast.run(instructions=7) == 7:
        pass
    assert same(plain, fast)


def test_it_is_not_the_interpreter_that_runs():
    """With another loop's host code it does what the other loop does."""
    words = program()
    words[4] = asm.subf_(4, 4, 3)
    (plain, fast), (_, other) = begun(program()), begun(words)
    there = fast.code["op"] == ops.HOST
    assert (there == (other.code["op"] == ops.HOST)).all()
    fast.code["imm"][there] = other.code["imm"][there]
    for machine in (plain, fast):
        machine.run()
    assert not same(plain, fast)


@pytest.mark.parametrize("word", [4, 9], ids=["loop", "function"])
def test_words_written_from_outside_count(word):
    for machine in (pair := begun(program())):
        machine.run(instructions=20)
        machine.memory[CODE + 4 * word : CODE + 4 * word + 4] = asm.addi(4, 4, 100).to_bytes(4)
    for machine in pair:
        machine.run()
    plain, fast = pair
    assert same(plain, fast)
    assert int.from_bytes(fast.memory[DATA : DATA + 8]) > 200


def test_a_guest_that_rewrites_its_loop():
    """The store lies in the block that it changes."""
    words = [
        asm.li(3, 6),
        asm.mtspr(9, 3),
        asm.li(5, CODE),
        asm.addi(4, 4, 1),  # 3: becomes addi 4, 4, 3 and so on
        asm.lwz(6, 12, 5),
        asm.addi(6, 6, 2),
        asm.stw(6, 12, 5),
        asm.bdnz(-16),
        asm.TRAP,
    ]
    plain, fast = begun(words)
    plain.run()
    fast.run()
    assert same(plain, fast)
    assert fast.cpu[0].gpr[4] == sum(range(1, 13, 2))


def test_a_word_that_was_never_executed_may_change():
    """It is part of the region all the same."""
    words = [asm.li(3, 1), asm.b(12), asm.li(4, 1), asm.TRAP, asm.li(5, 1), asm.b(-12)]
    plain, fast = begun(words)
    for machine in (plain, fast):
        machine.memory[CODE + 8 : CODE + 12] = asm.li(4, 77).to_bytes(4)
        machine.run()
    assert same(plain, fast)
    assert fast.cpu[0].gpr[4] == 77


def test_a_page_is_translated_again_after_it_changed():
    _, fast = begun(program())
    fast.memory[CODE + 4 * 4 : CODE + 4 * 5] = asm.addi(4, 4, 100).to_bytes(4)
    assert not has_host_code(fast)
    plain = fast.copy()
    fast.run(instructions=1)
    fast.translate()
    assert has_host_code(fast)
    fast.run()
    plain.run()
    assert same(plain, fast)


def test_a_breakpoint_inside_a_block():
    _, fast = begun(program())
    fast.set_breakpoints([(0, LOOP + 4)])
    fast.run()
    assert (fast.stop_reason, fast.cpu[0].pc) == (Stop.BREAKPOINT, LOOP + 4)


@pytest.mark.parametrize("bit", [MSR_SE, MSR_BE], ids=["SE", "BE"])
def test_a_traced_instruction_is_the_one_that_would_have_been(bit):
    plain, fast = begun(program())
    for machine in (plain, fast):
        machine.cpu[0].msr |= bit
        machine.run()
        assert machine.interrupt == 0xD00
    assert same(plain, fast)


@pytest.mark.parametrize("turn_off", [MSR_SF, None], ids=["32-bit", "untranslated data"])
def test_a_mode_that_it_was_not_made_for(turn_off):
    plain, fast = begun(program())
    for machine in (plain, fast):
        if turn_off:
            machine.cpu[0].msr &= ~turn_off
        else:
            machine.cpu[0].msr |= MSR_DR
        machine.run()
    assert same(plain, fast)


def test_forks_share_it_and_a_saved_machine_starts_without(tmp_path):
    plain, fast = begun(program())
    twin = fast.fork()
    assert has_host_code(twin)
    fast.save(tmp_path / "machine")
    loaded = Machine.load(tmp_path / "machine")
    assert not has_host_code(loaded)
    for machine in (plain, fast, twin, loaded):
        machine.run()
        assert same(plain, machine)


def test_a_fork_that_translates_leaves_its_parent_alone():
    plain, _ = begun(program())
    twin = plain.fork()
    twin.translate()
    assert has_host_code(twin)
    assert not has_host_code(plain)


def test_what_is_hot_is_translated_by_itself_and_at_hand_for_the_next(monkeypatch):
    monkeypatch.setattr(watcher, "_spent", watcher._spent.copy())
    endless = [asm.li(3, random.randrange(1 << 15)), asm.addi(4, 4, 1), asm.addi(4, 4, 1), asm.b(-8)]
    machine = bare(endless)
    machine.run(instructions=watcher.FIRST_LOOK // 2)
    assert not has_host_code(machine)
    machine.run(instructions=12 * watcher.WORTH)
    assert has_host_code(machine)
    other = bare(endless)
    other.run(instructions=2 * watcher.FIRST_LOOK)
    assert has_host_code(other)
    assert other.cpu[0].instructions == 2 * watcher.FIRST_LOOK


def test_where_code_of_another_page_enters_is_learned_and_remembered(monkeypatch):
    monkeypatch.setattr(watcher, "WORTH", 1_000)
    monkeypatch.setattr(watcher, "FIRST_LOOK", 3_001)
    monkeypatch.setattr(watcher, "LAST_LOOK", 3_001)
    monkeypatch.setattr(watcher, "PAGE_WORK", 0)
    there, into = CODE + 0x1000, 2  # a function of another page, entered behind its first words
    function = [asm.li(5, random.randrange(1 << 15)), asm.NOP, *[asm.addi(4, 4, 1)] * 9, asm.BLR]

    def calling():
        machine = bare([asm.bl(there + 4 * into - CODE), asm.NOP, asm.b(-8)])
        machine.memory[there : there + 4 * len(function)] = b"".join(word.to_bytes(4) for word in function)
        return machine

    def begins_at_entrance(machine):
        page = int(machine.views[Table.CODEMAP].entry[there >> PAGE_SHIFT]) & CODE_PAGE
        return bool(page) and install.begins(machine.code, page, into)

    plain, fast, other = calling(), calling(), calling()
    monkeypatch.setattr(watcher, "ENABLED", False)
    plain.run(instructions=400_000)
    monkeypatch.setattr(watcher, "ENABLED", True)
    fast.run(instructions=400_000)
    assert begins_at_entrance(fast)
    assert same(plain, fast)
    monkeypatch.setattr(entrances, "_noted", defaultdict(set))
    monkeypatch.setattr(entrances, "_translated", {})  # as the next process finds it
    monkeypatch.setattr(watcher, "WORTH", 1 << 40)
    other.run(instructions=20_000)
    assert begins_at_entrance(other)


@pytest.mark.slow
@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_random_sequences(configuration):
    rng = random.Random(2006)
    ours = configuration.ours()
    executed = 0
    for _ in range(12):
        units = tuple(rng.getrandbits(UNIT_BITS) for _ in range(rng.randint(MOST_UNITS // 2, MOST_UNITS)))
        case = Case(units, rng.getrandbits(64), rng.randbytes(CHOICES_OF_A_STATE), rng.getrandbits(64))
        sequence, before = case.made(configuration.setting)
        expected = ours.run(sequence.words, before)
        completed = ours.completed
        assert ours.run_host_code(before) == expected
        assert ours.completed == completed
        assert has_host_code(ours.machine)
        executed += completed
    assert executed > 200


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
def test_a_whole_run_under_each_design(design, monkeypatch):
    """Everything is translated as soon as it is seen; the books and every bit are as without."""
    digests = []
    for on in (False, True):
        monkeypatch.setattr(watcher, "ENABLED", on)
        monkeypatch.setattr(watcher, "WORTH", 0)
        monkeypatch.setattr(watcher, "FIRST_LOOK", 3_001)
        monkeypatch.setattr(watcher, "LAST_LOOK", 3_001)
        described = scenario.with_overrides(scenario.load("disk-and-net"), ["duration_ms=3"])
        machine = Machine.from_scenario(described, design=design)
        machine.run()
        assert machine.phase == Phase.END
        assert has_host_code(machine) == on
        digests.append((machine.digest(), [cpu.instructions for cpu in machine.cpu]))
    assert digests[0] == digests[1]
