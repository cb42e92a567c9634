"""Machine: the same run however it is cut, saved, forked or watched; and the plain values it shows."""

import gzip
import hashlib
import json
import os
import subprocess
import sys

import pytest

from hv.harness import DESIGNS, MANUAL, Parked, fates, periodic, ready, small
from irqvisor.errors import SnapshotError, UsageError
from irqvisor.hw.state import ISA_201, ISA_207, ISA_300, Phase, Stop
from irqvisor.lab import build, runner
from irqvisor.machine import Machine
from irqvisor.spec.designs import BY_NAME
from irqvisor.spec.power_isa import DSISR_NO_TRANSLATION, MSR_DR
from irqvisor.tables import Table

compiled = pytest.mark.compiled


def busy(pcpus=1, **settings):
    """Sources of both kinds for two domains, one of which computes."""
    return small(
        [{"name": "io", "pcpu": 0}, {"name": "calc", "pcpu": pcpus - 1, "compute": True}],
        [
            {"name": "disk", "owner": "io", "arrival": {"kind": "poisson", "mean_us": 70}},
            {"name": "net", "owner": "calc", "trigger": "level", "arrival": {"kind": "closed", "response_us": 40}},
        ],
        pcpus=pcpus,
        **{"duration_ms": 1, "drain_ms": 0.5, **settings},
    )


def finish(machine):
    machine.run()
    assert (machine.phase, machine.stop_reason) == (Phase.END, Stop.ENDED)
    return machine.digest(), observed(machine)


def observed(machine):
    """Counters and journeys, without the log."""
    tables = (Table.OBSERVED, Table.PCPU_COUNT, Table.DOMAIN_COUNT, Table.JOURNEY)
    parts = {table: machine.views[table].copy() for table in tables}
    for name in ("log_on", "log_count", "log_size", "log_spilled", "log_lost"):
        parts[Table.OBSERVED][name] = 0
    return b"".join(part.tobytes() for part in parts.values())


# ----------------------------------------------------------------------------------------------------- the same run


@compiled
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("pcpus", [1, 2])
class TestTheSameRun:
    @pytest.fixture
    def straight(self, design, pcpus):
        return finish(build.machine(busy(pcpus), design))

    @pytest.mark.parametrize("slice_", [12_345, 777_777])
    def test_in_slices_of_cycles(self, design, pcpus, straight, slice_):
        machine = build.machine(busy(pcpus), design)
        while machine.phase < Phase.END:
            machine.run(cycles=slice_)
        assert finish_of(machine) == straight

    @pytest.mark.parametrize("slice_", [999, 54_321])
    def test_in_slices_of_instructions(self, design, pcpus, straight, slice_):
        machine = build.machine(busy(pcpus), design)
        while machine.phase < Phase.END:
            machine.run(instructions=slice_)
        assert finish_of(machine) == straight

    def test_in_slices_of_both(self, design, pcpus, straight):
        machine = build.machine(busy(pcpus), design)
        step = 1
        while machine.phase < Phase.END:
            if step % 2:
                machine.run(instructions=step)
            else:
                machine.run(cycles=7 * step)
            step = step * 3 % 100_003 + 1
        assert finish_of(machine) == straight

    def test_saved_and_loaded_in_the_middle(self, design, pcpus, straight, tmp_path):
        machine = build.machine(busy(pcpus), design)
        for k in range(3):
            machine.run(cycles=2_500_000)
            machine.save(tmp_path / f"{k}.irqvisor")
            machine = Machine.load(tmp_path / f"{k}.irqvisor")
        assert finish(machine) == straight

    def test_forked_in_the_middle_parent_and_twin(self, design, pcpus, straight):
        machine = build.machine(busy(pcpus), design)
        machine.run(cycles=6_400_000)
        twin = machine.fork()
        assert twin.digest() == machine.digest()
        assert finish(twin) == straight
        assert finish(machine) == straight

    @pytest.mark.parametrize("ring", [False, True])
    def test_with_the_log_on(self, design, pcpus, straight, ring):
        machine = build.machine(busy(pcpus), design)
        machine.start_log(1 << 12, ring=ring)
        records = []
        machine.on_log = records.append
        assert finish(machine) == straight
        machine.spill_log()
        assert sum(map(len, records)) > 100

    def test_built_twice(self, design, pcpus, straight):
        assert finish(build.machine(busy(pcpus), design)) == straight


def finish_of(machine):
    assert machine.phase == Phase.END
    return machine.digest(), observed(machine)


@compiled
def test_the_seed_changes_the_run():
    one, other = (runner.run(busy(seed=seed), "rhype")["digest"] for seed in (1, 2))
    assert one != other


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
def test_with_the_jit_off_it_is_the_same_run(design, tmp_path):
    # Both guests sleep, so that few instructions are enough.
    scenario = {
        "name": "short",
        "duration_ms": 0.5,
        "drain_ms": 0.2,
        "domains": [{"name": "io"}, {"name": "net"}],
        "sources": [
            {"name": "a", "owner": "io", "arrival": {"kind": "poisson", "mean_us": 30}},
            {"name": "b", "owner": "net", "trigger": "level", "arrival": periodic(43)},
        ],
    }
    if not BY_NAME[design].one_vcpu:
        scenario |= {
            "pcpus": 2,
            "scheduler": {"balance": True},
            "domains": [{"name": "io", "vcpus": 2}, {"name": "net"}],
            "channels": [{"name": "c", "producer": "io", "consumer": "io", "vcpu": 1, "after": ["a"]}],
        }
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(scenario))
    script = (
        "import json, sys; from irqvisor.lab import runner, scenario; "
        "r = runner.run(scenario.from_dict(json.load(open(sys.argv[1]))), sys.argv[2]); "
        "r.pop('wall_s'); print(json.dumps(r, sort_keys=True))"
    )
    results = []
    for off in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": off}
        command = [sys.executable, "-c", script, str(path), design]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        results.append(found.stdout)
    assert results[0] == results[1]
    assert json.loads(results[0])["serviced"] > 10


# ----------------------------------------------------------------------------------------------------------- forks


@pytest.fixture(scope="module")
def machine():
    scenario = small([{"name": "a", "compute": True}], [{"name": "s", "owner": "a", "arrival": MANUAL}])
    return ready(scenario, "rhype")


def test_a_fork_and_its_parent_go_their_own_ways(machine):
    parent = machine.fork()
    twin = parent.fork()
    before = parent.digest()
    twin.raise_irq(1)
    twin.run(cycles=50_000)
    assert parent.digest() == before
    assert fates(parent, "s") == {}
    again = parent.fork()
    parent.run(cycles=90_000)
    again.raise_irq(1)
    again.run(cycles=50_000)
    assert again.digest() == twin.digest()


def test_self_modifying_code_in_a_fork_does_not_reach_its_parent(machine):
    parent = machine.fork()
    guest = Parked(parent)
    li = 0x38A00000  # li r5,n
    stw_next = 0x90000000 | 4 << 21 | 3 << 16 | 8  # stw r4,8(r3): onto the next word but one
    guest.park(li | 1, stw_next, li | 2)
    guest.cpu.gpr[3], guest.cpu.gpr[4] = guest.HERE, li | 2
    parent.run(cycles=100)
    assert guest.cpu.gpr[5] == 2
    twin = parent.fork()
    for m, value in ((twin, 7), (parent, 2), (twin, 9)):
        it = Parked.__new__(Parked)
        it.machine, it.v = m, 0
        it.cpu.nip, it.cpu.gpr[3], it.cpu.gpr[4], it.cpu.gpr[5] = it.HERE, it.HERE, li | value, 0
        m.run(cycles=100)
        assert it.cpu.gpr[5] == value
    assert parent.memory[Parked.HERE + 8 : Parked.HERE + 12] == (li | 2).to_bytes(4, "big")
    assert twin.memory[Parked.HERE + 8 : Parked.HERE + 12] == (li | 9).to_bytes(4, "big")


def test_code_written_from_outside_counts(machine):
    twin = machine.fork()
    guest = Parked(twin)
    for value in (1, 2, 3):
        guest.park(0x38A00000 | value)
        twin.run(cycles=100)
        assert guest.cpu.gpr[5] == value
    assert machine.memory[Parked.HERE] == 0


def test_what_guests_print_is_each_machines_own(machine):
    twin = machine.fork()
    twin.consoles[0] += b"twin"
    assert "twin" in twin.console
    assert "twin" not in machine.console


# ---------------------------------------------------------------------------------------------------- saved machines


@pytest.fixture
def saved(machine, tmp_path):
    path = tmp_path / "a.irqvisor"
    machine.save(path)
    return path


def test_a_saved_machine_comes_back_whole(machine, saved):
    loaded = Machine.load(saved)
    assert loaded.digest() == machine.digest()
    assert loaded.labels == machine.labels
    assert loaded.console == machine.console
    assert loaded.symbol(0, loaded.cpu[0].pc) == machine.symbol(0, machine.cpu[0].pc)
    assert list(saved.parent.iterdir()) == [saved]  # nothing beside it


def message_of(path):
    with pytest.raises(SnapshotError) as caught:
        Machine.load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_another_version_is_refused_by_number(saved):
    data = bytearray(saved.read_bytes())
    data[8:12] = (99).to_bytes(4, "big")
    saved.write_bytes(data)
    assert "format version 99; expected version 2" in message_of(saved)


@pytest.mark.parametrize("kept", [0, 5, 8, 15, 16, 20, 47, 48, 400, -1, -33])
def test_a_truncated_file_is_refused(saved, kept):
    saved.write_bytes(saved.read_bytes()[:kept])
    assert "not a saved machine" in message_of(saved) or "checksum" in message_of(saved)


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + bytes(100), b"IRQVISOX" + bytes(100), b"name = 'x'\n" * 9])
def test_a_foreign_file_is_refused(saved, content):
    saved.write_bytes(content)
    assert "not a saved machine" in message_of(saved)


@pytest.mark.parametrize("part", [0.003, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_flipped_byte_is_noticed(saved, part):
    data = bytearray(saved.read_bytes())
    at = max(int(part * len(data)), 12)
    data[at] ^= 0x10
    saved.write_bytes(data)
    assert "checksum" in message_of(saved)


def test_a_byte_too_many_is_noticed(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    assert "checksum" in message_of(saved)


def test_another_layout_is_refused(saved):
    data = bytearray(saved.read_bytes()[:-32])
    at = data.index(b'"layout": "') + 11
    data[at : at + 4] = b"beef" if data[at : at + 4] != b"beef" else b"feed"
    saved.write_bytes(data + digest(data))
    assert "another layout" in message_of(saved)


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda body: b"nonsense", "unpack"),
        (lambda body: body[:-100], "unpack"),
        (lambda body: body[:30] + b"?" + body[31:], "unpack"),
        (lambda body: gzip.compress(b"too short"), "9 bytes of data"),
        (lambda body: body + gzip.compress(b"more"), "more data"),
    ],
)
def test_data_that_does_not_unpack_is_refused(saved, spoilt, message):
    data = saved.read_bytes()[:-32]
    length = int.from_bytes(data[12:16], "big")
    broken = data[: 16 + length] + spoilt(data[16 + length :])
    saved.write_bytes(broken + digest(broken))
    assert message in message_of(saved)


def digest(data):
    return hashlib.sha256(data).digest()


def test_a_file_that_is_not_there_or_cannot_be_written(machine, tmp_path):
    assert "cannot be read" in message_of(tmp_path / "nothing")
    with pytest.raises(SnapshotError, match="cannot be written"):
        machine.save(tmp_path / "no" / "such" / "folder")


# -------------------------------------------------------------------------------------------------------- the surface


def test_cpu_shows_plain_values(machine):
    twin = machine.fork()
    guest = Parked(twin)
    guest.cpu.gpr[7], guest.cpu.lr = -1, 0x1234
    guest.cpu.cr[:] = range(8)
    cpu = twin.cpu[0]
    assert len(twin.cpu) == 1
    assert (cpu.pc, cpu.gpr[7], cpu.lr) == (Parked.HERE, 2**64 - 1, 0x1234)
    assert cpu.msr == 0x8000000000001002
    assert cpu.cr == 0x01234567
    assert (type(cpu.pc), type(cpu.gpr[7]), len(cpu.gpr)) == (int, int, 32)
    assert cpu.now == twin.now
    assert not cpu.idle
    assert repr(cpu).startswith("<Cpu pc=0x10000 ")
    with pytest.raises(AttributeError):
        cpu.gpr7  # noqa: B018


def test_cpu_says_that_a_guest_asked_for_translation(machine):
    """The architecture's storage interrupts are raised all the same."""
    twin = machine.fork()
    guest = Parked(twin)
    guest.cpu.msr |= MSR_DR
    twin.memory[guest.HERE : guest.HERE + 4] = (0x80600000).to_bytes(4, "big")  # lwz r3,0(0)
    assert twin.cpu[0].untranslated == 0
    twin.step()
    assert (twin.cpu[0].pc, twin.cpu[0].dsisr) == (0x300, DSISR_NO_TRANSLATION)
    assert twin.cpu[0].untranslated == 1
    assert repr(twin.cpu[0]).endswith(" MSR[IR/DR] set, no translation configured>")


@pytest.mark.parametrize(
    ("cpu", "isa", "level"),
    [("970", None, ISA_201), ("power8", None, ISA_207), ("970", "2.07", ISA_207), ("power8", "3.0", ISA_300)],
)
def test_a_processor_has_its_own_architecture_level_unless_another_is_chosen(cpu, isa, level):
    chosen = build.machine(busy(), "rhype", cpu=cpu, isa=isa)
    assert [int(pc.isa) for pc in chosen.views[Table.PCPU]] == [level]
    assert [int(pc.model) for pc in chosen.views[Table.PCPU]] == [build.MODELS[cpu]]


def test_a_level_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match=r"isa='2\.06'.*2\.01, 2\.07, 3\.0"):
        build.machine(busy(), "rhype", isa="2.06")


def test_memory_is_bytes_by_guest_real_address(machine):
    twin = machine.fork()
    memory = twin.memory
    assert len(memory) == 128 * 1024
    assert isinstance(memory[0x500:0x520], bytes)
    assert memory[0x500:0x504] == bytes(memory[0x500 + k] for k in range(4))
    memory[0x1F000:0x1F004] = b"abcd"
    memory[0x1F004] = 0xFF
    assert memory[0x1F000:0x1F005] == b"abcd\xff"
    assert machine.memory[0x1F000:0x1F005] != b"abcd\xff"
    assert bytes(memory)[0x1F000:0x1F004] == b"abcd"


@pytest.mark.parametrize("count", [1, 2, 10, 1000])
def test_step_completes_exactly_that_many_instructions(machine, count):
    twin = machine.fork()
    before = twin.cpu[0].instructions
    assert twin.step(count) == count
    assert twin.cpu[0].instructions == before + count
    assert twin.stop_reason == Stop.BUDGET


@pytest.mark.parametrize("cycles", [1, 2, 100, 4321])
def test_run_stops_at_the_first_instruction_boundary_at_or_after_the_cycle(machine, cycles):
    twin = machine.fork()
    twin.step(3)
    began = twin.now
    twin.run(cycles=cycles)
    cpi = int(twin.header.cpi)
    assert began + cycles <= twin.now < began + cycles + cpi


@compiled
def test_a_run_without_limits_leaves_a_machine_at_its_end_alone():
    machine = build.machine(busy(), "xen-ppc")
    ended = finish(machine)
    assert machine.run() == 0
    assert finish(machine) == ended
    assert machine.step() == 1  # a guest that computes goes on if it is told for how long


def test_raise_irq_posts_an_item_where_a_source_is_wired(machine):
    twin = machine.fork()
    twin.raise_irq(1)
    assert fates(twin, "s")["raised"] == 1
    twin.run(cycles=20_000)
    assert fates(twin, "s") == {"raised": 1, "serviced": 1}


@pytest.mark.parametrize("irq", [-1, 2, 1000])
def test_raise_irq_refuses_an_input_that_does_not_exist(machine, irq):
    with pytest.raises(UsageError, match="no such input"):
        machine.fork().raise_irq(irq)


def test_raise_irq_drives_an_input_that_nothing_is_wired_to(machine):
    twin = machine.fork()
    twin.raise_irq(0)
    assert twin.views[Table.PIC_SOURCE][0].line == 1
    twin.raise_irq(0, level=0)
    assert twin.views[Table.PIC_SOURCE][0].line == 0


def test_symbols_name_addresses(machine):
    symbols = {s.name: s.address for s in machine.labels.symbols[0]}
    assert machine.symbol(0, symbols["compute_unit"]) == "compute_unit"
    assert machine.symbol(0, symbols["compute_unit"] + 8) == "compute_unit+0x8"
    assert machine.symbol(0, 0x7FFFF000) == ""  # far behind the last label


@compiled
def test_a_machine_in_which_nothing_will_ever_happen_says_so():
    machine = build.machine(small([{"name": "sleeper"}]), "xen-ppc")
    machine.run(until=Phase.END)
    machine.run(cycles=1_000_000)
    assert machine.stop_reason == Stop.DEADLOCK


@compiled
def test_the_run_ends_and_stays_ended():
    machine = build.machine(busy(), "rhype")
    digest_at_end = finish(machine)[0]
    assert machine.run(cycles=1000) >= 0
    assert machine.phase == Phase.END
    assert digest_at_end is not None


@compiled
def test_until_stops_at_the_phase():
    machine = build.machine(busy(), "xen-ppc")
    for phase in (Phase.RUN, Phase.DRAIN, Phase.END):
        machine.run(until=phase)
        assert machine.phase == phase
