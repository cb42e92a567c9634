"""What gdb is answered, packet by packet; time that runs backwards."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

import irqvisor as iv
from hw import asm
from irqvisor.hw import panel
from irqvisor.lab.gdb.registers import REGISTERS
from irqvisor.lab.gdb.session import COMMANDS, Session
from irqvisor.spec import papr
from irqvisor.tables import Table

BASE = 0x400000
# r3 counts up; r4 goes to memory at 0x9000 every time round
LOOP = [asm.addi(3, 3, 1), asm.add(4, 3, 3), asm.stw(4, 0x1000, 5), asm.lwz(6, 0x1000, 5), asm.b(-16)]


def words(*instructions):
    return b"".join(word.to_bytes(4, "big") for word in instructions)


def session(*instructions, cpus=1, r5=0x8000, **options):
    machine = iv.boot(words(*(instructions or LOOP)), memory="8M", cpus=cpus, **options)
    machine.cpu[0].gpr[5] = r5
    made = Session(machine)
    made.attach()
    return made


def register(debugged, name):
    number = [r.name for r in REGISTERS].index(name)
    return int(debugged.answer(f"p{number:x}".encode()), 16)


def set_register(debugged, name, value):
    number = [r.name for r in REGISTERS].index(name)
    size = REGISTERS[number].bits // 4
    return debugged.answer(f"P{number:x}={value:0{size}x}".encode())


def monitor(debugged, text):
    return bytes.fromhex(debugged.answer(b"qRcmd," + text.encode().hex().encode()).decode()).decode()


def test_the_description_has_the_core_feature_and_every_register_once():
    debugged = session()
    answer = debugged.answer(b"qXfer:features:read:target.xml:0,ffff")
    root = ET.fromstring(answer[1:].decode().replace('<!DOCTYPE target SYSTEM "gdb-target.dtd">', ""))
    names = [reg.get("name") for reg in root.iter("reg")]
    assert names == [r.name for r in REGISTERS]
    assert [f.get("name") for f in root.iter("feature")] == ["org.gnu.gdb.power.core", "org.irqvisor.power.system"]
    assert {"srr0", "srr1", "dar", "dsisr", "dec", "tb", "sprg0", "hsrr0", "hsrr1"} <= set(names)
    first = debugged.answer(b"qXfer:features:read:target.xml:0,10")
    assert first[:1] == b"m"
    assert answer[1:17] == first[1:]


def test_registers_are_read_and_written():
    debugged = session()
    assert register(debugged, "pc") == BASE
    assert set_register(debugged, "r31", 0xFEDCBA9876543210) == b"OK"
    assert register(debugged, "r31") == 0xFEDCBA9876543210
    for name, value in (("cr", 0x12345678), ("srr1", 1 << 63), ("dec", 77), ("sprg3", 5), ("xer", 0x20000000)):
        assert set_register(debugged, name, value) == b"OK"
        assert register(debugged, name) == value
    everything = debugged.answer(b"g")
    assert len(everything) == sum(r.bits for r in REGISTERS) // 4
    assert debugged.answer(b"G" + everything) == b"OK"
    assert debugged.answer(b"g") == everything
    assert set_register(debugged, "tb", 5) == b"E01"


def test_what_registers_need_is_compiled_before_gdb_asks(monkeypatch):
    debugged = session()
    called = []
    for name in ("get", "put"):
        act = getattr(panel, name)
        monkeypatch.setattr(panel, name, lambda *a, name=name, act=act: called.append(name) or act(*a))
    before = debugged.machine.digest()
    debugged.prepare()
    assert {"get", "put"} <= set(called)
    assert debugged.machine.digest() == before


def test_registers_of_a_little_endian_guest_are_little_endian():
    debugged = session()
    debugged.order = "little"
    assert debugged.answer(b"p20") == b"0000400000000000"


def test_memory_is_read_and_written_and_ends_where_it_ends():
    debugged = session()
    assert debugged.answer(b"m400000,8") == words(*LOOP[:2]).hex().encode()
    assert debugged.answer(b"M9000,4:deadbeef") == b"OK"
    assert debugged.answer(b"X9004,2:\x7d\x24") == b"OK"
    assert debugged.answer(b"m9000,6") == b"deadbeef7d24"
    assert debugged.answer(b"m7ffffe,4") == words(0)[:2].hex().encode()
    for packet in (b"m800000,4", b"m-1,4", b"M7ffffe,4:00000000", b"M9000,4:dead", b"mffffffffffffffff,8", b"m9000"):
        assert debugged.answer(packet) == b"E01"


def test_code_that_is_written_is_executed():
    debugged = session()
    debugged.answer(b"s")
    debugged.answer(b"M400004,4:" + words(asm.li(9, 42)).hex().encode())
    debugged.answer(b"s")
    assert register(debugged, "r9") == 42


def test_a_step_is_one_instruction():
    debugged = session()
    for n, pc in enumerate((4, 8, 12, 16, 0)):
        assert debugged.answer(b"vCont;s:1;c") == b"T05thread:1;"
        assert register(debugged, "pc") == BASE + pc, n


@pytest.mark.parametrize("kind", [0, 1])
def test_a_breakpoint_stops_before_its_instruction_as_often_as_it_comes(kind):
    debugged = session()
    assert debugged.answer(f"Z{kind},400008,4".encode()) == b"OK"
    start = register(debugged, "r3")
    for times in (1, 2, 3):
        assert debugged.answer(b"vCont;c") == b"T05thread:1;swbreak:;"
        assert register(debugged, "pc") == BASE + 8
        assert register(debugged, "r3") == start + times
    assert debugged.answer(f"z{kind},400008,4".encode()) == b"OK"
    assert debugged.machine.memory[BASE + 8 : BASE + 12] == words(LOOP[2])


def test_a_breakpoint_at_code_that_the_guest_writes_anew_stays():
    patch = words(asm.li(9, 1))
    debugged = session(asm.stw(7, 0x14, 8), asm.NOP, asm.NOP, asm.NOP, asm.NOP, asm.NOP, asm.b(-24), r5=0)
    set_register(debugged, "r7", int.from_bytes(patch, "big"))
    set_register(debugged, "r8", BASE)
    debugged.answer(b"Z0,400014,4")
    for _ in range(3):
        assert debugged.answer(b"c") == b"T05thread:1;swbreak:;"
        assert register(debugged, "pc") == BASE + 0x14


def test_a_watchpoint_stops_behind_the_store_that_changed_the_value():
    debugged = session()
    assert debugged.answer(b"Z2,9000,4") == b"OK"
    assert debugged.answer(b"c") == b"T05thread:1;watch:9000;"
    assert register(debugged, "pc") == BASE + 12
    assert debugged.answer(b"c") == b"T05thread:1;watch:9000;"
    assert register(debugged, "pc") == BASE + 12
    assert debugged.answer(b"z2,9000,4") == b"OK"


@pytest.mark.parametrize(("kind", "name", "pc"), [(3, b"rwatch", 16), (4, b"awatch", 12)])
def test_a_watchpoint_of_reads_stops_behind_the_access(kind, name, pc):
    debugged = session()
    assert debugged.answer(f"Z{kind},9002,1".encode()) == b"OK"
    assert debugged.answer(b"c") == b"T05thread:1;" + name + b":9002;"
    assert register(debugged, "pc") == BASE + pc


def test_looking_at_each_instruction_does_not_keep_gdb_waiting():
    debugged = session()
    debugged.interrupted = lambda: True
    assert debugged.answer(b"Z3,a000,4") == b"OK"
    assert debugged.answer(b"c") == b"T02thread:1;"
    assert debugged.timeline.position < 5000


def test_a_step_of_a_vcpu_that_does_not_run_can_be_interrupted():
    debugged = session(cpus=2)
    debugged.interrupted = lambda: debugged.timeline.position >= 100
    assert debugged.answer(b"vCont;s:2") == b"T05thread:2;"
    assert debugged.timeline.position < 10_000


def test_going_back_undoes_registers_and_memory():
    debugged = session()
    seen = []
    for _ in range(12):
        seen.append((debugged.answer(b"g"), debugged.answer(b"m9000,4")))
        debugged.answer(b"s")
    for state in reversed(seen):
        assert debugged.answer(b"bs") == b"T05thread:1;"
        assert (debugged.answer(b"g"), debugged.answer(b"m9000,4")) == state
    assert debugged.answer(b"bs") == b"T05thread:1;replaylog:begin;"


def test_running_back_finds_the_last_breakpoint_and_then_the_beginning():
    debugged = session()
    debugged.answer(b"Z0,400008,4")
    for _ in range(3):
        debugged.answer(b"c")
    debugged.answer(b"s")
    third = register(debugged, "r3")
    assert debugged.answer(b"bc") == b"T05thread:1;swbreak:;"
    assert (register(debugged, "pc"), register(debugged, "r3")) == (BASE + 8, third)
    assert debugged.answer(b"bc") == b"T05thread:1;swbreak:;"
    assert (register(debugged, "pc"), register(debugged, "r3")) == (BASE + 8, third - 1)
    debugged.answer(b"bc")
    assert debugged.answer(b"bc") == b"T05thread:1;replaylog:begin;"
    assert register(debugged, "pc") == BASE
    assert debugged.answer(b"c") == b"T05thread:1;swbreak:;"


def test_forwards_again_is_the_same_run_with_what_was_done_from_outside():
    debugged = session(clock="1M", timebase="1M")
    for _ in range(20):
        debugged.answer(b"s")
    assert monitor(debugged, "irq raise 0x1300") == "raised 0x1300\n"
    for _ in range(20):
        debugged.answer(b"s")
    end = debugged.machine.digest()
    for _ in range(30):
        debugged.answer(b"bs")
    for _ in range(30):
        debugged.answer(b"s")
    assert debugged.machine.digest() == end


def sleeper():
    """A guest that sleeps; its handler of external interrupts notes the time in r30."""
    debugged = session(asm.li(3, papr.H_CEDE), asm.sc(1), asm.b(-8))
    machine = debugged.machine
    handler = words(asm.li(3, papr.H_XIRR), asm.sc(1), asm.mfspr(30, 268), asm.li(3, papr.H_EOI), asm.sc(1), asm.RFID)
    machine.memory[0x500 : 0x500 + len(handler)] = handler
    machine.cpu[0].dec = 0x7FFFFFFF
    machine.views[Table.SERVER][0].cppr = papr.PRIORITY_NONE
    for source in machine.views[Table.ICS]:
        source.priority = papr.DEVICE_PRIORITY
    debugged.timeline.changed()
    debugged.slice_cycles = 1000
    return debugged


def typing(*texts):
    """What is typed between slices, in order; then no more."""
    waiting = list(texts)
    return lambda seconds: waiting.pop(0) if waiting else None


def test_what_is_typed_reaches_the_guest_and_again_at_the_same_cycle_after_going_back():
    debugged = sleeper()
    debugged.more_input = typing(b"", b"", b"x")
    debugged.answer(b"Z0,50c,4")
    assert debugged.answer(b"c").startswith(b"T05")
    assert 3000 < register(debugged, "r30") < 3020
    before = debugged.machine.digest(), debugged.machine.now
    assert debugged.answer(b"bc") == b"T05thread:1;replaylog:begin;"
    assert register(debugged, "r30") == 0
    assert debugged.answer(b"c").startswith(b"T05")
    assert (debugged.machine.digest(), debugged.machine.now) == before


def test_an_interrupt_raised_by_hand_while_the_guest_sleeps_comes_again_at_its_cycle():
    debugged = sleeper()
    waits = [False, False, True]
    debugged.interrupted = lambda: waits.pop(0) if waits else False
    assert debugged.answer(b"c") == b"T02thread:1;"
    monitor(debugged, "irq raise 0x1300")
    debugged.answer(b"Z0,50c,4")
    stops = []
    for _ in range(2):
        assert debugged.answer(b"c").startswith(b"T05")
        stops.append((register(debugged, "r30"), debugged.machine.digest()))
        assert debugged.answer(b"bc") == b"T05thread:1;replaylog:begin;"
    assert 3000 < stops[0][0] < 3020
    assert stops[0] == stops[1]


def test_steps_hold_interrupts_off_unless_told_otherwise():
    debugged = session(*[asm.NOP] * 8)
    debugged.machine.memory[0x900:0x904] = words(asm.NOP)
    set_register(debugged, "msr", 0x8000000000009000)
    set_register(debugged, "dec", 0xFFFFFFFF)
    assert debugged.answer(b"qqemu.sstepbits") == b"ENABLE=1,NOIRQ=2,NOTIMER=4"
    assert debugged.answer(b"qqemu.sstep") == b"0x7"
    debugged.answer(b"s")
    assert register(debugged, "pc") == BASE + 4
    assert debugged.answer(b"Qqemu.sstep=1") == b"OK"
    debugged.answer(b"s")
    assert register(debugged, "pc") == 0x904
    assert register(debugged, "srr0") == BASE + 4


def test_threads_are_vcpus():
    debugged = session(cpus=3)
    assert debugged.answer(b"qfThreadInfo") == b"m1,2,3"
    assert debugged.answer(b"qsThreadInfo") == b"l"
    assert debugged.answer(b"qC") == b"QC1"
    assert bytes.fromhex(debugged.answer(b"qThreadExtraInfo,1").decode()) == b"vCPU 0 of partition: running"
    assert bytes.fromhex(debugged.answer(b"qThreadExtraInfo,3").decode()) == b"vCPU 2 of partition: blocked"
    assert debugged.answer(b"Hg2") == b"OK"
    assert register(debugged, "pc") == 0x100
    assert debugged.answer(b"T3") == b"OK"
    for packet in (b"T4", b"Hg9", b"qThreadExtraInfo,7", b"vCont;s:8"):
        assert debugged.answer(packet) == b"E01"


def test_the_end_of_the_guest_is_told():
    debugged = session(asm.li(3, papr.H_CEDE), asm.sc(1))
    set_register(debugged, "dec", 0x7FFFFFFF)
    debugged.answer(b"M500,4:" + words(asm.b(0)).hex().encode())
    debugged.interrupted = lambda: True
    assert debugged.answer(b"c").startswith((b"T02", b"T05"))


def test_monitor_commands_look_behind_the_processor():
    debugged = session(cpus=2)
    assert "vCPU 0 on pCPU 0: running, pc 0x400000" in monitor(debugged, "domains")
    assert "number=0x1300 priority=0xff saved=0xff" in monitor(debugged, "irq")
    assert "server 0: priority=0xff mfrr=0xff" in monitor(debugged, "pic")
    assert monitor(debugged, "evtchn") == "no event channels\n"
    assert monitor(debugged, "journey") == "no sources\n"
    assert "MSR[EE] is off" in monitor(debugged, "why")
    assert "its server: CPPR 0x0" in monitor(debugged, "why")
    assert "snapshot" in monitor(debugged, "help")
    assert monitor(debugged, "nonsense").startswith('no monitor command "nonsense"')
    assert "no such source" in monitor(debugged, "irq raise 0x99")
    assert "not understood" in monitor(debugged, "irq raise x")
    assert "not understood" in monitor(debugged, "snapshot")


def test_a_snapshot_is_a_saved_machine(tmp_path):
    debugged = session()
    debugged.answer(b"Z0,400008,4")
    debugged.answer(b"c")
    assert monitor(debugged, f"snapshot {tmp_path}/m").startswith("saved to")
    saved = iv.Machine.load(tmp_path / "m")
    saved.run(instructions=20)
    assert saved.stop_reason == iv.Stop.BUDGET


def test_breakpoints_are_not_the_forks():
    debugged = session()
    debugged.answer(b"Z0,400008,4")
    debugged.answer(b"c")
    debugged.answer(b"s")
    twin = debugged.machine.fork()
    twin.run(instructions=20)
    assert twin.stop_reason == iv.Stop.BUDGET


PACKETS = st.one_of(
    st.binary(max_size=30),
    st.builds(
        lambda name, rest: name.encode() + rest,
        st.sampled_from([name for name, _ in COMMANDS if name not in ("c", "C", "bc", "vCont;")]),
        st.one_of(st.binary(max_size=20), st.from_regex(rb"-?[0-9a-f]{0,20}[,:;=]?[0-9a-f]{0,20}", fullmatch=True)),
    ),
)


@given(st.lists(PACKETS, max_size=12))
def test_no_packet_takes_the_process_down(packets):
    debugged = session()
    for packet in packets:
        if packet[:1] not in (b"c", b"C") and not packet.startswith((b"bc", b"vCont;", b"s")):
            answer = debugged.answer(packet)
            assert answer is None or isinstance(answer, bytes)
