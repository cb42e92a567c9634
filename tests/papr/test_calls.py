"""PAPR's hypercalls on a pseries board, by their names in LoPAPR."""

import pytest

from irqvisor.spec import papr
from irqvisor.spec.power_isa import LPCR_AIL, LPCR_ILE, MSR_PR
from irqvisor.tables import Table
from papr.partition import MASK64, Partition

VPA = 0x9000
MSI, LSI = 0x1300, 0x1200


@pytest.mark.parametrize("number", [0, 0x4, 0x60, 0x65, 0x1234, 0xF001, 0xFFFF0000_00000020])
def test_an_unknown_hypercall_is_no_function(number):
    assert Partition().call(number) == papr.H_FUNCTION


def test_problem_state_may_not_make_hypercalls():
    guest = Partition()
    guest.machine.cpu[0].msr |= MSR_PR
    assert guest.call(papr.H_XIRR) == papr.H_PRIVILEGE


def test_a_hypercall_changes_only_what_it_answers():
    guest = Partition()
    cpu = guest.machine.cpu[0]
    cpu.gpr[4:32] = range(104, 132)
    cpu.lr, cpu.ctr, cpu.cr, cpu.xer = 1, 2, 0x12345678, 0x20000000
    guest.call(papr.H_CPPR, 5)
    assert cpu.gpr[5:32] == list(range(105, 132))
    assert (cpu.lr, cpu.ctr, cpu.cr, cpu.xer) == (1, 2, 0x12345678, 0x20000000)


def test_sprg0_can_be_set_and_a_power8_has_no_dabr():
    guest = Partition()
    assert guest.call(papr.H_SET_SPRG0, 0xCAFEBABEDEADBEEF) == papr.H_SUCCESS
    assert guest.machine.cpu[0].sprg0 == 0xCAFEBABEDEADBEEF
    assert guest.call(papr.H_SET_DABR, 0) == papr.H_HARDWARE


def test_the_console_prints_up_to_16_bytes_first_byte_on_top():
    guest = Partition()
    words = [int.from_bytes(b"sixteen ", "big"), int.from_bytes(b"letters!", "big")]
    assert guest.call(papr.H_PUT_TERM_CHAR, 0, 16, *words) == papr.H_SUCCESS
    assert guest.call(papr.H_PUT_TERM_CHAR, papr.VTY, 3, *words) == papr.H_SUCCESS
    assert guest.machine.console == "sixteen letters!six"


@pytest.mark.parametrize(("terminal", "count"), [(1, 1), (0, 17), (0, MASK64)])
def test_a_wrong_terminal_or_length_prints_nothing(terminal, count):
    guest = Partition()
    assert guest.call(papr.H_PUT_TERM_CHAR, terminal, count, 0, 0) == papr.H_PARAMETER
    assert guest.machine.console == ""


def test_a_full_buffer_loses_nothing_of_what_is_printed():
    guest = Partition()
    text = "".join(f"{n:015}\n" for n in range(600))
    for n in range(0, len(text), 16):
        words = [int.from_bytes(text[k : k + 8].encode(), "big") for k in (n, n + 8)]
        guest.call(papr.H_PUT_TERM_CHAR, 0, 16, *words)
    assert guest.machine.console == text


def test_what_was_typed_is_read_16_bytes_at_a_time():
    guest = Partition()
    assert guest.call(papr.H_GET_TERM_CHAR, 0) == papr.H_SUCCESS
    assert guest.result(4) == 0
    guest.machine.type_in(b"a line of 20 letters")
    guest.call(papr.H_GET_TERM_CHAR, 0)
    assert guest.result(4) == 16
    assert b"".join(guest.result(r).to_bytes(8, "big") for r in (5, 6)) == b"a line of 20 let"
    guest.call(papr.H_GET_TERM_CHAR, 0)
    assert (guest.result(4), guest.result(5)) == (4, int.from_bytes(b"ters\0\0\0\0", "big"))
    assert guest.call(papr.H_GET_TERM_CHAR, 9) == papr.H_PARAMETER


def test_typing_interrupts():
    guest = Partition()
    guest.call(papr.H_CPPR, 0xFF)
    guest.steer(papr.XISR_CONSOLE)
    guest.machine.type_in(b"x")
    assert guest.icp()[1] == papr.XISR_CONSOLE


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((1, 4, 0, 0), papr.H_SUCCESS),
        ((0, 4, 0, 0), papr.H_SUCCESS),
        ((2, 4, 0, 0), papr.H_UNSUPPORTED_FLAG),
        ((1, 4, 1, 0), papr.H_P3),
        ((1, 4, 0, 1), papr.H_P4),
        ((3, 3, 0, 0), papr.H_SUCCESS),
        ((1, 3, 0, 0), papr.H_UNSUPPORTED_FLAG),
        ((0, 1, 0, 0), papr.H_P2),
        ((0, 9, 0, 0), papr.H_P2),
    ],
)
def test_set_mode_names_the_argument_that_is_wrong(arguments, status):
    assert Partition().call(papr.H_SET_MODE, *arguments) == status


def test_set_mode_is_for_all_processors():
    guest = Partition(cpus=2)
    guest.call(papr.H_SET_MODE, 1, papr.SET_MODE_ENDIAN, 0, 0)
    guest.call(papr.H_SET_MODE, 3, papr.SET_MODE_AIL, 0, 0)
    for cpu in guest.machine.views[Table.CONTEXT]:
        assert cpu.lpcr & (LPCR_ILE | LPCR_AIL) == LPCR_ILE | LPCR_AIL
    guest.call(papr.H_SET_MODE, 0, papr.SET_MODE_ENDIAN, 0, 0)
    assert not guest.machine.views[Table.CONTEXT][1].lpcr & LPCR_ILE


def test_a_page_is_cleared_or_copied():
    guest = Partition()
    memory = guest.machine.memory
    memory[0x10000:0x11000] = b"\xaa" * 4096
    assert guest.call(papr.H_PAGE_INIT, papr.PAGE_COPY, 0x20000, 0x10000) == papr.H_SUCCESS
    assert memory[0x20000:0x21000] == b"\xaa" * 4096
    assert guest.call(papr.H_PAGE_INIT, papr.PAGE_ZERO, 0x10000, 0) == papr.H_SUCCESS
    assert memory[0x10000:0x11000] == bytes(4096)


@pytest.mark.parametrize(
    "arguments",
    [
        (papr.PAGE_ZERO, 0x10123, 0),
        (papr.PAGE_COPY, 0x10000, 0x20123),
        (papr.PAGE_ZERO, 8 << 20, 0),
        (papr.PAGE_COPY, 0x10000, MASK64 & ~0xFFF),
        (1, 0x10000, 0x20000),
    ],
)
def test_a_page_that_is_none_is_refused(arguments):
    assert Partition().call(papr.H_PAGE_INIT, *arguments) == papr.H_PARAMETER


def test_random_numbers_differ_and_are_the_same_in_every_run():
    def draw():
        guest = Partition()
        return [(guest.call(papr.H_RANDOM), guest.result(4)) for _ in range(4)]

    first = draw()
    assert len(set(first)) == 4
    assert {status for status, _ in first} == {0}
    assert draw() == first


# ---- H_REGISTER_VPA ----


def flags(subfunction):
    return subfunction << papr.VPA_SUBFUNCTION_SHIFT


def with_vpa(size=640, at=VPA):
    guest = Partition()
    guest.machine.memory[at + 4 : at + 6] = size.to_bytes(2, "big")
    return guest


def dispatches(guest):
    return int.from_bytes(guest.machine.memory[VPA + 0x100 : VPA + 0x104], "big")


@pytest.mark.parametrize(
    ("subfunction", "server", "address", "size"),
    [
        (0, 0, VPA, 640),
        (4, 0, VPA, 640),
        (1, 0xBADBAD, VPA, 640),
        (1, 0, VPA + 8, 640),
        (1, 0, VPA + 4096 - 128, 640),
        (1, 0, VPA, 632),
        (1, 0, VPA, 4097),
        (1, 0, 8 << 20, 640),
        (5, 0xBADBAD, 0, 640),
    ],
)
def test_a_wrong_area_is_refused(subfunction, server, address, size):
    guest = with_vpa(size, address if address + 6 < 8 << 20 else VPA)
    assert guest.call(papr.H_REGISTER_VPA, flags(subfunction), server, address) == papr.H_PARAMETER


def test_the_dispatch_counter_is_even_while_the_processor_runs():
    guest = with_vpa()
    assert guest.call(papr.H_REGISTER_VPA, flags(1), 0, VPA) == papr.H_SUCCESS
    assert dispatches(guest) == 0
    guest.machine.cpu[0].dec = 100
    guest.call(papr.H_CEDE)
    assert dispatches(guest) == 1
    guest.machine.run(instructions=1)
    assert dispatches(guest) == 2
    assert guest.call(papr.H_REGISTER_VPA, flags(5), 0, 0) == papr.H_SUCCESS
    assert dispatches(guest) == 3
    assert guest.call(papr.H_REGISTER_VPA, flags(5), 0, 0) == papr.H_SUCCESS
    assert dispatches(guest) == 3


def test_logs_need_an_area_and_go_before_it():
    guest = with_vpa()
    guest.machine.memory[0xA004:0xA008] = (64).to_bytes(4, "big")
    assert guest.call(papr.H_REGISTER_VPA, flags(2), 0, 0xA000) == papr.H_RESOURCE
    guest.call(papr.H_REGISTER_VPA, flags(1), 0, VPA)
    for subfunction in (2, 3):
        assert guest.call(papr.H_REGISTER_VPA, flags(subfunction), 0, 0xA000) == papr.H_SUCCESS
        assert guest.call(papr.H_REGISTER_VPA, flags(subfunction), 0, 0xB000) == papr.H_PARAMETER  # size 0
    assert guest.call(papr.H_REGISTER_VPA, flags(5), 0, 0) == papr.H_RESOURCE
    guest.call(papr.H_REGISTER_VPA, flags(6), 0, 0)
    guest.call(papr.H_REGISTER_VPA, flags(7), 0, 0)
    assert guest.call(papr.H_REGISTER_VPA, flags(5), 0, 0) == papr.H_SUCCESS
