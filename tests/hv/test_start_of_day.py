"""Domains that begin as Xen starts them: registers, device tree, and the console in both directions."""

import struct

import fdt
import pytest

from hv.harness import Parked, ready, small
from irqvisor.hv.control.ring_console import IN_CONS, IN_PROD, OUT, OUT_CONS, OUT_PROD
from irqvisor.lab import build
from irqvisor.spec import xen
from irqvisor.tables import Table

DOMU = {"name": "domu", "compute": True, "start": "domu"}
DOM0 = {"name": "dom0", "compute": True, "start": "dom0", "privileged": True}
CONSOLE, HYPERVISORS, STORE = 1, 2, 3
"""The first ports of a domU."""


@pytest.fixture(scope="module")
def booted():
    return ready(small([DOMU]), "xen-ppc")


@pytest.fixture
def guest(booted):
    parked = Parked(booted.fork())
    parked.listen()
    return parked


def tree_of(domain):
    """A domain's machine before its first instruction, its registers and its device tree."""
    machine = build.machine(small([domain]), "xen-ppc")
    cpu = machine.views[Table.CONTEXT][0]
    at = int(cpu.gpr[3])
    size = struct.unpack(">I", machine.memory[at + 4 : at + 8])[0]
    return machine, cpu, fdt.parse_dtb(machine.memory[at : at + size])


def page(guest):
    return guest.shared - 4096


def index(guest, offset):
    return struct.unpack(">I", guest.memory[page(guest) + offset : page(guest) + offset + 4])[0]


def set_index(guest, offset, value):
    guest.memory[page(guest) + offset : page(guest) + offset + 4] = struct.pack(">I", value)


def send(guest):
    return guest.evtchn(xen.EVTCHNOP_SEND, "I", CONSOLE)


def printing(guest, text, at=0):
    """Put text into the ring as a guest does, and notify."""
    for k, character in enumerate(text):
        guest.memory[page(guest) + OUT + (at + k) % 2048] = character
    set_index(guest, OUT_PROD, at + len(text))
    return send(guest)


# ------------------------------------------------------------------------------------------------------------- domU
def test_a_domu_finds_its_pages_and_ports_in_the_tree():
    machine, cpu, tree = tree_of(DOMU)
    top = len(machine.memory)
    filler = 0x5555_5555_5555_5555
    assert [int(cpu.gpr[r]) for r in (1, 2, 4, 5, 13, 14)] == [0, filler, int(cpu.nip), 0, 0, filler]
    assert cpu.msr == 0
    assert tree.get_property("reg", "/xen/console").data == [0, top - 2 * 4096, 0, 4096]
    assert tree.get_property("interrupts", "/xen/console").data == [CONSOLE, 0]
    assert tree.get_property("reg", "/xen/store").data == [0, top - 3 * 4096, 0, 4096]
    assert tree.get_property("interrupts", "/xen/store").data == [STORE, 0]
    assert tree.get_property("linux,stdout-path", "/chosen").value == "/xen/console"
    handle = tree.get_property("interrupt-controller", "/chosen").value
    assert tree.get_property("phandle", "/xen").value == handle
    assert not machine.memory[top - 3 * 4096 : top - 4096].strip(b"\0")


def test_a_domus_ports_are_those_of_its_console_and_its_store(guest):
    status = {}
    for port in (CONSOLE, HYPERVISORS, STORE):
        assert guest.evtchn(xen.EVTCHNOP_STATUS, "HxxIIIHxxI", xen.DOMID_SELF, port, 0, 0, 0, 0) == 0
        status[port] = guest.out[2:]
    assert status[CONSOLE] == (2, 0, 0, HYPERVISORS)
    assert status[STORE][:3] == (1, 0, 0)
    assert guest.evtchn(xen.EVTCHNOP_CLOSE, "I", HYPERVISORS) == -xen.EINVAL


def test_what_a_domu_prints_is_taken_and_it_is_told(guest):
    before = len(guest.machine.consoles[0])
    assert printing(guest, b"hello\n") == 0
    assert bytes(guest.machine.consoles[0][before:]) == b"hello\n"
    assert index(guest, OUT_CONS) == 6
    assert guest.pending() == 1 << CONSOLE
    assert printing(guest, b"world\n", at=6) == 0
    assert bytes(guest.machine.consoles[0][before:]) == b"hello\nworld\n"


def test_the_ring_goes_round(guest):
    before = len(guest.machine.consoles[0])
    for offset in (OUT_CONS, OUT_PROD):
        set_index(guest, offset, 0xFFFFFFFE)
    text = bytes(range(65, 91))
    for k, character in enumerate(text):
        guest.memory[page(guest) + OUT + (0xFFFFFFFE + k) % 2048] = character
    set_index(guest, OUT_PROD, len(text) - 2)
    assert send(guest) == 0
    assert bytes(guest.machine.consoles[0][before:]) == text
    assert index(guest, OUT_CONS) == len(text) - 2


@pytest.mark.parametrize("ahead", [2049, 1 << 31, (1 << 32) - 1])
def test_indices_that_make_no_sense_are_left_alone(guest, ahead):
    before = len(guest.machine.consoles[0])
    set_index(guest, OUT_PROD, ahead)
    assert send(guest) == 0
    assert len(guest.machine.consoles[0]) == before
    assert index(guest, OUT_CONS) == 0
    assert guest.pending() == 0


def test_what_is_typed_arrives_in_the_ring_and_the_domu_is_told(guest):
    guest.machine.type_in(b"root\n")
    assert index(guest, IN_PROD) == 5
    assert guest.memory[page(guest) : page(guest) + 5] == b"root\n"
    assert guest.pending() == 1 << CONSOLE


def test_what_does_not_fit_waits_until_the_guest_has_read(guest):
    text = bytes(k % 251 for k in range(1500))
    guest.machine.type_in(text)
    assert index(guest, IN_PROD) == 1024
    set_index(guest, IN_CONS, 1000)
    assert send(guest) == 0
    assert index(guest, IN_PROD) == 1500
    read = bytes(guest.memory[page(guest) + k % 1024] for k in range(1000, 1500))
    assert read == text[1000:]


def test_a_domu_that_claims_to_have_read_what_never_came_gets_nothing(guest):
    set_index(guest, IN_CONS, 1)  # the ring would hold 2^32 - 1 bytes
    guest.machine.type_in(b"x")
    assert index(guest, IN_PROD) == 0


# ------------------------------------------------------------------------------------------------------------- domain 0
def test_a_dom0_finds_that_it_is_privileged():
    _, cpu, tree = tree_of(DOM0)
    assert [int(cpu.gpr[r]) for r in (1, 4, 5)] == [0x200_0000 - 112, 0, 0x200_0000]
    assert int(cpu.msr) == -(1 << 63)
    for name in ("privileged", "initdomain", "shared-info", "version"):
        assert tree.exist_property(name, "/xen"), name
    assert tree.get_property("interrupts", "/xen/console").data == [0, 0]
    assert not tree.exist_node("/xen/store")


def test_what_is_typed_for_domain_0_is_a_virq_and_console_io_reads_it():
    guest = Parked(ready(small([DOM0]), "xen-ppc"))
    guest.listen()
    assert guest.evtchn(xen.EVTCHNOP_BIND_VIRQ, "III", xen.VIRQ_CONSOLE, 0, 0) == 0
    port = guest.out[2]
    guest.machine.type_in(b"ls\n")
    assert guest.pending() == 1 << port
    handle = xen.XENCOMM_INLINE | guest.DATA
    assert guest.xen(xen.HC_CONSOLE_IO, xen.CONSOLEIO_READ, 16, handle) == 3
    assert guest.memory[guest.DATA : guest.DATA + 3] == b"ls\n"


def test_other_designs_start_their_guests_as_ever():
    machine = build.machine(small([DOMU]), "rhype")
    assert machine.views[Table.CONTEXT][0].gpr[2] == 0
    machine.type_in(b"nobody is told")
