"""The real gdb, driven through a session: it is at home, forwards and back, and may leave in the middle."""

import re
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

import irqvisor as iv
from hw import asm
from irqvisor.lab.gdb.packets import frame
from irqvisor.lab.gdb.server import Server
from irqvisor.lab.gdb.session import Session
from lab.gdb.client import PATIENCE_S, ask, debug, needs_gdb

LOOP = [asm.addi(3, 3, 1), asm.add(4, 3, 3), asm.stw(4, 0x1000, 5), asm.lwz(6, 0x1000, 5), asm.b(-16)]


PAGE = Path(__file__).parents[3] / "docs/how-to/debug-with-gdb.md"


@contextmanager
def serve(session):
    """A server with a session, in a thread."""
    session.slice_cycles = 500
    made = Server(session, port=0, address="127.0.0.1")
    thread = threading.Thread(target=made.serve, kwargs={"running": False}, daemon=True)
    thread.start()
    yield made
    made.session.is_over = made.session.is_detached = True
    with socket.create_connection(("127.0.0.1", made.port)) as last:
        last.sendall(frame(b"k"))
        thread.join(timeout=PATIENCE_S)
    made.close()
    assert not thread.is_alive()


@pytest.fixture
def server():
    """A server with a machine that counts for ever."""
    machine = iv.boot(b"".join(word.to_bytes(4, "big") for word in LOOP), memory="8M", cpus=2)
    machine.cpu[0].gpr[3], machine.cpu[0].gpr[5] = 0, 0x8000
    with serve(Session(machine)) as made:
        yield made


@needs_gdb
@pytest.mark.slow
def test_the_session_of_the_page_is_what_gdb_says():
    page = PAGE.read_text()
    image = bytes.fromhex(re.search(r"printf '(.*)' > count.bin", page)[1].replace(r"\x", ""))
    said = re.search(r"```text\n(\(gdb\) set endian big\n.*?)\(gdb\) kill", page, re.DOTALL)[1]
    lines = said.splitlines()
    commands = [line.removeprefix("(gdb) ") for line in lines if line.startswith("(gdb) ")]
    assert commands[:2] == ["set endian big", "target remote :1234"]
    with serve(Session(iv.boot(image))) as made:
        heard = debug(made.port, *commands[2:])
    position = 0
    for line in lines[3:]:
        if not line.startswith(("(gdb) ", "Remote debugging")):
            position = heard.index(line, position) + len(line)


@needs_gdb
@pytest.mark.slow
def test_gdb_steps_breaks_watches_and_goes_back(server):
    said = debug(
        server.port,
        "print/x $pc",
        "stepi",
        "print $r3",
        "break *0x400008",
        "continue",
        "continue",
        'printf "count %d\\n", $r3',
        "delete",
        "watch *(int*)0x9000",
        "continue",
        'printf "watched at %x\\n", $pc',
        "delete",
        "reverse-stepi",
        'printf "back at %x\\n", $pc',
        "break *0x400004",
        "reverse-continue",
        'printf "then %x %d\\n", $pc, $r3',
        "delete",
        "reverse-continue",
        'printf "begins %x %d\\n", $pc, $r3',
    )
    assert "$1 = 0x400000" in said
    assert "$2 = 1" in said
    assert "hit Breakpoint 1, 0x0000000000400008" in said
    assert "count 2" in said
    assert "watchpoint 2: *(int*)0x9000" in said
    assert "watched at 400010" in said  # gdb steps once more: hardware stops before the access
    assert "back at 40000c" in said
    assert "then 400004 2" in said
    assert "No more reverse-execution history" in said
    assert "begins 400000 0" in said


@needs_gdb
@pytest.mark.slow
def test_gdb_sees_threads_registers_memory_and_monitor_commands(server):
    said = debug(
        server.port,
        "info threads",
        "info registers srr0 dec sprg3",
        "set var $r7 = 0x1234",
        "print/x $r7",
        "set {int}0x9100 = 77",
        "x/dw 0x9100",
        "x/2i $pc",
        "monitor domains",
        "monitor irq raise 0x1300",
        "monitor why",
        "maintenance packet Qqemu.sstep=1",
    )
    assert "vCPU 0 of partition: running" in said
    assert "Thread 2" in said
    assert "srr0" in said
    assert "$1 = 0x1234" in said
    assert "77" in said
    assert "addi    r3,r3,1" in said
    assert "domain 0 partition: 8192 KiB, runs" in said
    assert "raised 0x1300" in said
    assert "MSR[EE] is off" in said
    assert 'received: "OK"' in said


@needs_gdb
@pytest.mark.slow
def test_gdb_may_leave_in_the_middle_and_another_one_comes(server):
    assert "0x0000000000400008" in debug(server.port, "break *0x400008", "continue", "detach")
    assert "$1 = " in debug(server.port, "print $r3", "disconnect")


@pytest.mark.compiled
def test_ctrl_c_stops_a_machine_even_if_it_comes_with_the_command_to_run(server):
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.settimeout(PATIENCE_S)
        peer.sendall(frame(b"c") + b"\x03")
        answer = b""
        while b"#" not in answer:
            answer += peer.recv(100)
        assert b"T02thread:1;" in answer


@pytest.mark.compiled
def test_garbage_and_a_broken_connection_do_no_harm(server):
    for noise in (b"$$$#", b"\xff\xfe$g#zz", b"$" + b"A" * 70000, b"$qXfer:features:read:#ff", b"-" * 100):
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(noise)
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        assert ask(peer, b"?") == b"T05thread:1;"


@pytest.mark.compiled
def test_it_listens_on_loopback(server):
    assert server._listener.getsockname()[0] == "127.0.0.1"
