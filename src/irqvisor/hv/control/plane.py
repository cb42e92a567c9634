"""What a control-plane call works on: the machine, who calls, and the caller's memory.

Pointers are xencomm handles: an inline one is a real address with bit 63 set; any other is the real address of a
descriptor, u32 magic, u32 n, n u64 addresses, each of data up to the end of its page. A bad one is -EFAULT, never a
fault of ours. (Xen/PPC took a bad inline address for address 0; and it skipped invalid addresses of a descriptor.)
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from irqvisor.hv import loop
from irqvisor.hv.state import Dying, Release
from irqvisor.hw.state import RegionKind
from irqvisor.spec import xen
from irqvisor.tables import Arrays, Table, Views

PAGE = 4096
INLINE = -1


class CallError(Exception):
    """A call is refused: the errno or PAPR status that the guest gets."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Host(Protocol):
    """What the control plane asks of the machine that it serves."""

    arrays: Arrays
    views: Views

    def write_console(self, domain: int, text: bytes) -> None:
        """A domain printed."""

    def read_console(self, domain: int, count: int) -> bytes:
        """Take at most `count` bytes that were typed for a domain."""

    def grow_ports(self, domain: int, count: int) -> None:
        """Give a domain port records, `count` in all. Moves the machine's tables."""


class Piece(NamedTuple):
    """Bytes of a structure that are together in the RAM array."""

    at: int
    size: int
    writable: bool


class Plane(NamedTuple):
    """A call: who makes it, and what it may do. Records are looked up when they are used: growing moves them."""

    host: Host
    domain: int
    vcpu: int
    pcpu: int

    @property
    def arrays(self) -> Arrays:
        return self.host.arrays

    @property
    def views(self) -> Views:
        return self.host.views

    @property
    def cpu(self) -> Any:
        return self.views[Table.CONTEXT][self.vcpu]

    @property
    def own(self) -> Any:
        return self.views[Table.DOMAIN][self.domain]

    @property
    def is_modern(self) -> bool:
        """Whether the caller has the semantics of today's Xen."""
        return int(self.own.release) == Release.MODERN

    def domain_of(self, domain: int) -> Any:
        """A domain's record."""
        return self.views[Table.DOMAIN][domain]

    def vcpu_of(self, domain: int, number: int) -> int:
        """The place in the vCPU table of a domain's vCPU; -ENOENT if it has none of that number."""
        d = self.domain_of(domain)
        if not 0 <= number < int(d.vcpus):
            raise CallError(-xen.ENOENT)
        return int(d.vcpu) + number

    def named(self, number: int) -> int:
        """The place in the domain table of a domain that the caller names; -ESRCH if there is none."""
        if number == xen.DOMID_SELF:
            return self.domain
        for k, d in enumerate(self.views[Table.DOMAIN]):
            if int(d.id) == number and d.alive and d.dying != Dying.GONE:
                return k
        raise CallError(-xen.ESRCH)

    def spend(self, instructions: int) -> None:
        """The hypervisor executes instructions (spec/paths.py)."""
        loop.spend(self.arrays, self.pcpu, instructions)

    # The caller's memory

    def memory(self, real: int, size: int) -> Piece:
        """Bytes of the caller's memory; -EFAULT if they are not all in one region of it."""
        cpu = self.cpu
        for r in self.views[Table.REGION][int(cpu.region) : int(cpu.region + cpu.regions)]:
            offset = real - int(r.start)
            if r.kind <= RegionKind.ROM and 0 <= offset <= int(r.bytes) - size:
                return Piece(int(r.ram) + offset, size, bool(r.kind == RegionKind.RAM))
        raise CallError(-xen.EFAULT)

    def frame(self, number: int) -> int:
        """RAM offset of one of the caller's pages that the hypervisor is to write; -EINVAL if there is none."""
        try:
            page = self.memory(number * PAGE, PAGE)
        except CallError:
            raise CallError(-xen.EINVAL) from None
        if not page.writable:
            raise CallError(-xen.EINVAL)
        return page.at

    def argument(self, handle: int) -> "Argument":
        """What is behind a xencomm handle, as a register has it; -EFAULT if it is none."""
        if handle < 0:
            return Argument(self, handle & ~xen.XENCOMM_INLINE, INLINE)
        head = self.memory(handle, 8)
        ram = self.arrays.ram
        if int.from_bytes(ram[head.at : head.at + 4].tobytes(), "big") != xen.XENCOMM_MAGIC:
            raise CallError(-xen.EFAULT)
        return Argument(self, handle + 8, int.from_bytes(ram[head.at + 4 : head.at + 8].tobytes(), "big"))


class Argument(NamedTuple):
    """The data behind a handle: `real` is its address (`pages` INLINE), or that of the addresses of its pages."""

    plane: Plane
    real: int
    pages: int

    def pieces(self, offset: int, size: int) -> Iterator[Piece]:
        """Where some of its bytes are."""
        if self.pages == INLINE:
            at, end = self.real + offset, self.real + offset + size
            while at < end:
                chunk = min(end, (at // PAGE + 1) * PAGE) - at
                yield self.plane.memory(at, chunk)
                at += chunk
            return
        for k in range(self.pages):
            if size == 0:
                return
            page = self.plane.memory(self.real + 8 * k, 8)
            start = int.from_bytes(self.plane.arrays.ram[page.at : page.at + 8].tobytes(), "big")
            room = PAGE - start % PAGE
            if offset < room:
                chunk = min(room - offset, size)
                yield self.plane.memory(start + offset, chunk)
                size -= chunk
                offset = 0
            else:
                offset -= room
        if size:
            raise CallError(-xen.EFAULT)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of it; -EFAULT if one of them is not there."""
        ram = self.plane.arrays.ram
        return b"".join(ram[piece.at : piece.at + piece.size].tobytes() for piece in self.pieces(offset, size))

    def number(self, offset: int, size: int) -> int:
        """An unsigned number in it."""
        return int.from_bytes(self.read(offset, size), "big")

    def check_writable(self, size: int) -> None:
        """-EFAULT if it cannot be written."""
        if not all(piece.writable for piece in self.pieces(0, size)):
            raise CallError(-xen.EFAULT)

    def write(self, offset: int, data: bytes) -> None:
        """Store bytes of it; the caller has checked that it can be written."""
        for piece in list(self.pieces(offset, len(data))):
            for k in range(piece.size):
                loop.write_ram(self.plane.arrays, piece.at + k, 1, data[k])
            data = data[piece.size :]
