"""Answers to gdb's packets (GDB manual, Remote Protocol). Whatever a packet says, the answer is a packet.

Threads are vCPUs, number n as gdb's n + 1. An empty answer means "not supported", E01 "that cannot be done".
"""

import contextlib
from collections.abc import Callable, Iterator

from irqvisor.hw.memory import EA_64
from irqvisor.hw.state import NEVER, NOBODY, Stop
from irqvisor.lab.gdb import monitor, registers
from irqvisor.lab.gdb.packets import LONGEST
from irqvisor.lab.gdb.registers import REGISTERS, Order, VCpu
from irqvisor.lab.gdb.timeline import Timeline
from irqvisor.lab.gdb.watch import Watch
from irqvisor.machine import Machine
from irqvisor.tables import Table

ERROR = b"E01"
OK = b"OK"
SLICE_CYCLES = 4_000_000
SLOW_CYCLES = 1000
"""The same if each instruction is looked at."""
TYPING_S = 0.05
"""How long a guest that sleeps for ever waits for typed text between two looks at what gdb wants."""
PATIENCE = 1_000_000
"""Instructions of others that a step waits for its own vCPU."""
SIGINT, SIGTRAP = 2, 5
WATCHES = {2: "watch", 3: "rwatch", 4: "awatch"}
STEP_ENABLE, STEP_NO_IRQ, STEP_NO_TIMER = 1, 2, 4
"""QEMU's switches of single steps: qemu.sstepbits."""
MOST_MEMORY = LONGEST // 2 - 4
SUPPORTED = (
    f"PacketSize={LONGEST:x};qXfer:features:read+;QStartNoAckMode+;vContSupported+;ReverseStep+;ReverseContinue+;"
    "swbreak+;hwbreak+"
)


class Session:
    """One machine and whoever debugs it.

    Attributes:
        timeline: the machine, and its past.
        order: byte order of registers in packets; gdb takes it from the file that it debugs.
        is_over: gdb killed the machine, or it ended.
        is_killed: gdb killed it.
        is_detached: gdb has left.
        acknowledges: whether packets are acknowledged.
        slice_cycles: how long the machine runs between two looks at what has arrived.
        more_input: what was typed for the guest since the last call, waiting for it so many seconds; None: no more.
    """

    def __init__(self, machine: Machine, *, order: Order = "big", offset: int = 0) -> None:
        self.timeline = Timeline(machine)
        self.order: Order = order
        self.offset = offset
        self.is_over = False
        self.is_killed = False
        self.is_detached = False
        self.acknowledges = True
        self.slice_cycles = SLICE_CYCLES
        self.interrupted: Callable[[], bool] = lambda: False
        self.more_input: Callable[[float | None], bytes | None] | None = None
        self._vcpu = 0
        self._step_flags = STEP_ENABLE | STEP_NO_IRQ | STEP_NO_TIMER
        self._last = self._stopped(SIGTRAP)

    @property
    def machine(self) -> Machine:
        return self.timeline.machine

    def prepare(self) -> None:
        """Compile or load what reading and writing registers needs. A gdb that waits for more than two seconds asks
        again, and then takes each answer for that to another question."""
        self.answer(b"g")
        twin = VCpu(self.machine.fork(), self._vcpu)
        twin.dec = twin.dec

    def attach(self) -> None:
        """Gdb has connected: nothing of an earlier one stays."""
        self.is_detached = False
        self.acknowledges = True
        self.timeline.breakpoints.clear()
        self.timeline.watches.clear()
        self._vcpu = self._running()
        self._last = self._stopped(SIGTRAP)

    def answer(self, packet: bytes) -> bytes | None:
        """The answer to a packet; None if it has none."""
        text = packet.decode("latin-1")
        for name, act in COMMANDS:
            if text.startswith(name):
                try:
                    return act(self, text[len(name) :], packet)
                except (ValueError, IndexError, KeyError, OverflowError):
                    return ERROR
        return b""

    # What gdb asks first

    def supported(self, rest: str, packet: bytes) -> bytes:
        return SUPPORTED.encode()

    def no_ack(self, rest: str, packet: bytes) -> bytes:
        self.acknowledges = False
        return OK

    def features(self, rest: str, packet: bytes) -> bytes:
        name, _, part = rest.partition(":")
        if name != "target.xml":
            return b"E00"
        offset, length = (int(x, 16) for x in part.split(","))
        data = registers.DESCRIPTION[offset : offset + min(length, LONGEST - 4)]
        return (b"m" if offset + len(data) < len(registers.DESCRIPTION) else b"l") + data

    def attached(self, rest: str, packet: bytes) -> bytes:
        return b"1"

    def offsets(self, rest: str, packet: bytes) -> bytes:
        return f"Text={self.offset:x};Data={self.offset:x};Bss={self.offset:x}".encode()

    def why_stopped(self, rest: str, packet: bytes) -> bytes:
        return self._last

    def fine(self, rest: str, packet: bytes) -> bytes:
        return OK

    def unknown(self, rest: str, packet: bytes) -> bytes:
        return b""

    # Threads

    def _vcpus(self) -> int:
        return len(self.machine.views[Table.VCPU])

    def _running(self) -> int:
        """A vCPU that runs."""
        for pcpu in self.machine.views[Table.PCPU]:
            if pcpu.context != NOBODY:
                return int(pcpu.context)
        return 0

    def _thread(self, text: str) -> int:
        """A thread as gdb names it, as a vCPU; 0 and -1 mean any."""
        number = int(text, 16)
        if number in (0, -1):
            return self._vcpu
        if not 1 <= number <= self._vcpus():
            raise ValueError(text)
        return number - 1

    def threads(self, rest: str, packet: bytes) -> bytes:
        return b"m" + ",".join(f"{v + 1:x}" for v in range(self._vcpus())).encode()

    def no_more_threads(self, rest: str, packet: bytes) -> bytes:
        return b"l"

    def thread_info(self, rest: str, packet: bytes) -> bytes:
        v = self._thread(rest)
        domain = int(self.machine.views[Table.VCPU][v].domain)
        name = self.machine.labels.domains[domain] if domain < len(self.machine.labels.domains) else ""
        return f"vCPU {v} of {name}: {monitor.whereabouts(self.machine, v)}".encode().hex().encode()

    def current_thread(self, rest: str, packet: bytes) -> bytes:
        return f"QC{self._vcpu + 1:x}".encode()

    def choose_thread(self, rest: str, packet: bytes) -> bytes:
        self._vcpu = self._thread(rest[1:])
        return OK

    def is_alive(self, rest: str, packet: bytes) -> bytes:
        self._thread(rest)
        return OK

    # Registers and memory

    def _cpu(self) -> VCpu:
        return VCpu(self.machine, self._vcpu)

    def read_registers(self, rest: str, packet: bytes) -> bytes:
        cpu = self._cpu()
        return b"".join(registers.read(cpu, n, self.order) for n in range(len(REGISTERS))).hex().encode()

    def write_registers(self, rest: str, packet: bytes) -> bytes:
        data = bytes.fromhex(rest)
        cpu = self._cpu()
        at = 0
        for n, register in enumerate(REGISTERS):
            part = data[at : at + registers.size(n)]
            at += registers.size(n)
            if part and register.name not in registers.READ_ONLY and part != registers.read(cpu, n, self.order):
                registers.write(cpu, n, part, self.order)
        self.timeline.changed()
        return OK

    def read_register(self, rest: str, packet: bytes) -> bytes:
        return registers.read(self._cpu(), int(rest, 16), self.order).hex().encode()

    def write_register(self, rest: str, packet: bytes) -> bytes:
        number, _, value = rest.partition("=")
        registers.write(self._cpu(), int(number, 16), bytes.fromhex(value), self.order)
        self.timeline.changed()
        return OK

    def _place(self, address: str, length: str) -> tuple[int, int]:
        """Bytes of the current vCPU's memory: address and how many of them there are."""
        memory = self.machine.memory_of(self._domain())
        at, size = int(address, 16) & EA_64, int(length, 16)
        if at < 0 or size < 0 or at > len(memory) or (size and at == len(memory)):
            raise ValueError(address)
        return at, min(size, len(memory) - at)

    def _domain(self) -> int:
        return int(self.machine.views[Table.VCPU][self._vcpu].domain)

    def read_memory(self, rest: str, packet: bytes) -> bytes:
        address, _, length = rest.partition(",")
        at, size = self._place(address, length)
        size = min(size, MOST_MEMORY)
        return bytes(self.machine.memory_of(self._domain())[at : at + size]).hex().encode()

    def write_memory(self, rest: str, packet: bytes) -> bytes:
        where, _, data = rest.partition(":")
        return self._write(where, bytes.fromhex(data))

    def write_binary(self, rest: str, packet: bytes) -> bytes:
        where, _, data = packet[1:].partition(b":")
        return self._write(where.decode("latin-1"), data)

    def _write(self, where: str, data: bytes) -> bytes:
        address, _, length = where.partition(",")
        at, size = self._place(address, length)
        if size != int(length, 16) or size != len(data):
            return ERROR
        if size:
            self.machine.memory_of(self._domain())[at : at + size] = data
            self.timeline.changed()
        return OK

    # Breakpoints

    def insert(self, rest: str, packet: bytes) -> bytes:
        return self._point(rest, insert=True)

    def remove(self, rest: str, packet: bytes) -> bytes:
        return self._point(rest, insert=False)

    def _point(self, rest: str, *, insert: bool) -> bytes:
        kind, address, length = rest.split(";", maxsplit=1)[0].split(",")
        if int(kind) not in (0, 1, *WATCHES):
            return b""
        at, size = self._place(address, length)
        if int(kind) < 2:
            place = (self._domain(), at & ~3)
            (self.timeline.breakpoints.add if insert else self.timeline.breakpoints.discard)(place)
            return OK
        if size == 0:
            return ERROR
        watch = Watch(WATCHES[int(kind)], self._domain(), at, size)
        if insert:
            self.timeline.watches.append(watch)
        else:
            with contextlib.suppress(ValueError):
                self.timeline.watches.remove(watch)
        return OK

    # Running

    def _stopped(self, signal: int, reason: str = "") -> bytes:
        return f"T{signal:02x}thread:{self._vcpu + 1:x};{reason}".encode()

    def _report(self, reason: Stop) -> bytes:
        """What gdb is told when the machine has stopped."""
        self.timeline.listen()
        if reason in (Stop.EXIT, Stop.ENDED):
            self.is_over = True
            status = int(self.machine.views[Table.DOMAIN][0].status) & 0xFF
            self._last = f"W{status:02x}".encode()
            return self._last
        if reason == Stop.BREAKPOINT and self.timeline.hit is not None:
            watch = self.timeline.hit
            self._vcpu = self._in_domain(watch.domain)
            self._last = self._stopped(SIGTRAP, f"{watch.kind}:{watch.address:x};")
        elif reason == Stop.BREAKPOINT:
            p = int(self.machine.views[Table.REQUEST][0].pcpu)
            self._vcpu = max(int(self.machine.views[Table.PCPU][p].context), 0)
            self._last = self._stopped(SIGTRAP, "swbreak:;")
        elif reason == Stop.BUDGET:
            self._last = self._stopped(SIGTRAP)
        else:  # asleep for ever, checkstop, attention
            self._last = self._stopped(SIGINT)
        return self._last

    def _in_domain(self, domain: int) -> int:
        """A running vCPU of a domain, or the current one."""
        for pcpu in self.machine.views[Table.PCPU]:
            if pcpu.context >= 0 and self.machine.views[Table.VCPU][int(pcpu.context)].domain == domain:
                return int(pcpu.context)
        return self._vcpu

    def forward(self, cycles: int) -> Stop:
        """Run a while; what was typed meanwhile arrives. A guest that sleeps for ever has only stopped if there will be
        no more."""
        reason = self.timeline.forward(1 << 60, cycles=cycles)
        asleep = reason == Stop.DEADLOCK
        if self.more_input is None or not (asleep or reason == Stop.BUDGET):
            return reason
        text = self.more_input(TYPING_S if asleep else 0)
        if text is None:
            self.more_input = None
            return reason
        if text:
            self.timeline.do(lambda machine: machine.type_in(text))
        return Stop.BUDGET

    def go_on(self, rest: str, packet: bytes) -> bytes:
        if rest.strip() and ";" not in rest:
            self._jump(rest)
        slow = any(watch.reads for watch in self.timeline.watches)
        while True:
            reason = self.forward(min(self.slice_cycles, SLOW_CYCLES if slow else NEVER))
            if reason != Stop.BUDGET:
                return self._report(reason)
            if self.interrupted():
                self._vcpu = self._running()
                self._last = self._stopped(SIGINT)
                return self._last

    def _jump(self, address: str) -> None:
        self._cpu().pc = int(address, 16)
        self.timeline.changed()

    def step(self, rest: str, packet: bytes) -> bytes:
        if rest.strip() and ";" not in rest:
            self._jump(rest)
        masked = bool(self._step_flags & STEP_NO_IRQ)
        reason = self.timeline.step(self._vcpu, masked=masked, patience=PATIENCE, interrupted=self.interrupted)
        return self._report(reason)

    def continue_kinds(self, rest: str, packet: bytes) -> bytes:
        return b"vCont;c;C;s;S"

    def v_continue(self, rest: str, packet: bytes) -> bytes:
        """The first action that steps decides; else all go on."""
        for action in rest.split(";"):
            name, _, thread = action.partition(":")
            if name[:1] in ("s", "S"):
                if thread:
                    self._vcpu = self._thread(thread)
                return self.step("", packet)
            if name[:1] not in ("c", "C"):
                return ERROR
        return self.go_on("", packet)

    def step_back(self, rest: str, packet: bytes) -> bytes:
        if not self.timeline.step_back(self._vcpu):
            return self._beginning()
        return self._report(Stop.BUDGET)

    def run_back(self, rest: str, packet: bytes) -> bytes:
        if not self.timeline.run_back():
            return self._beginning()
        return self._report(Stop.BREAKPOINT)

    def _beginning(self) -> bytes:
        self.timeline.listen()
        self._last = self._stopped(SIGTRAP, "replaylog:begin;")
        return self._last

    def kill(self, rest: str, packet: bytes) -> bytes:
        self.is_over = self.is_killed = self.is_detached = True
        return OK

    def detach(self, rest: str, packet: bytes) -> bytes:
        self.is_detached = True
        return OK

    # Monitor commands, and QEMU's switches

    def command(self, rest: str, packet: bytes) -> bytes:
        text = bytes.fromhex(rest).decode("utf-8", "replace")
        return monitor.run(self.timeline, self._vcpu, text).encode()[:MOST_MEMORY].hex().encode()

    def step_bits(self, rest: str, packet: bytes) -> bytes:
        return f"ENABLE={STEP_ENABLE:x},NOIRQ={STEP_NO_IRQ:x},NOTIMER={STEP_NO_TIMER:x}".encode()

    def step_flags(self, rest: str, packet: bytes) -> bytes:
        return f"{self._step_flags:#x}".encode()

    def set_step_flags(self, rest: str, packet: bytes) -> bytes:
        self._step_flags = int(rest, 16)
        return OK

    def packets(self) -> Iterator[str]:
        """The packets that it knows."""
        return (name for name, _ in COMMANDS)


COMMANDS: tuple[tuple[str, Callable[[Session, str, bytes], bytes]], ...] = (
    ("qSupported", Session.supported),
    ("QStartNoAckMode", Session.no_ack),
    ("qXfer:features:read:", Session.features),
    ("qAttached", Session.attached),
    ("qOffsets", Session.offsets),
    ("qfThreadInfo", Session.threads),
    ("qsThreadInfo", Session.no_more_threads),
    ("qThreadExtraInfo,", Session.thread_info),
    ("qC", Session.current_thread),
    ("qSymbol", Session.fine),
    ("qRcmd,", Session.command),
    ("qqemu.sstepbits", Session.step_bits),
    ("qqemu.sstep", Session.step_flags),
    ("Qqemu.sstep=", Session.set_step_flags),
    ("vCont?", Session.continue_kinds),
    ("vCont;", Session.v_continue),
    ("vKill", Session.kill),
    ("q", Session.unknown),
    ("Q", Session.unknown),
    ("v", Session.unknown),
    ("?", Session.why_stopped),
    ("!", Session.fine),
    ("g", Session.read_registers),
    ("G", Session.write_registers),
    ("p", Session.read_register),
    ("P", Session.write_register),
    ("m", Session.read_memory),
    ("M", Session.write_memory),
    ("X", Session.write_binary),
    ("Z", Session.insert),
    ("z", Session.remove),
    ("H", Session.choose_thread),
    ("T", Session.is_alive),
    ("bs", Session.step_back),
    ("bc", Session.run_back),
    ("c", Session.go_on),
    ("C", Session.v_continue),
    ("s", Session.step),
    ("D", Session.detach),
    ("k", Session.kill),
)
"""Packets by how they begin; a longer name goes before a shorter one."""
