"""The device tree of the paravirt board, read back by the package's own parser."""

import fdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqvisor.errors import ImageError
from irqvisor.guest.devicetree import BoardSource, BoardTree, build

DISK = BoardSource(number=3, ring=0x1_0000_1000, bytes=16 + 8 * 64, doorbell=0xF0000018, slots=64, irq=9, label="disk")
NET = BoardSource(
    number=4, ring=0x2000, bytes=16 + 8 * 8, doorbell=0xF0000020, slots=8, irq=10, level=True, label="net", priority=4
)


def parse(tree):
    return fdt.parse_dtb(build(tree))


def value(tree, path, name):
    """A property: its cells, or its string."""
    data = parse(tree).get_property(name, path).data
    return data[0] if len(data) == 1 else data


@pytest.fixture
def tree():
    return BoardTree(ram_bytes=0x20000, timebase_hz=33_333_333, sources=(DISK, NET))


def test_the_root_says_which_board_this_is(tree):
    assert value(tree, "/", "compatible") == "irqvisor,paravirt"
    assert value(tree, "/memory@0", "reg") == [0, 0, 0, 0x20000]
    assert value(tree, "/memory@0", "device_type") == "memory"
    assert value(tree, "/cpus/cpu@0", "timebase-frequency") == 33_333_333


def test_addresses_take_two_cells(tree):
    assert value(tree, "/sources/source@3", "reg") == [1, 0x1000, 0, 16 + 8 * 64]
    assert value(tree, "/sources/source@3", "doorbell") == [0, 0xF0000018]
    assert value(tree, "/irqvisor", "board") == [0, 0xF0100000]


def test_a_source_says_its_input_its_sense_and_its_priority(tree):
    assert value(tree, "/sources/source@3", "interrupts") == [9, 0]
    assert value(tree, "/sources/source@4", "interrupts") == [10, 1]
    assert value(tree, "/sources/source@3", "priority") == 5
    assert value(tree, "/sources/source@4", "slots") == 8
    assert value(tree, "/sources/source@4", "label") == "net"


def test_what_the_guest_is_to_do_is_in_its_own_node():
    tree = BoardTree(
        ram_bytes=0x10000,
        timebase_hz=1_000_000,
        work=0xE000,
        compute_loops=2,
        hold_units=3,
        handler_work=40,
        tick_hz=100,
        misbehave="never-eoi",
    )
    assert value(tree, "/irqvisor", "work") == [0, 0xE000]
    assert value(tree, "/irqvisor", "compute-loops") == 2
    assert value(tree, "/irqvisor", "compute-unit") == 200
    assert value(tree, "/irqvisor", "hold-units") == 3
    assert value(tree, "/irqvisor", "handler-work") == 40
    assert value(tree, "/irqvisor", "tick-hz") == 100
    assert value(tree, "/irqvisor", "misbehave") == "never-eoi"


def test_a_good_guest_has_no_misbehave_property(tree):
    assert parse(tree).exist_property("misbehave", "/irqvisor") is False


@pytest.mark.parametrize(
    ("front_end", "shared_info", "node"),
    [
        ("native", None, "/interrupt-controller@f8040000"),
        ("rhype", None, "/interrupt-controller"),
        ("xen", 0x1F000, "/xen"),
    ],
)
def test_each_front_end_finds_its_controller_and_only_that(front_end, shared_info, node):
    tree = BoardTree(ram_bytes=0x20000, timebase_hz=1, front_end=front_end, shared_info=shared_info)
    parsed = parse(tree)
    nodes = {"/interrupt-controller@f8040000", "/interrupt-controller", "/xen"}
    assert {path for path in nodes if parsed.exist_node(path)} == {node}


def test_xen_guests_find_the_page_they_share():
    tree = BoardTree(ram_bytes=0x20000, timebase_hz=1, front_end="xen", shared_info=0x1F000)
    assert value(tree, "/xen", "shared-info") == [0, 0x1F000, 0, 4096]


@pytest.mark.parametrize(("front_end", "shared_info"), [("xen", None), ("native", 0x1F000)])
def test_a_shared_page_goes_with_xen_and_with_nothing_else(front_end, shared_info):
    with pytest.raises(ImageError, match="expected a shared_info page with front end xen or hybrid, and only there"):
        build(BoardTree(ram_bytes=0x20000, timebase_hz=1, front_end=front_end, shared_info=shared_info))


@given(st.lists(st.text("abcdefgh", max_size=9), max_size=12))
def test_a_tree_is_aligned_and_says_its_own_length(labels):
    sources = tuple(BoardSource(n, 0x1000, 32, 0xF0000000, 2, n, label=label) for n, label in enumerate(labels))
    flat = build(BoardTree(ram_bytes=0x20000, timebase_hz=1, sources=sources))
    assert flat[:4] == bytes.fromhex("d00dfeed")
    assert int.from_bytes(flat[4:8], "big") == len(flat)
    assert len(flat) % 8 == 0
    assert flat == build(BoardTree(ram_bytes=0x20000, timebase_hz=1, sources=sources))
