"""Event channels: operations and their errors in the order in which Xen checks, and the 2-level protocol.

Expected values are those of the 2008 tree (Xen 3.2 and after; public/event_channel.h, common/event_channel.c). Domain 0
is privileged, domain 1 is not; each has a pCPU for itself, and its vCPU makes calls with EE off.
"""

import numpy as np
import pytest

from hv.harness import MANUAL, Parked, parked, pirq, ready, small
from irqvisor.hv import loop
from irqvisor.hv.state import Exit, PortState, Release
from irqvisor.spec import xen
from irqvisor.tables import Table

SELF = xen.DOMID_SELF
NOWHERE = 0x800000


@pytest.fixture(scope="module")
def booted():
    scenario = small(
        [{"name": "dom0", "compute": True, "privileged": True}, {"name": "domu", "compute": True}],
        [{"name": "disk", "owner": "domu", "pirq": 5, "trigger": "level", "arrival": MANUAL}],
        pcpus=2,
    )
    return ready(scenario, "xen-ppc")


@pytest.fixture
def two(booted):
    """(dom0, domu) with no events about; domu's disk is at port 1, where its kernel bound it."""
    dom0, domu = parked(booted.fork())
    dom0.listen()
    domu.listen()
    return dom0, domu


def alloc(guest: Parked, remote: int = SELF, dom: int = SELF) -> int:
    assert guest.evtchn(xen.EVTCHNOP_ALLOC_UNBOUND, "HHI", dom, remote, 0) == 0
    return guest.out[2]


def bind_ipi(guest: Parked) -> int:
    assert guest.evtchn(xen.EVTCHNOP_BIND_IPI, "II", 0, 0) == 0
    return guest.out[1]


def bind_virq(guest: Parked, virq: int) -> int:
    assert guest.evtchn(xen.EVTCHNOP_BIND_VIRQ, "III", virq, 0, 0) == 0
    return guest.out[2]


def bind_interdomain(guest: Parked, remote_dom: int, remote_port: int) -> int:
    assert guest.evtchn(xen.EVTCHNOP_BIND_INTERDOMAIN, "HxxII", remote_dom, remote_port, 0) == 0
    return guest.out[2]


def linked(two):
    """A channel between the two; (dom0's port, domu's port), with nothing pending."""
    dom0, domu = two
    theirs = alloc(domu, remote=0)
    ours = bind_interdomain(dom0, 1, theirs)
    dom0.listen()
    return ours, theirs


def send(guest, port):
    return guest.evtchn(xen.EVTCHNOP_SEND, "I", port)


def unmask(guest, port):
    return guest.evtchn(xen.EVTCHNOP_UNMASK, "I", port)


def close(guest, port):
    return guest.evtchn(xen.EVTCHNOP_CLOSE, "I", port)


def status(guest, port, dom=SELF):
    """(status, vcpu, what the kind has) or -errno."""
    result = guest.evtchn(xen.EVTCHNOP_STATUS, "HxxIIIHxxI", dom, port, 0, 0, 0, 0)
    return guest.out[2:] if result == 0 else result


def bind_pirq(guest, irq, share=0):
    return guest.evtchn(xen.EVTCHNOP_BIND_PIRQ, "III", irq, share, 0)


def eoi(guest, irq):
    return guest.op(xen.HC_PHYSDEV_OP, xen.PHYSDEVOP_EOI, "I", irq)


# ----------------------------------------------------------------------------------------------- operations and errors


@pytest.mark.parametrize("command", range(xen.EVTCHNOP_RESET + 1))
@pytest.mark.parametrize(
    "handle", [NOWHERE | xen.XENCOMM_INLINE, Parked.DATA, 0], ids=["outside", "not inline", "null"]
)
def test_an_argument_that_cannot_be_read_is_efault_and_nothing_happens(two, command, handle):
    guest = two[0]
    before = guest.machine.views[Table.PORT].tobytes()
    assert guest.xen(xen.HC_EVENT_CHANNEL_OP, command, handle) == -xen.EFAULT
    assert guest.machine.views[Table.PORT].tobytes() == before


@pytest.mark.parametrize("command", [11, 12, 13, 14, 99, -1])
def test_an_unknown_command_is_enosys(two, command):
    assert two[0].xen(xen.HC_EVENT_CHANNEL_OP, command, xen.XENCOMM_INLINE | Parked.DATA) == -xen.ENOSYS


def test_ports_are_given_lowest_first(two):
    guest = two[0]
    first, second, third = (bind_ipi(guest) for _ in range(3))
    assert (first, second, third) == (1, 2, 3)
    assert close(guest, second) == 0
    assert bind_ipi(guest) == second


def test_alloc_unbound(two):
    dom0, domu = two
    assert domu.evtchn(xen.EVTCHNOP_ALLOC_UNBOUND, "HHI", 9, 0, 0) == -xen.ESRCH  # before the privilege
    assert domu.evtchn(xen.EVTCHNOP_ALLOC_UNBOUND, "HHI", 0, 0, 0) == -xen.EPERM
    assert domu.evtchn(xen.EVTCHNOP_ALLOC_UNBOUND, "HHI", 1, 0, 0) == -xen.EPERM  # its own number too
    assert alloc(domu, remote=77) == 2  # the remote need not exist
    assert status(domu, 2)[:3] == (1, 0, 77)
    port = alloc(dom0, remote=SELF, dom=1)  # the caller, not the domain that gets the port
    assert status(domu, port)[:3] == (1, 0, 0)


def test_bind_interdomain(two):
    dom0, domu = two
    theirs = alloc(domu, remote=0)
    not_ours = alloc(domu, remote=1)
    bind = xen.EVTCHNOP_BIND_INTERDOMAIN
    assert dom0.evtchn(bind, "HxxII", 9, theirs, 0) == -xen.ESRCH
    assert dom0.evtchn(bind, "HxxII", 1, 4000, 0) == -xen.EINVAL  # no such port
    assert dom0.evtchn(bind, "HxxII", 1, 0, 0) == -xen.EINVAL  # reserved
    assert dom0.evtchn(bind, "HxxII", 1, 1, 0) == -xen.EINVAL  # a pirq
    assert dom0.evtchn(bind, "HxxII", 1, not_ours, 0) == -xen.EINVAL
    ours = bind_interdomain(dom0, 1, theirs)
    assert ours == 1  # refusals took no port
    assert status(dom0, ours) == (2, 0, 1, theirs)
    assert status(domu, theirs) == (2, 0, 0, ours)
    assert dom0.evtchn(bind, "HxxII", 1, theirs, 0) == -xen.EINVAL  # no longer unbound


def test_a_freshly_bound_port_is_pending_on_the_side_that_binds(two):
    dom0, domu = two
    theirs = alloc(domu, remote=0)
    ours = bind_interdomain(dom0, 1, theirs)
    assert (dom0.pending(), dom0.selector, dom0.upcall) == (1 << ours, 1, 1)
    assert (domu.pending(), domu.selector, domu.upcall) == (0, 0, 0)


def test_a_loopback_channel_notifies_its_own_domain(two):
    guest = two[1]
    end = alloc(guest)
    other_end = bind_interdomain(guest, SELF, end)
    guest.listen()
    assert send(guest, other_end) == 0
    assert guest.pending() == 1 << end


@pytest.mark.parametrize(
    ("virq", "vcpu", "error"), [(24, 0, "EINVAL"), (2, 1, "EINVAL"), (0, 1, "ENOENT"), (99, 1, "EINVAL")]
)
def test_bind_virq_refuses(two, virq, vcpu, error):
    assert two[0].evtchn(xen.EVTCHNOP_BIND_VIRQ, "III", virq, vcpu, 0) == -getattr(xen, error)


def test_a_virq_is_bound_once(two):
    guest = two[0]
    port = bind_virq(guest, 2)
    assert guest.evtchn(xen.EVTCHNOP_BIND_VIRQ, "III", 2, 0, 0) == -xen.EEXIST
    assert status(guest, port)[:3] == (4, 0, 0)
    assert guest.memory[guest.DATA + 16 : guest.DATA + 20] == (2).to_bytes(4, "big")
    assert close(guest, port) == 0
    assert bind_virq(guest, 2) == port


@pytest.mark.parametrize(
    ("irq", "error"),
    [(xen.NR_PIRQS, "EINVAL"), (1 << 31, "EINVAL"), (200, "EPERM"), (0, "EPERM"), (1, "EPERM"), (5, "EBUSY")],
)
def test_bind_pirq_refuses_what_is_out_of_range_then_what_is_not_the_callers_then_what_is_not_for_sharing(
    two, irq, error
):
    assert bind_pirq(two[0], irq, share=1) == -getattr(xen, error)


def test_a_pirq_is_bound_once_and_its_line_follows(two):
    guest = two[1]
    source = guest.machine.views[Table.PIC_SOURCE][5]
    assert bind_pirq(guest, 5) == -xen.EEXIST
    assert (status(guest, 1)[0], source.masked) == (3, 0)
    assert close(guest, 1) == 0
    assert (pirq(guest.machine, 5).port, source.masked) == (0, 1)
    assert bind_pirq(guest, 5) == 0
    assert (pirq(guest.machine, 5).port, source.masked) == (1, 0)


def test_closing_a_pirq_ends_what_is_in_service(two):
    guest = two[1]
    guest.park(msr=guest.cpu.msr | 1 << 15)  # EE on: the hypervisor takes it, and the guest is entered
    guest.machine.raise_irq(5)
    guest.machine.run(cycles=3000)
    assert pirq(guest.machine, 5).in_flight == 1
    assert close(guest, 1) == 0
    assert pirq(guest.machine, 5).in_flight == 0
    assert guest.machine.views[Table.PIC_CPU][1].serving == 0


# A line that is shared: domu is its owner, dom0 is privileged


@pytest.fixture
def sharing(two):
    """Both have bound line 5, dom0 at its port 1 as domu."""
    dom0, domu = two
    assert close(domu, 1) == 0
    assert bind_pirq(dom0, 5, share=1) == 0
    assert bind_pirq(domu, 5, share=1) == 0
    return dom0, domu


def interrupt(dom0, domu):
    """The line's source interrupts domu's pCPU; domu's handler does nothing."""
    domu.park(msr=domu.cpu.msr | 1 << 15)
    domu.machine.raise_irq(5)
    domu.machine.run(cycles=3000)


def serving(guest):
    """Guests that have not finished."""
    return int(pirq(guest.machine, 5).in_flight)


def at_controller(guest):
    """What domu's pCPU, which acknowledged the interrupt, has in service."""
    return int(guest.machine.views[Table.PIC_CPU][1].serving)


def test_a_line_is_shared_by_those_who_all_say_so(two):
    dom0, domu = two
    assert close(domu, 1) == 0
    assert bind_pirq(domu, 5) == 0
    assert bind_pirq(dom0, 5, share=1) == -xen.EBUSY  # the first did not
    assert close(domu, 1) == 0
    assert bind_pirq(dom0, 5, share=1) == 0
    assert bind_pirq(domu, 5) == -xen.EBUSY  # the second does not
    assert bind_pirq(domu, 5, share=1) == 0
    assert bind_pirq(domu, 5, share=1) == bind_pirq(dom0, 5, share=1) == -xen.EEXIST
    query = xen.PHYSDEVOP_IRQ_STATUS_QUERY
    assert domu.op(xen.HC_PHYSDEV_OP, query, "II", 5, 0) == 0
    assert domu.out == (5, xen.IRQ_STATUS_NEEDS_EOI | xen.IRQ_STATUS_SHARED)


@pytest.mark.parametrize("first", [0, 1])
def test_a_shared_line_is_ended_when_the_last_guest_is_done(sharing, first):
    interrupt(*sharing)
    assert [guest.pending() for guest in sharing] == [2, 2]
    assert serving(sharing[0]) != 0
    assert eoi(sharing[first], 5) == eoi(sharing[first], 5) == 0  # twice counts once
    assert serving(sharing[0]) != 0
    assert at_controller(sharing[0]) != 0
    assert eoi(sharing[1 - first], 5) == 0
    assert serving(sharing[0]) == 0
    if first == 0:  # domu was the last: it runs where the interrupt was acknowledged
        assert at_controller(sharing[0]) == 0


@pytest.mark.parametrize("leaver", [0, 1])
def test_a_guest_that_leaves_a_shared_line_is_done_with_it(sharing, leaver):
    stayer = sharing[1 - leaver]
    interrupt(*sharing)
    assert close(sharing[leaver], 1) == 0
    assert serving(stayer) != 0
    assert eoi(sharing[leaver], 5) == 0  # it has nothing to end any more
    assert serving(stayer) != 0
    assert stayer.machine.views[Table.PIC_SOURCE][5].masked == 0
    assert eoi(stayer, 5) == 0
    assert serving(stayer) == 0
    assert close(stayer, 1) == 0
    assert stayer.machine.views[Table.PIC_SOURCE][5].masked == 1


def test_a_guest_that_dies_does_not_hold_a_shared_line_off(sharing):
    dom0, domu = sharing
    interrupt(dom0, domu)
    with np.errstate(over="ignore"):
        loop.end_domain(domu.machine.arrays, 1, 1, int(Exit.SHUTDOWN), 0)
    assert serving(dom0) != 0
    assert dom0.machine.views[Table.PIC_SOURCE][5].masked == 0
    dom0.listen()
    assert eoi(dom0, 5) == 0
    dom0.machine.run(cycles=3000)
    assert dom0.pending() == 2  # nobody has emptied the ring: ended, the line interrupts again


def test_the_legacy_call_ends_what_is_unmasked(sharing):
    dom0, domu = sharing
    interrupt(dom0, domu)
    notify = xen.PHYSDEVOP_IRQ_UNMASK_NOTIFY
    domu.set_bits(xen.EVTCHN_MASK, 1 << 1)
    assert dom0.xen(xen.HC_PHYSDEV_OP, notify, 0) == domu.xen(xen.HC_PHYSDEV_OP, notify, 0) == 0
    assert serving(dom0) != 0  # domu's port is masked
    domu.set_bits(xen.EVTCHN_MASK, 0)
    assert domu.xen(xen.HC_PHYSDEV_OP, notify, 0) == 0
    assert serving(dom0) == 0


def test_domain_0_hears_of_the_end_of_another(two):
    dom0, domu = two
    port = bind_virq(dom0, xen.VIRQ_DOM_EXC)
    with np.errstate(over="ignore"):
        loop.end_domain(domu.machine.arrays, 1, 1, int(Exit.SHUTDOWN), 0)
    assert dom0.pending() == 1 << port
    assert dom0.selector == 1


def test_seven_guests_may_share_a_line(two):
    dom0, domu = two
    r = pirq(domu.machine, 5)
    r.shareable, r.sharers, r.sharer[:] = 1, 6, range(10, 16)
    assert bind_pirq(dom0, 5, share=1) == -xen.EBUSY


def test_whoever_leaves_the_others_keep_their_places(two):
    """Xen/PPC moved the rest of its list by too few bytes."""
    machine = two[0].machine
    r = pirq(machine, 5)
    r.sharers, r.sharer[:4], r.sharer_port[:4] = 4, [7, 8, 9, 10], [70, 80, 90, 100]
    r.in_flight = 0b11011  # the owner, 7, 9 and 10 have not finished
    with np.errstate(over="ignore"):
        loop.leave_line(machine.arrays, 0, 5, 8)
    assert (r.sharers, r.sharer[:3].tolist(), r.sharer_port[:3].tolist()) == (3, [7, 9, 10], [70, 90, 100])
    assert r.in_flight == 0b1111  # the same guests, the last two a place lower


def test_bind_ipi(two):
    guest = two[0]
    assert guest.evtchn(xen.EVTCHNOP_BIND_IPI, "II", 1, 0) == -xen.ENOENT
    port = bind_ipi(guest)
    assert status(guest, port)[:2] == (5, 0)
    assert send(guest, port) == 0
    assert guest.pending() == 1 << port


def test_close(two):
    dom0, domu = two
    for port in (0, 20, 4000, 1 << 31):
        assert close(dom0, port) == -xen.EINVAL
    ours, theirs = linked(two)
    assert close(dom0, ours) == 0
    assert status(dom0, ours)[0] == 0
    assert status(domu, theirs)[:3] == (1, 0, 0)  # unbound again, for who closed
    assert (domu.pending(), domu.upcall) == (0, 0)  # and not told
    assert send(domu, theirs) == 0  # silently dropped
    assert bind_interdomain(dom0, 1, theirs) == ours


def test_close_leaves_pending_and_mask_bits_as_they_are(two):
    guest = two[0]
    port = bind_ipi(guest)
    send(guest, port)
    assert close(guest, port) == 0
    assert guest.pending() == 1 << port  # cleared only by releases after July 2008


def test_send(two):
    dom0, domu = two
    ours, theirs = linked(two)
    for port in (0, 20, 4000, 1 << 31, bind_virq(dom0, 2)):
        assert send(dom0, port) == -xen.EINVAL
    assert send(domu, 1) == -xen.EINVAL  # a pirq
    assert send(dom0, ours) == 0
    assert (domu.pending(), domu.selector, domu.upcall) == (1 << theirs, 1, 1)
    assert dom0.pending() == 0


def test_status(two):
    dom0, domu = two
    assert status(domu, 1, dom=9) == -xen.ESRCH
    assert status(domu, 1, dom=0) == -xen.EPERM
    assert status(domu, 4000) == -xen.EINVAL
    assert status(domu, 0) == (0, 0, 0, 0)  # reserved, said to be closed
    assert status(domu, 20)[0] == 0
    assert status(dom0, 1, dom=1)[0] == 3  # the privileged may look
    assert domu.evtchn(xen.EVTCHNOP_STATUS, "HxxIIIHxxI", SELF, 1, 0, 0, 0, 0) == 0
    assert domu.memory[domu.DATA + 16 : domu.DATA + 20] == (5).to_bytes(4, "big")


def test_bind_vcpu(two):
    guest = two[0]
    bind = xen.EVTCHNOP_BIND_VCPU
    ipi, timer, console = bind_ipi(guest), bind_virq(guest, 0), bind_virq(guest, 2)
    assert guest.evtchn(bind, "II", 4000, 1) == -xen.ENOENT  # before the port
    for port in (4000, 20, 0, ipi, timer):
        assert guest.evtchn(bind, "II", port, 0) == -xen.EINVAL
    for port in (console, alloc(guest)):
        assert guest.evtchn(bind, "II", port, 0) == 0
    assert two[1].evtchn(bind, "II", 1, 0) == 0  # a pirq


def test_reset_closes_everything(two):
    dom0, domu = two
    ours, theirs = linked(two)
    bind_ipi(dom0)
    assert domu.evtchn(xen.EVTCHNOP_RESET, "H", 9) == -xen.ESRCH
    assert domu.evtchn(xen.EVTCHNOP_RESET, "H", 0) == -xen.EPERM
    assert dom0.evtchn(xen.EVTCHNOP_RESET, "H", SELF) == 0
    assert [status(dom0, port)[0] for port in (1, 2, 3)] == [0, 0, 0]
    assert status(domu, theirs)[0] == 1
    assert domu.evtchn(xen.EVTCHNOP_RESET, "H", SELF) == 0
    assert pirq(domu.machine, 5).port == 0
    assert send(dom0, ours) == -xen.EINVAL


def test_a_dead_domain_is_no_longer_there(two):
    dom0, domu = two
    port = alloc(domu, remote=0)
    domu.park(Parked.SC_1)
    domu.memory[Parked.DATA : Parked.DATA + 4] = bytes(4)
    for r, value in enumerate((xen.HC_SCHED_OP | xen.MARK, xen.SCHEDOP_SHUTDOWN, xen.XENCOMM_INLINE | Parked.DATA), 3):
        domu.cpu.gpr[r] = value
    domu.machine.run(cycles=5000)
    assert domu.machine.views[Table.DOMAIN][1].alive == 0
    assert dom0.evtchn(xen.EVTCHNOP_BIND_INTERDOMAIN, "HxxII", 1, port, 0) == -xen.ESRCH
    assert status(dom0, 1, dom=1) == -xen.ESRCH


# ------------------------------------------------------------------------------------------------- growth and limit


def test_ports_grow_beyond_the_first_allocation(two):
    dom0, domu = two
    first = int(dom0.machine.views[Table.DOMAIN][0].ports)
    ours, theirs = linked(two)
    assert [bind_ipi(dom0) for _ in range(3 * first)] == list(range(2, 3 * first + 2))
    assert send(dom0, ours) == 0  # what was there before has moved along
    assert domu.pending() == 1 << theirs
    assert send(domu, theirs) == 0
    assert dom0.pending() == 1 << ours
    last = 3 * first + 1
    assert send(dom0, last) == 0
    assert dom0.pending(last // 64) == 1 << last % 64
    assert dom0.selector == 1 | 1 << last // 64


@pytest.mark.slow
@pytest.mark.compiled
def test_a_domain_has_4096_ports_and_one_of_them_is_reserved(two):
    guest = two[0]
    assert [bind_ipi(guest) for _ in range(4095)] == list(range(1, 4096))
    assert guest.evtchn(xen.EVTCHNOP_BIND_IPI, "II", 0, 0) == -xen.ENOSPC
    assert guest.evtchn(xen.EVTCHNOP_ALLOC_UNBOUND, "HHI", SELF, 0, 0) == -xen.ENOSPC
    assert send(guest, 4095) == 0
    assert (guest.pending(63), guest.selector) == (1 << 63, 1 << 63)
    assert send(guest, 4096) == -xen.EINVAL
    assert close(guest, 2000) == 0
    assert bind_ipi(guest) == 2000
    assert send(two[1], 1) == -xen.EINVAL
    assert status(two[1], 1)[0] == 3


# --------------------------------------------------------------------------------------------------- 2-level protocol


def test_a_masked_port_becomes_pending_and_selects_nothing(two):
    dom0, domu = two
    ours, theirs = linked(two)
    domu.set_bits(xen.EVTCHN_MASK, 1 << theirs)
    assert send(dom0, ours) == 0
    assert (domu.pending(), domu.selector, domu.upcall) == (1 << theirs, 0, 0)


def test_a_port_already_pending_stops_at_once(two):
    dom0, domu = two
    ours, theirs = linked(two)
    domu.set_bits(xen.EVTCHN_PENDING, 1 << theirs)
    assert send(dom0, ours) == 0
    assert (domu.selector, domu.upcall) == (0, 0)


def test_a_selector_already_set_stops_before_the_upcall(two):
    dom0, domu = two
    ours, theirs = linked(two)
    domu.set_bits(xen.PENDING_SEL, 1)
    assert send(dom0, ours) == 0
    assert (domu.pending(), domu.selector, domu.upcall) == (1 << theirs, 1, 0)


def test_the_upcall_is_the_first_byte_and_its_neighbours_stay(two):
    dom0, domu = two
    ours, _ = linked(two)
    domu.memory[domu.shared + 1 : domu.shared + 8] = b"\x01\xaa\xbb\xcc\xdd\xee\xff"
    assert send(dom0, ours) == 0
    assert domu.memory[domu.shared : domu.shared + 8] == b"\x01\x01\xaa\xbb\xcc\xdd\xee\xff"


def test_any_non_zero_upcall_byte_is_pending_but_only_bit_0_is_set(two):
    dom0, domu = two
    ours, _ = linked(two)
    domu.memory[domu.shared] = 0x80
    assert send(dom0, ours) == 0
    assert domu.upcall == 0x81


def test_unmask(two):
    dom0, domu = two
    ours, theirs = linked(two)
    for port in (4000, 1 << 31):
        assert unmask(domu, port) == -xen.EINVAL
    bit = 1 << theirs
    assert unmask(domu, theirs) == 0
    assert (domu.selector, domu.upcall) == (0, 0)  # nothing pending
    domu.set_bits(xen.EVTCHN_MASK, bit)
    send(dom0, ours)
    assert unmask(domu, theirs) == 0
    assert (domu.mask(), domu.pending(), domu.selector, domu.upcall) == (0, bit, 1, 1)


def test_unmask_of_a_port_that_was_not_masked_does_nothing_even_if_it_is_pending(two):
    domu = two[1]
    port = bind_ipi(domu)
    domu.set_bits(xen.EVTCHN_PENDING, 1 << port)
    assert unmask(domu, port) == 0
    assert (domu.pending(), domu.selector, domu.upcall) == (1 << port, 0, 0)


def test_unmask_with_the_selector_set_leaves_the_upcall(two):
    domu = two[1]
    port = bind_ipi(domu)
    domu.set_bits(xen.EVTCHN_PENDING, 1 << port)
    domu.set_bits(xen.EVTCHN_MASK, 1 << port)
    domu.set_bits(xen.PENDING_SEL, 1)
    assert unmask(domu, port) == 0
    assert (domu.mask(), domu.upcall) == (0, 0)


def test_unmask_of_a_free_port_concerns_its_own_domain_only(two):
    dom0, domu = two
    assert domu.machine.views[Table.PORT][int(domu.machine.views[Table.DOMAIN][1].port) + 20].state == PortState.FREE
    domu.set_bits(xen.EVTCHN_PENDING, 1 << 20)
    domu.set_bits(xen.EVTCHN_MASK, 1 << 20)
    assert unmask(domu, 20) == 0
    assert (domu.selector, domu.upcall) == (1, 1)
    assert (dom0.selector, dom0.upcall) == (0, 0)


# ------------------------------------------------------------------------------------------------- other Xen calls


def test_physdev_op(two):
    dom0, domu = two
    assert domu.op(xen.HC_PHYSDEV_OP, 99, "I", 5) == -xen.ENOSYS
    assert domu.xen(xen.HC_PHYSDEV_OP, xen.PHYSDEVOP_EOI, xen.XENCOMM_INLINE | NOWHERE) == -xen.EFAULT
    assert domu.op(xen.HC_PHYSDEV_OP, xen.PHYSDEVOP_EOI, "I", xen.NR_PIRQS) == -xen.EINVAL
    assert domu.op(xen.HC_PHYSDEV_OP, xen.PHYSDEVOP_EOI, "I", 200) == 0  # in range, nothing to end
    assert domu.op(xen.HC_PHYSDEV_OP, xen.PHYSDEVOP_EOI, "I", 5) == 0
    query = xen.PHYSDEVOP_IRQ_STATUS_QUERY
    assert domu.op(xen.HC_PHYSDEV_OP, query, "II", xen.NR_PIRQS, 0) == -xen.EINVAL
    assert domu.op(xen.HC_PHYSDEV_OP, query, "II", 5, 0) == 0
    assert domu.out == (5, xen.IRQ_STATUS_NEEDS_EOI)
    assert dom0.op(xen.HC_PHYSDEV_OP, query, "II", 5, 0xFF) == 0
    assert dom0.out == (5, xen.IRQ_STATUS_NEEDS_EOI)  # anybody may ask
    assert dom0.op(xen.HC_PHYSDEV_OP, query, "II", 200, 0xFF) == 0
    assert dom0.out == (200, 0)
    vector = xen.PHYSDEVOP_ALLOC_IRQ_VECTOR
    assert domu.op(xen.HC_PHYSDEV_OP, vector, "II", 5, 0) == -xen.EPERM
    assert dom0.op(xen.HC_PHYSDEV_OP, vector, "II", xen.NR_PIRQS, 0) == -xen.EINVAL
    assert dom0.op(xen.HC_PHYSDEV_OP, vector, "II", 5, 0) == 0
    assert dom0.out == (5, 5)


def test_unknown_hypercalls_are_enosys_and_papr_ones_are_h_parameter(two):
    guest = two[0]
    for number in (0, 13, 16, 40, 64, 0xFFFF):
        assert guest.xen(number) == -xen.ENOSYS
    for number in (0x64, 0x74, 0xE0, 0x1D8, 3):
        assert guest.call(number) == -4


def test_a_hypercall_keeps_all_registers_but_r3_and_srr(two):
    guest = two[0]
    for r in range(4, 32):
        guest.cpu.gpr[r] = 0x1111 * r
    guest.cpu.lr, guest.cpu.ctr = 0x1234, 0x5678
    before = [int(x) for x in guest.cpu.gpr[:32]]
    assert guest.xen(xen.HC_XEN_VERSION, 0) == xen.XEN_VERSION_3_2
    after = [int(x) for x in guest.cpu.gpr[:32]]
    assert after[5:] == before[5:]
    assert (guest.cpu.lr, guest.cpu.ctr) == (0x1234, 0x5678)
    assert (guest.cpu.srr0, guest.cpu.srr1) == (-1, -1)


def test_problem_state_may_not_call(two):
    guest = two[0]
    problem = guest.cpu.msr | 1 << 14
    assert guest.xen(xen.HC_XEN_VERSION, 0, msr=problem) == -xen.EPERM
    assert guest.call(0x74, msr=problem) == -3


def test_the_console_prints(two):
    guest = two[1]
    before = len(guest.machine.consoles[1])
    guest.memory[guest.DATA : guest.DATA + 6] = b"hello\n"
    handle = xen.XENCOMM_INLINE | guest.DATA
    assert guest.xen(xen.HC_CONSOLE_IO, xen.CONSOLEIO_WRITE, 6, handle) == 0
    assert bytes(guest.machine.consoles[1][before:]) == b"hello\n"
    assert guest.xen(xen.HC_CONSOLE_IO, xen.CONSOLEIO_WRITE, 6, xen.XENCOMM_INLINE | NOWHERE) == -xen.EFAULT
    assert guest.xen(xen.HC_CONSOLE_IO, 7, 6, handle) == -xen.ENOSYS
    guest.machine.typed[1] += b"abc"
    assert guest.xen(xen.HC_CONSOLE_IO, xen.CONSOLEIO_READ, 6, handle) == 3
    assert guest.memory[guest.DATA : guest.DATA + 3] == b"abc"


# ------------------------------------------------------------------------------------------------- block and poll


def blocked(guest):
    return guest.machine.views[Table.VCPU][guest.v].blocked == 1


def test_block_enables_and_sleeps_until_an_event(two):
    dom0, domu = two
    ours, _ = linked(two)
    assert domu.xen(xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK, 0) == 0
    assert blocked(domu)
    assert domu.cpu.msr & 1 << 15
    assert send(dom0, ours) == 0
    domu.machine.run(cycles=20_000)
    assert not blocked(domu)
    assert domu.cpu.srr0 == domu.HERE + 4


def test_block_with_an_upcall_pending_does_not_sleep(two):
    domu = two[1]
    send(domu, bind_ipi(domu))
    domu.xen(xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK, 0)
    assert not blocked(domu)
    assert domu.cpu.srr0 == domu.HERE + 4


def poll(guest, *ports, count=None, timeout=0):
    at = guest.DATA + 64
    guest.memory[at : at + 4 * len(ports)] = b"".join(p.to_bytes(4, "big") for p in ports)
    handle = (xen.XENCOMM_INLINE | at) % (1 << 64)
    return guest.op(
        xen.HC_SCHED_OP, xen.SCHEDOP_POLL, "QIxxxxQ", handle, len(ports) if count is None else count, timeout
    )


def test_poll(two):
    dom0, domu = two
    ours, theirs = linked(two)
    assert poll(domu, count=129) == -xen.EINVAL
    assert poll(domu, 4096) == -xen.EINVAL
    assert not blocked(domu)
    domu.set_bits(xen.EVTCHN_PENDING, 1 << theirs)
    assert poll(domu, theirs) == 0
    assert not blocked(domu)
    domu.set_bits(xen.EVTCHN_PENDING, 0)
    domu.set_bits(xen.EVTCHN_MASK, 1 << theirs)  # masked ports end a poll too
    assert poll(domu, theirs) == 0
    assert blocked(domu)
    send(dom0, ours)
    domu.machine.run(cycles=20_000)
    assert not blocked(domu)
    assert domu.at == domu.HERE + 4  # back from the call; nothing was delivered, for EE is off


@pytest.mark.parametrize(("release", "wakes"), [(Release.XEN_2008, True), (Release.MODERN, False)])
def test_another_port_ends_a_poll_of_one_only_in_2008(two, release, wakes):
    dom0, domu = two
    ours, theirs = linked(two)
    other, _ = linked(two)
    domu.machine.views[Table.DOMAIN][1].release = release
    assert poll(domu, theirs) == 0
    assert blocked(domu)
    assert send(dom0, other) == 0
    domu.machine.run(cycles=20_000)
    assert blocked(domu) is not wakes
    assert send(dom0, ours) == 0
    domu.machine.run(cycles=20_000)
    assert not blocked(domu)


def test_poll_times_out(two):
    domu = two[1]
    _, theirs = linked(two)
    clock = int(domu.machine.header.clock_hz)
    later = domu.machine.now * 1_000_000_000 // clock + 10_000
    assert poll(domu, theirs, timeout=later) == 0
    assert blocked(domu)
    domu.machine.run(cycles=clock // 100_000 - 5000)
    assert blocked(domu)
    domu.machine.run(cycles=20_000)
    assert not blocked(domu)
