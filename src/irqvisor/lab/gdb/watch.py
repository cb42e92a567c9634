"""Watchpoints: data that a debugger wants to be told of when it changes, or when an instruction reads it."""

from typing import NamedTuple

from irqvisor.hw.state import NOBODY
from irqvisor.lab.gdb.access import data_of
from irqvisor.machine import Machine
from irqvisor.tables import Table


class Watch(NamedTuple):
    """Bytes of a domain's memory."""

    kind: str  # watch, rwatch, awatch: as gdb says it
    domain: int
    address: int
    size: int

    @property
    def reads(self) -> bool:
        """Whether an access that changes nothing counts."""
        return self.kind != "watch"


def touched(watches: list[Watch], before: Machine, after: Machine) -> Watch | None:
    """The first watch whose value is another one now."""
    for watch in watches:
        end = watch.address + watch.size
        if before.memory_of(watch.domain)[watch.address : end] != after.memory_of(watch.domain)[watch.address : end]:
            return watch
    return None


def accesses(watches: list[Watch], machine: Machine) -> Watch | None:
    """The first watch that the next instruction of a pCPU will touch, as its kind wants it."""
    for pcpu in machine.views[Table.PCPU]:
        if pcpu.context == NOBODY or pcpu.waiting:
            continue
        v = int(pcpu.context)
        domain = int(machine.views[Table.VCPU][v].domain)
        found = data_of(machine, v, domain)
        if found is None:
            continue
        for watch in watches:
            wanted = watch.kind == "awatch" or found.stores == (watch.kind == "watch")
            overlaps = found.address < watch.address + watch.size and watch.address < found.address + found.size
            if wanted and watch.domain == domain and overlaps:
                return watch
    return None
