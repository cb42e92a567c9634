"""xen-x86, iret=direct: the bundled guest returns from its handler by itself, and may be called back at every step.

An event is put before each instruction from the unmasking to the rfid (guests/front/xen_x86_entry.S). The image
xen-x86-no-fixup.elf is the same kernel without the fixup: what goes wrong then is tested too.
"""

import itertools
from pathlib import Path

import pytest

from hv.harness import MANUAL, fates, ready, small
from irqvisor.hw.state import Phase
from irqvisor.spec import xen
from irqvisor.tables import Table

pytestmark = pytest.mark.compiled

NO_FIXUP = Path(__file__).parents[2] / "guest" / "images" / "xen-x86-no-fixup.elf"
REGISTERS = ("gpr", "nip", "lr", "ctr", "cr", "so", "ov", "ca", "xer_low")
LIMIT = 1500
"""Instructions in which a few upcalls are over."""
ONE_FRAME = 288 + 15 + 64 + 144
"""Stack that an upcall takes at most before it calls C: red zone, alignment, frame, what it saves."""


class Guest:
    """A kernel that computes, with two edge sources; its sources have started."""

    def __init__(self, **domain):
        sources = [{"name": name, "owner": "io", "arrival": MANUAL} for name in ("a", "b")]
        domains = [{"name": "io", "compute": True, "compute_unit": 1, **domain}]
        quiet = {"slice_us": 1e6, "hdec_period_us": 1e6}
        scenario = small(domains, sources, options={"xen-x86": {"iret": "direct"}}, scheduler=quiet)
        machine = ready(scenario, "xen-x86")
        machine.header.start_at = 0
        machine.run(until=Phase.RUN)
        self.use(machine)

    def use(self, machine):
        self.machine = machine
        self.address = {s.name: s.address for s in machine.labels.symbols[0]}
        self.cpu = machine.views[Table.CONTEXT][0]
        self.memory = machine.memory_of(0)
        self.shared = len(self.memory) - xen.SHARED_INFO_BYTES
        return self

    def fork(self):
        return Guest.__new__(Guest).use(self.machine.fork())

    @property
    def at(self):
        return int(self.cpu.nip)

    @property
    def r1(self):
        return int(self.cpu.gpr[1])

    def registers(self):
        return [self.cpu[name].tolist() for name in REGISTERS]

    def step_to(self, address):
        for _ in range(LIMIT):
            if self.at == address:
                return self
            self.machine.step()
        raise AssertionError(f"never at {address:#x}")

    def step_back(self, registers):
        """On to where it was interrupted, all handled. The lowest r1 on the way; None: it never got there."""
        lowest = self.r1
        for _ in range(LIMIT):
            lowest = min(lowest, self.r1)
            done = not self.memory[self.shared] and not self.memory[self.shared + xen.UPCALL_MASK]
            if done and self.registers() == registers:
                return lowest
            self.machine.step()
        return None


@pytest.fixture(scope="module")
def interrupted():
    """(guest, where it was interrupted, the lowest r1 of an upcall): it is about to unmask."""
    guest = Guest()
    for _ in range(3):  # a first upcall may take longer: pages, ports
        guest.machine.raise_irq(1)
        guest.machine.run(instructions=400)
    guest.step_to(guest.address["compute_unit"] + 8)
    where = guest.registers()
    guest.machine.raise_irq(1)
    guest.machine.step()
    lowest = guest.fork().step_back(where)
    guest.step_to(guest.address["critical"] - 4)
    return guest, where, lowest


def served(guest):
    return {name: fates(guest.machine, name).get("serviced", 0) for name in ("a", "b")}


def test_an_event_anywhere_on_the_way_back_is_served_and_the_guest_goes_on_where_it_was(interrupted):
    unmasking, where, lowest = interrupted
    first, last = unmasking.address["critical"] - 4, unmasking.address["last"]
    for address in range(first, last + 4, 4):
        guest = unmasking.fork().step_to(address)
        guest.machine.raise_irq(2)
        reached = guest.step_back(where)
        assert reached is not None, f"at {address:#x}: it never came back"
        assert reached >= lowest - ONE_FRAME, f"at {address:#x}: the stack grew"
        assert served(guest) == {"a": 4, "b": 1}


def test_an_event_on_the_way_to_mask_again_is_served_too(interrupted):
    unmasking, where, lowest = interrupted
    masking = unmasking.fork()
    masking.machine.raise_irq(2)  # the mask is still 1
    for address in range(masking.address["again"], masking.address["critical_end"], 4):
        guest = masking.fork().step_to(address)
        guest.machine.raise_irq(1)
        reached = guest.step_back(where)
        assert reached is not None, f"at {address:#x}: it never came back"
        assert reached >= lowest - ONE_FRAME, f"at {address:#x}: the stack grew"
        assert served(guest) == {"a": 5, "b": 1}


def storm(unmasking, where, count):
    """An event at the last instruction before the rfid's, again and again. The lowest r1; None: it never came back."""
    guest = unmasking.fork()
    lowest = guest.r1
    for _ in range(count):
        for _ in range(LIMIT):
            lowest = min(lowest, guest.r1)
            if guest.at == guest.address["last"] - 4:
                break
            guest.machine.step()
        guest.machine.raise_irq(2)
        guest.machine.step()
    reached = guest.step_back(where)
    return None if reached is None else min(lowest, reached)


def test_a_storm_on_the_way_back_does_not_grow_the_stack(interrupted):
    unmasking, where, lowest = interrupted
    assert storm(unmasking, where, 1) == storm(unmasking, where, 12) >= lowest - ONE_FRAME


@pytest.fixture(scope="module")
def unprotected():
    guest = Guest(image=str(NO_FIXUP))
    for _ in range(3):
        guest.machine.raise_irq(1)
        guest.machine.run(instructions=400)
    guest.step_to(guest.address["compute_unit"] + 8)
    where = guest.registers()
    guest.machine.raise_irq(1)
    guest.machine.step()
    return guest.step_to(guest.address["critical"] - 4), where


def test_without_the_fixup_frames_pile_up(unprotected):
    guest, where = unprotected
    depths = []
    for count in (1, 2, 3, 4):
        nested = guest.fork()
        for _ in range(count):
            nested.step_to(nested.address["critical"] + 8)
            nested.machine.raise_irq(2)
            nested.machine.step()
        depths.append(nested.step_back(where))
    assert None not in depths
    drops = [before - after for before, after in itertools.pairwise(depths)]
    assert min(drops) > 400


def test_without_the_fixup_an_event_before_the_rfid_returns_to_the_wrong_place(unprotected):
    """SRR0 and SRR1 are those of the inner return: the outer rfid goes to itself, for ever."""
    guest, where = unprotected
    lost = guest.fork().step_to(guest.address["last"])
    lost.machine.raise_irq(2)
    assert lost.step_back(where) is None
    assert lost.at == lost.address["last"]
