"""The table of hypercalls: it is what a guest gets, what the page says, and what handles lead to."""

import importlib.util
import struct
from pathlib import Path

import pytest

from hv.harness import MANUAL, Parked, ready, small
from irqvisor.hv.control.calls import HYPERCALLS, TABLE
from irqvisor.hv.state import Release
from irqvisor.spec import xen
from irqvisor.tables import Table

ROOT = Path(__file__).parents[2]
NOWHERE = 0x800000
PAGE = 4096
OPERATIONS = [(call, operation) for call in HYPERCALLS for operation in call.operations]
STRUCTURES = [pair for pair in OPERATIONS if pair[1].size]


def called(pair):
    return f"{pair[0].name} {pair[1].name}".replace(" ", "-")


@pytest.fixture(scope="module")
def booted():
    scenario = small(
        [{"name": "guest", "compute": True, "privileged": True}],
        [{"name": "disk", "owner": "guest", "pirq": 5, "trigger": "level", "arrival": MANUAL}],
    )
    return ready(scenario, "xen-ppc")


@pytest.fixture
def guest(booted):
    parked = Parked(booted.fork())
    parked.listen()
    return parked


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("hypercalls_page", ROOT / "scripts" / "hypercalls_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ----------------------------------------------------------------------------------------------------------- the table
def test_the_committed_page_is_up_to_date(page):
    assert page.PAGE.read_text(encoding="utf-8") == page.page()


def test_the_script_says_when_the_page_is_another(page, monkeypatch, tmp_path):
    monkeypatch.setattr(page, "PAGE", tmp_path / "hypercalls.md")
    monkeypatch.setattr("sys.argv", ["hypercalls_page.py"])
    assert page.main() == 0
    monkeypatch.setattr("sys.argv", ["hypercalls_page.py", "--check"])
    assert page.main() == 0
    page.PAGE.write_text("another")
    assert page.main() == 1


def test_every_call_and_command_is_in_the_table_once():
    assert len(TABLE) == len(OPERATIONS)


@pytest.mark.parametrize(("call", "operation"), OPERATIONS, ids=map(called, OPERATIONS))
def test_fields_are_inside_their_structure(call, operation):
    for field in operation.fields:
        assert field.offset % field.size == 0
        assert field.offset + field.size <= operation.size


@pytest.mark.parametrize(("number", "command"), [(n, 99) for n in (15, 18, 24, 29, 33)] + [(0, 0), (16, 4), (63, 0)])
def test_what_is_in_no_table_is_enosys(guest, number, command):
    expected = 0 if number == xen.HC_SET_TIMER_OP else -xen.ENOSYS
    assert guest.xen(number, command, xen.XENCOMM_INLINE | Parked.DATA, xen.XENCOMM_INLINE | Parked.DATA) == expected


@pytest.mark.parametrize(("call", "operation"), STRUCTURES, ids=map(called, STRUCTURES))
def test_a_structure_that_cannot_be_read_is_efault(guest, call, operation):
    guest.machine.views[Table.DOMAIN][0].release = Release.MODERN
    for handle in (xen.XENCOMM_INLINE | NOWHERE, Parked.DATA, 0, xen.XENCOMM_INLINE | len(guest.memory) - 1):
        assert guest.xen(call.number, operation.number, handle) == -xen.EFAULT


@pytest.mark.parametrize("operation", [operation for call, operation in OPERATIONS if operation.modern])
def test_what_came_later_is_enosys_in_2008_whatever_its_argument(guest, operation):
    handle = xen.XENCOMM_INLINE | NOWHERE
    assert guest.xen(xen.HC_EVENT_CHANNEL_OP, operation.number, handle) == -xen.ENOSYS


# ------------------------------------------------------------------------------------------------------------- handles
AT = 0x12000
"""Where a test puts its descriptor."""


def describe(guest, *addresses, magic=xen.XENCOMM_MAGIC, count=None):
    guest.memory[AT : AT + 8 + 8 * len(addresses)] = struct.pack(
        f">II{len(addresses)}Q", magic, len(addresses) if count is None else count, *addresses
    )
    return AT


def bind_ipi(guest, handle):
    return guest.xen(xen.HC_EVENT_CHANNEL_OP, xen.EVTCHNOP_BIND_IPI, handle)


def test_a_descriptor_in_one_piece_is_as_good_as_an_inline_handle(guest):
    guest.memory[Parked.DATA : Parked.DATA + 8] = bytes(8)
    assert bind_ipi(guest, describe(guest, Parked.DATA)) == 0
    assert guest.memory[Parked.DATA : Parked.DATA + 8] == struct.pack(">II", 0, 2)
    for command in (xen.EVTCHNOP_SEND, xen.EVTCHNOP_UNMASK, xen.EVTCHNOP_CLOSE):
        guest.memory[Parked.DATA : Parked.DATA + 4] = struct.pack(">I", 2)
        assert guest.xen(xen.HC_EVENT_CHANNEL_OP, command, describe(guest, Parked.DATA)) == 0
    assert guest.pending() == 1 << 2


def test_a_structure_may_be_spread_over_pages(guest):
    """Its first half ends a page, its second begins another one, far away."""
    first, second = 0x13FFC, 0x15000
    guest.memory[first : first + 4] = struct.pack(">I", 0)
    assert bind_ipi(guest, describe(guest, first, second)) == 0
    assert guest.memory[second : second + 4] == struct.pack(">I", 2)


def test_a_descriptor_holds_no_more_than_its_pages(guest):
    assert bind_ipi(guest, describe(guest, 0x13FFC)) == -xen.EFAULT
    assert bind_ipi(guest, describe(guest, 0x13FFC, 0x15000, count=1)) == -xen.EFAULT
    assert bind_ipi(guest, describe(guest)) == -xen.EFAULT


@pytest.mark.parametrize(
    "addresses", [(NOWHERE,), (0x13FFC, NOWHERE), (xen.XENCOMM_INVALID,), (0x13FFC, xen.XENCOMM_INVALID)]
)
def test_an_address_that_leads_nowhere_is_efault(guest, addresses):
    before = guest.machine.views[Table.PORT].tobytes()
    assert bind_ipi(guest, describe(guest, *addresses)) == -xen.EFAULT
    assert guest.machine.views[Table.PORT].tobytes() == before


def test_a_descriptor_of_another_magic_or_with_its_pages_outside_memory_is_efault(guest):
    assert bind_ipi(guest, describe(guest, Parked.DATA, magic=0x58434F4E)) == -xen.EFAULT
    end = len(guest.memory) - 8
    guest.memory[end : end + 8] = struct.pack(">II", xen.XENCOMM_MAGIC, 1 << 31)
    assert bind_ipi(guest, end) == -xen.EFAULT
    guest.memory[AT : AT + 8] = struct.pack(">II", xen.XENCOMM_MAGIC, 0xFFFFFFFF)  # and what follows is zeroes
    guest.memory[AT + 8 : AT + 32] = bytes(24)
    guest.memory[0:8] = bytes(8)
    assert bind_ipi(guest, AT) == 0


def test_a_structure_that_crosses_the_end_of_memory_is_efault(guest):
    for beyond in range(1, 8):
        assert bind_ipi(guest, xen.XENCOMM_INLINE | len(guest.memory) - 8 + beyond) == -xen.EFAULT


def test_problem_state_gets_eperm_whatever_it_asks(guest):
    problem = guest.cpu.msr | 1 << 14
    for call, operation in OPERATIONS:
        assert guest.xen(call.number, operation.number, 0, msr=problem) == -xen.EPERM
