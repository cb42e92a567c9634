"""`irqvisor gdb`, and -s and -S of `run` and `boot`: what is served, and how the command ends."""

import json
import re
import socket
import threading
import time

import pytest

from hw import asm
from irqvisor import cli
from irqvisor.cli import booting, running
from irqvisor.spec import rtas
from lab.gdb.client import PATIENCE_S, ask, debug, needs_gdb
from papr.test_board import call_rtas, guest, words

SHORT = ("run", "periodic", "--design", "rhype", "--json", "--set", "duration_ms=1", "--set", "drain_ms=1")


class Command:
    """The command line, running in a thread."""

    def __init__(self, capsys, *arguments):
        self.status = None
        self.out = self.err = ""
        self._capsys = capsys
        self._arguments = list(arguments)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        self.status = cli.main(self._arguments)

    def port(self):
        """Where it says that it waits for gdb."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self._thread.is_alive():
            self._listen()
            if found := re.search(r"gdb: target remote 127\.0\.0\.1:(\d+)\n", self.err):
                return int(found[1])
            time.sleep(0.01)
        raise AssertionError(self.err)

    def finish(self):
        """Its exit status and what it printed to stdout."""
        self._thread.join(timeout=PATIENCE_S)
        self._listen()
        return self.status, self.out

    def _listen(self):
        captured = self._capsys.readouterr()
        self.out += captured.out
        self.err += captured.err


@pytest.fixture
def command(monkeypatch, capsys):
    """Start the command line; where its port is fixed, any other one does."""
    for module in (booting, running):
        monkeypatch.setattr(module, "GDB_PORT", 0)
    return lambda *arguments: Command(capsys, *arguments)


@pytest.fixture
def image(tmp_path):
    """A file with instructions."""

    def write(text):
        file = tmp_path / "guest.bin"
        file.write_bytes(text)
        return str(file)

    return write


@pytest.mark.compiled
@pytest.mark.parametrize(("text", "status"), [("fine\n", 0), ("\nEXIT: STATUS=3\n", 1)])
def test_boot_waits_for_gdb_and_ends_as_the_guest_says(command, image, text, status):
    started = command("boot", image(guest(text)), "--memory", "8M", "-S")
    with socket.create_connection(("127.0.0.1", started.port())) as peer:
        assert ask(peer, b"?") == b"T05thread:1;"
        assert started.out == ""
        assert ask(peer, b"c") == b"W00"
    assert started.finish() == (status, text)


@pytest.mark.compiled
def test_boot_with_s_does_not_wait(command, image):
    assert command("boot", image(guest("alone\n")), "--memory", "8M", "-s").finish() == (0, "alone\n")


@pytest.mark.compiled
def test_a_guest_that_does_nothing_more_ends_the_command_when_gdb_leaves(command, image):
    started = command("boot", image(words(*call_rtas(rtas.STOP_SELF, 0, 1))), "--memory", "8M", "-S")
    with socket.create_connection(("127.0.0.1", started.port())) as peer:
        assert ask(peer, b"c") == b"T02thread:1;"
        assert ask(peer, b"D") == b"OK"
    assert started.finish()[0] == 4
    assert "stopped by a deadlock" in started.err


@pytest.mark.compiled
def test_a_run_under_gdb_finds_what_a_run_alone_finds(command):
    alone = command(*SHORT).finish()
    debugged = command(*SHORT, "-S")
    with socket.create_connection(("127.0.0.1", debugged.port())) as peer:
        assert ask(peer, b"vCont;s:1") == b"T05thread:1;"
        assert ask(peer, b"c") == b"W00"
    rows = [(status, json.loads(out)["run"]) for status, out in (alone, debugged.finish())]
    for _, row in rows:
        del row["wall_s"]
    assert rows[0][0] == 0
    assert rows[0] == rows[1]


@pytest.mark.compiled
def test_a_run_that_gdb_kills_has_no_result(command):
    started = command(*SHORT, "-S")
    with socket.create_connection(("127.0.0.1", started.port())) as peer:
        assert ask(peer, b"k") == b"OK"
    assert started.finish() == (130, "")


@pytest.mark.parametrize("option", [("--log", "x"), ("--journey", "slowest")])
def test_a_run_under_gdb_has_no_log(command, option):
    assert command(*SHORT, "-S", *option).finish() == (2, "")


def test_an_option_of_a_board_is_wrong_for_a_scenario(command):
    started = command("gdb", "periodic", "--cpus", "2")
    assert started.finish()[0] == 2
    assert "--cpus: periodic is a scenario" in started.err


def test_an_image_has_the_design_that_its_guest_was_written_for(command, image):
    started = command("gdb", image(guest("x")), "--design", "hybrid", "--memory", "8M")
    assert started.finish()[0] == 2
    assert "design: hybrid on the pseries board; expected rhype" in started.err


@needs_gdb
@pytest.mark.slow
@pytest.mark.compiled
def test_gdb_stops_where_a_scenario_delivers_and_goes_back_to_what_was_interrupted(command):
    started = command("gdb", "periodic", "--port", "0")
    said = debug(
        started.port(),
        "break *0x500",
        "continue",
        "info threads",
        "monitor journey",
        "reverse-stepi",
        'printf "in a handler: %d\\n", $pc < 0x1000',
        "kill",
    )
    assert "Breakpoint 1, 0x0000000000000500" in said
    assert "vCPU 0 of guest: running" in said
    assert "clock: raised=1" in said
    assert "in a handler: 0" in said
    assert started.finish()[0] == 0


@needs_gdb
@pytest.mark.slow
@pytest.mark.compiled
def test_gdb_debugs_an_image(command, image):
    started = command("gdb", image(words(asm.addi(3, 3, 1), asm.b(-4))), "--memory", "8M", "--cpus", "2", "--port", "0")
    said = debug(started.port(), "set var $r3 = 40", "stepi", "stepi", "stepi", "info threads", "print $r3", "kill")
    assert "$1 = 42" in said
    assert "Thread 2 (vCPU 1 of partition" in said
    assert started.finish()[0] == 0
