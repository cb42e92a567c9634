"""A domain's console as Xen's toolstack gives it: a page of two rings and an event channel (public/io/console.h).

The other end is the hypervisor's own, which stands for the console daemon of domain 0: it takes what the guest printed
when the guest says so, puts what was typed into the other ring, and tells the guest of both.
"""

from irqvisor.hv import loop
from irqvisor.hv.control import ports
from irqvisor.hv.control.plane import Plane
from irqvisor.hv.state import Attached, PortState

IN_BYTES, OUT_BYTES = 1024, 2048
OUT = IN_BYTES
IN_CONS, IN_PROD, OUT_CONS, OUT_PROD = 3072, 3076, 3080, 3084
"""Offsets of the indices, u32 each, which count bytes and wrap around."""


def connect(plane: Plane, page: int) -> int:
    """Give a domain a console whose page is at a RAM offset. Returns the domain's port."""
    guest = ports.allocate(plane, plane.domain)
    ports.bind(plane, plane.domain, guest, PortState.INTERDOMAIN)
    own = ports.allocate(plane, plane.domain)
    number = int(plane.own.id)
    for here, there, attached in ((guest, own, Attached.REMOTE), (own, guest, Attached.OWNED)):
        ports.bind(
            plane,
            plane.domain,
            here,
            PortState.INTERDOMAIN,
            attached=int(attached),
            peer=plane.domain,
            remote_domain=number,
            remote_port=there,
        )
    plane.own.console, plane.own.console_port = page, own
    return guest


def serve(plane: Plane) -> None:
    """The guest has notified: take what it printed, and put in what is still to be typed. A ring whose indices make no
    sense is left alone, as xenconsoled does."""
    at = int(plane.own.console)
    begin, end = (ports.big_endian(plane, at + index, 4) for index in (OUT_CONS, OUT_PROD))
    count = end - begin & 0xFFFFFFFF
    told = 0 < count <= OUT_BYTES
    if told:
        ram = plane.arrays.ram
        text = bytes(int(ram[at + OUT + (begin + k) % OUT_BYTES]) for k in range(count))
        loop.write_ram(plane.arrays, at + OUT_CONS, 4, end)
        plane.host.write_console(plane.domain, text)
    if type_in(plane) or told:
        tell(plane)


def type_in(plane: Plane) -> bool:
    """Put what was typed into the ring, as far as there is room; whether that was anything."""
    at = int(plane.own.console)
    begin, end = (ports.big_endian(plane, at + index, 4) for index in (IN_CONS, IN_PROD))
    text = plane.host.read_console(plane.domain, max(IN_BYTES - (end - begin & 0xFFFFFFFF), 0))
    for k, character in enumerate(text):
        loop.write_ram(plane.arrays, at + (end + k) % IN_BYTES, 1, character)
    if text:
        loop.write_ram(plane.arrays, at + IN_PROD, 4, end + len(text) & 0xFFFFFFFF)
    return bool(text)


def tell(plane: Plane) -> None:
    """Notify the guest."""
    loop.notify_peer(plane.arrays, plane.pcpu, plane.domain, int(plane.own.console_port))
