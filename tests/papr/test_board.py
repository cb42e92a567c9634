"""The pseries board: entry state, device tree, memory, images, and how a boot ends."""

import json

import fdt
import pytest

import irqvisor as iv
from hw import asm
from irqvisor import cli, pseries
from irqvisor.errors import ImageError, UsageError
from irqvisor.guest.image import Image
from irqvisor.hw.state import Stop
from irqvisor.lab import boot, units
from irqvisor.spec import papr, rtas
from papr.partition import HALT, image


def words(*instructions, order="big"):
    return b"".join(word.to_bytes(4, order) for word in instructions)


def load(register, value):
    """Instructions that put a 32-bit number into a register."""
    return asm.lis(register, value >> 16), asm.ori(register, register, value & 0xFFFF)


def say(text):
    """Instructions that print a text, up to 8 letters at a time."""
    program = []
    for first in range(0, len(text), 4):
        part = text[first : first + 4].ljust(4, "\0").encode()
        program += [*load(6, int.from_bytes(part, "big")), sldi32(6), asm.li(3, papr.H_PUT_TERM_CHAR)]
        program += [asm.li(4, 0), asm.li(5, min(4, len(text) - first)), asm.sc(1)]
    return program


def sldi32(register):
    return 30 << 26 | register << 21 | register << 16 | 0x07C6  # rldicr rx, rx, 32, 31


def call_rtas(token, arguments, results):
    """Instructions that make an RTAS call, with whatever arguments lie in memory."""
    program = []
    for k, cell in enumerate((token, arguments, results)):
        program += [*load(5, cell), asm.stw(5, 0x8000 + 4 * k - 0x10000, 7)]
    return [*load(7, 0x10000), *program, *load(3, papr.H_RTAS), asm.ori(4, 7, 0), asm.addi(4, 4, -0x8000), asm.sc(1)]


def guest(text):
    """A guest that prints and powers off."""
    return words(*say(text), *call_rtas(rtas.POWER_OFF, 2, 1), HALT)


def test_the_first_processor_starts_in_32_bit_mode_with_the_tree_in_r3():
    machine = iv.boot(words(HALT), memory="16M", cpus=2)
    cpu = machine.cpu[0]
    assert (cpu.pc, cpu.msr, cpu.gpr[3]) == (0x400000, 0x1000, 14 << 20)
    assert cpu.gpr[:3] + cpu.gpr[4:] == [0] * 31
    assert cpu.lpcr == 0x1F008
    assert cpu.read_spr(287) == 0x004D0200
    assert machine.cpu[1].idle


def test_the_tree_says_what_the_machine_is():
    config = pseries.Config(cpus=4, threads=2, memory_bytes=16 << 20, bootargs="a b", initrd=b"files", rtas_entry=True)
    machine = pseries.build(image(HALT), config)
    at = machine.cpu[0].gpr[3]
    size = int.from_bytes(machine.memory[at + 4 : at + 8], "big")
    tree = fdt.parse_dtb(machine.memory[at : at + size])
    assert tree.get_property("compatible", "/").value == "qemu,pseries"
    assert tree.get_property("reg", "/memory@0").data == [0, 0, 0, 16 << 20]
    assert tree.get_property("ibm,ppc-interrupt-server#s", "/cpus/PowerPC,POWER8@2").data == [2, 3]
    assert not tree.exist_node("/cpus/PowerPC,POWER8@1")
    assert not tree.exist_node("/hypervisor")
    assert tree.get_property("timebase-frequency", "/cpus/PowerPC,POWER8@0").value == 512_000_000
    assert tree.get_property("bootargs", "/chosen").value == "a b"
    start, end = (tree.get_property(f"linux,initrd-{name}", "/chosen").data[1] for name in ("start", "end"))
    assert machine.memory[start:end] == b"files"
    entry = tree.get_property("linux,rtas-entry", "/rtas").value
    assert machine.memory[entry : entry + 20] == words(*rtas.ENTRY)
    for name, token in rtas.TOKENS.items():
        assert tree.get_property(name, "/rtas").value == token


def elf(segments, *, little=False, entry=0):
    """An ELF file with segments (address, bytes, memory size)."""
    order = "little" if little else "big"

    def n(value, size):
        return value.to_bytes(size, order)

    head = b"\x7fELF\2" + bytes([1 if little else 2, 1]) + bytes(9) + n(3, 2) + n(21, 2) + n(1, 4) + n(entry, 8)
    head += n(64, 8) + n(0, 8) + n(0, 4) + n(64, 2) + n(56, 2) + n(len(segments), 2) + n(64, 2) + n(0, 2) + n(0, 2)
    table = data = b""
    for address, part, memory in segments:
        offset = 64 + 56 * len(segments) + len(data)
        table += n(1, 4) + n(7, 4) + n(offset, 8) + n(address, 8) * 2 + n(len(part), 8) + n(memory, 8) + n(16, 8)
        data += part
    return head + table + data


@pytest.mark.parametrize("little", [False, True])
@pytest.mark.parametrize("base", [0, 0xC000000000000000, 0x10000000])
def test_elf_files_of_either_order_go_to_the_load_address(little, base):
    file = elf([(base, words(HALT), 4), (base + 0x2000, b"data", 64)], little=little, entry=base + 0x1234)
    machine = iv.boot(file, memory="16M")
    assert machine.cpu[0].pc == 0x400000
    assert machine.memory[0x400000:0x400004] == words(HALT)
    assert machine.memory[0x402000:0x402005] == b"data\0"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "is empty"),
        (elf([(0, words(HALT), 1 << 40)]), "does not fit"),
        (elf([(0x0F000000, words(HALT), 4)]), "does not fit"),
        (elf([]), "has nothing to load"),
        (elf([(0, words(HALT), 4)])[:100], "not a well-formed ELF file"),
        (elf([(0, bytes(64), 64)])[:-1], "ends within its segment"),
    ],
)
def test_an_image_that_cannot_be_loaded_says_why(file, message):
    with pytest.raises(ImageError, match=message):
        iv.boot(file, memory="16M")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"board": "psories"}, "no such board"),
        ({"design": "rhyp"}, 'did you mean "rhype"'),
        ({"design": "hybrid"}, "expected rhype\n  hint: .*does not look at event channels"),
        ({"design": "xen-ppc"}, "expected rhype\n  hint: .*asks H_XIRR"),
        ({"cpus": 0}, "0 processors"),
        ({"cpus": 3, "threads": 2}, "2 threads a core"),
        ({"memory": "4M"}, "bytes of memory"),
        ({"memory": "12Q"}, "a number and a unit"),
        ({"timebase": "5G"}, "time base"),
        ({"quirks": ("odd",)}, "no quirk"),
        ({"rtc": "yesterday"}, "a date like"),
    ],
)
def test_a_board_that_cannot_be_says_why(options, message):
    with pytest.raises(UsageError, match=message):
        iv.boot(words(HALT), **options)


def test_units_are_read_as_people_write_them():
    assert units.size_bytes("x", "1g") == 1 << 30
    assert units.rate_hz("x", "512M") == 512_000_000
    assert units.time_ns("x", "1.5ms") == 1_500_000
    assert units.date_seconds("x", "2006-03-10") == units.date_seconds("x", "1141948800") == 1_141_948_800


def test_a_guest_prints_and_powers_off():
    machine = iv.boot(guest("hello\n"), memory="16M")
    machine.run()
    assert (machine.console, machine.stop_reason) == ("hello\n", Stop.EXIT)


def test_a_run_can_wait_for_a_text():
    machine = iv.boot(guest("one\ntwo\n"), memory="16M")
    machine.run(until="one")
    assert machine.stop_reason == Stop.CONSOLE
    assert machine.console == "one\n"
    machine.run(until="never")
    assert machine.stop_reason == Stop.EXIT


def test_an_access_outside_memory_is_a_machine_check_that_says_where():
    machine = iv.boot(words(*load(5, 0x7F000000), asm.lwz(4, 0, 5), HALT), memory="16M")
    machine.memory[0x200:0x204] = words(HALT)
    machine.run(instructions=4)
    cpu = machine.cpu[0]
    assert (cpu.pc, cpu.dar, cpu.srr0) == (0x200, 0x7F000000, 0x400008)
    assert cpu.srr1 & 0x200000
    assert cpu.msr & 0x1000


def test_the_time_base_counts_instructions_unless_the_clock_says_otherwise():
    for clock, ticks in ((0, 1), ("128M", 4), ("1G", 0.512)):
        machine = iv.boot(words(*[asm.NOP] * 1000), memory="16M", clock=clock)
        machine.run(instructions=1000)
        assert machine.cpu[0].tb == int(1000 * ticks)


# ---- The command ----


@pytest.fixture
def command(tmp_path, capsysbinary, monkeypatch):
    """Boot a file: (status, stdout, stderr)."""
    monkeypatch.setattr("irqvisor.lab.doctor.is_compiled", lambda: True)
    monkeypatch.setattr(boot, "standard_input", lambda: None)

    def call(data, *arguments):
        file = tmp_path / "guest"
        file.write_bytes(data)
        status = cli.main(["boot", str(file), "--memory", "16M", *arguments])
        captured = capsysbinary.readouterr()
        return status, captured.out.decode(), captured.err.decode()

    return call


@pytest.mark.parametrize(
    ("text", "status"), [("fine\n", 0), ("\nEXIT: STATUS=1\n", 0), ("\nEXIT: STATUS=3\n", 1), ("EXIT: STATUS=3", 1)]
)
def test_the_status_is_what_the_guest_said(command, text, status):
    assert command(guest(text)) == (status, text, "")


def test_a_limit_ends_the_run_with_status_4(command):
    status, out, err = command(words(HALT), "--max-instructions", "1000")
    assert (status, out) == (4, "")
    assert "stopped by a limit after 1,000 instructions, pc 0x400000" in err
    assert command(words(HALT), "--timeout-virtual", "1us")[0] == 4


def test_json_has_the_console_and_the_raw_status(command):
    status, out, _ = command(guest("no\nEXIT: STATUS=7\n"), "--json")
    found = json.loads(out)["boot"]
    assert status == 1
    assert (found["stop"], found["status"], found["console"]) == ("power-off", 7, "no\nEXIT: STATUS=7\n")


def test_a_file_that_is_none_is_an_input_error(command, tmp_path):
    assert cli.main(["boot", str(tmp_path / "nothing")]) == 2


def test_a_guest_that_sleeps_for_ever_is_a_deadlock(command):
    status, _, err = command(words(asm.li(3, papr.H_CEDE), asm.sc(1), HALT), "--max-instructions", "100000")
    assert status == 4
    assert "limit" in err or "deadlock" in err


def test_what_is_typed_is_the_guests(tmp_path):
    echo = [asm.li(3, papr.H_GET_TERM_CHAR), asm.li(4, 0), asm.sc(1), asm.ori(6, 5, 0), asm.ori(5, 4, 0)]
    echo += [asm.li(3, papr.H_PUT_TERM_CHAR), asm.li(4, 0), asm.sc(1), asm.b(-32)]
    machine = iv.boot(words(*echo), memory="16M", clock="1M", timebase="1M")
    typed = [b"ab", b"", b"c", None]
    found = boot.run(machine, virtual_ns=3_000, more_input=lambda wait: typed.pop(0) if typed else None)
    boot.run(machine, instructions=100)
    assert machine.console == "abc"[: len(machine.console)]
    assert found.stop == "limit"


def test_a_raw_image_is_entered_at_its_first_byte():
    assert Image.from_firmware(words(HALT), base=0x400000).entry == 0x400000


@pytest.mark.parametrize("make", [lambda code: bytes(0x100) + code, lambda code: elf([(0x100, code, len(code))])])
def test_firmware_lies_at_0_and_is_entered_by_a_reset(make):
    machine = iv.boot(make(words(asm.addi(5, 0, 7), HALT)), memory="16M", firmware=True)
    assert (machine.cpu[0].pc, machine.cpu[0].gpr[3]) == (0x100, 14 << 20)
    machine.run(instructions=1)
    assert machine.cpu[0].gpr[5] == 7


@pytest.mark.parametrize("file", [words(HALT), elf([(0, words(HALT), 4)])])
def test_firmware_without_a_reset_vector_is_refused(file):
    with pytest.raises(ImageError, match="entry 0x100"):
        iv.boot(file, memory="16M", firmware=True)


def test_forked_and_saved_boards_go_on_alike(tmp_path):
    machine = iv.boot(guest("hello\n"), memory="16M")
    machine.run(instructions=7)
    twin = machine.fork()
    machine.save(tmp_path / "m")
    saved = iv.Machine.load(tmp_path / "m")
    ends = []
    for each in (machine, twin, saved):
        each.run()
        ends.append((each.console, each.digest()))
    assert ends[0] == ends[1] == ends[2]
    assert ends[0][0] == "hello\n"
