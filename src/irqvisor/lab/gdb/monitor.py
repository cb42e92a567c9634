"""gdb's ``monitor`` commands: the machine behind the processor."""

from collections.abc import Callable
from typing import Any

from irqvisor.errors import IrqvisorError
from irqvisor.hv.state import Exit
from irqvisor.hw.state import NOBODY
from irqvisor.lab.gdb.registers import VCpu
from irqvisor.lab.gdb.timeline import Timeline
from irqvisor.machine import Machine
from irqvisor.spec.designs import Design
from irqvisor.spec.power_isa import MSR_EE
from irqvisor.tables import Table

MOST_LINES = 200


def run(timeline: Timeline, vcpu: int, text: str) -> str:
    """Carry out a command; what to print."""
    words = text.split()
    found = COMMANDS.get(words[0] if words else "help")
    if found is None:
        return f'no monitor command "{words[0]}"; there are: {", ".join(COMMANDS)}\n'
    try:
        lines = found(timeline, vcpu, words[1:])
    except IrqvisorError as error:
        lines = str(error).splitlines()
    except (ValueError, IndexError):
        lines = [f"{text.strip()}: not understood", *HELP]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"... {len(lines) - MOST_LINES} more lines"]
    return "\n".join(lines) + "\n"


def fields(record: Any) -> str:
    """A record's fields that are not zero."""
    shown = []
    for name in record.dtype.names:
        value = record[name]
        if getattr(value, "shape", ()):
            if value.any():
                shown.append(f"{name}={value.tolist()}")
        elif value:
            shown.append(f"{name}={int(value):#x}" if abs(int(value)) > 9 else f"{name}={int(value)}")
    return " ".join(shown)


def irq(timeline: Timeline, vcpu: int, words: list[str]) -> list[str]:
    """The interrupt sources; ``raise N [LEVEL]`` raises one."""
    machine = timeline.machine
    if words and words[0] == "raise":
        number, level = int(words[1], 0), int(words[2]) if len(words) > 2 else 1
        timeline.do(lambda m: m.raise_irq(number, level))
        return [f"raised {number:#x}" if level else f"lowered {number:#x}"]
    if words:
        raise ValueError(words[0])
    if machine.header.design == Design.PARTITION:
        return [fields(source) for source in machine.views[Table.ICS]]
    lines = []
    for number, line in enumerate(machine.views[Table.PIRQ]):
        if line.source != NOBODY or line.domain != NOBODY:
            name = machine.labels.sources[int(line.source)] if line.source >= 0 else ""
            lines.append(f"{number} {name}: {fields(line)}")
    return lines or ["no interrupt lines"]


def pic(timeline: Timeline, vcpu: int, words: list[str]) -> list[str]:
    """The interrupt controller: what each processor and each source has."""
    views = timeline.machine.views
    if timeline.machine.header.design == Design.PARTITION:
        rows = [("server", views[Table.SERVER]), ("source", views[Table.ICS])]
    else:
        rows = [("processor", views[Table.PIC_CPU]), ("source", views[Table.PIC_SOURCE])]
    lines = [
        f"pCPU {p}: external={int(pcpu.external)} vCPU={int(pcpu.context)}" for p, pcpu in enumerate(views[Table.PCPU])
    ]
    for name, table in rows:
        lines += [f"{name} {n}: {text}" for n, record in enumerate(table) if (text := fields(record))]
    return lines


def evtchn(timeline: Timeline, vcpu: int, words: list[str]) -> list[str]:
    """Event channels that are in use."""
    views = timeline.machine.views
    lines = []
    for d, domain in enumerate(views[Table.DOMAIN]):
        for number in range(int(domain.ports)):
            port = views[Table.PORT][int(domain.port) + number]
            if port.state:
                lines.append(f"domain {d} port {number}: {fields(port)}")
    return lines or ["no event channels"]


def domains(timeline: Timeline, vcpu: int, words: list[str]) -> list[str]:
    """Domains and their vCPUs."""
    machine = timeline.machine
    lines = []
    for d, name in enumerate(machine.labels.domains):
        record = machine.views[Table.DOMAIN][d]
        state = "runs" if record.alive else f"ended: {Exit(int(record.exit)).name.lower()}, status {int(record.status)}"
        lines.append(f"domain {d} {name}: {int(record.ram_bytes) >> 10} KiB, {state}")
        for v, w in enumerate(machine.views[Table.VCPU]):
            if w.domain == d:
                pc = VCpu(machine, v).pc
                lines.append(f"  vCPU {v} on pCPU {int(w.pcpu)}: {whereabouts(machine, v)}, pc {place(machine, d, pc)}")
    return lines


def place(machine: Machine, domain: int, pc: int) -> str:
    """An address, and its name if it has one."""
    name = machine.symbol(domain, pc)
    return f"{pc:#x} {name}" if name else f"{pc:#x}"


def whereabouts(machine: Machine, v: int) -> str:
    """Whether a vCPU runs."""
    w = machine.views[Table.VCPU][v]
    pcpu = machine.views[Table.PCPU][int(w.pcpu)]
    if not machine.views[Table.DOMAIN][int(w.domain)].alive:
        return "ended"
    if int(pcpu.context) == v:
        return "asleep" if pcpu.waiting else "running"
    return "blocked" if w.blocked else "waiting for its pCPU"


def journey(timeline: Timeline, vcpu: int, words: list[str]) -> list[str]:
    """The interrupt of each source that is under way: when it was raised, and how far it has come."""
    machine = timeline.machine
    lines = []
    for s, record in enumerate(machine.views[Table.JOURNEY]):
        name = machine.labels.sources[s] if s < len(machine.labels.sources) else str(s)
        if not words or words[0] in (name, str(s)):
            lines.append(f"{name}: {fields(record) or 'nothing under way'}")
    return lines or ["no sources"]


def snapshot(timeline: Timeline, vcpu: int, words: list[str]) -> list[str]:
    """Save the machine to a file."""
    if len(words) != 1:
        raise ValueError("snapshot")
    timeline.machine.fork().save(words[0])
    return [f"saved to {words[0]}: position {timeline.position:,}, cycle {timeline.machine.now:,}"]


def why(timeline: Timeline, vcpu: int, words: list[str]) -> list[str]:
    """Why a vCPU is where it is: what it waits for, and what holds an interrupt off."""
    machine = timeline.machine
    cpu = VCpu(machine, vcpu)
    record = machine.views[Table.CONTEXT][vcpu]
    pcpu = machine.views[Table.PCPU][int(record.pcpu)]
    d = int(machine.views[Table.VCPU][vcpu].domain)
    lines = [f"vCPU {vcpu}: {whereabouts(machine, vcpu)}, pc {place(machine, d, cpu.pc)}, cycle {machine.now:,}"]
    enabled = bool(cpu.msr & MSR_EE)
    lines.append(f"MSR[EE] is {'on' if enabled else 'off: external and decrementer interrupts are held off'}")
    if int(pcpu.context) == vcpu:
        lines.append(f"its external input is {'up' if pcpu.external else 'down'}")
    expired = cpu.dec >> 31 & 1
    lines.append(f"DEC is {cpu.dec:#x}: {'an exception exists' if expired else 'no exception'}")
    if machine.header.design == Design.PARTITION:
        server = machine.views[Table.SERVER][vcpu]
        lines.append(f"its server: CPPR {int(server.cppr):#x}, XISR {int(server.xisr):#x}, MFRR {int(server.mfrr):#x}")
        for source in machine.views[Table.ICS]:
            if source.server == vcpu and (source.rejected or (source.asserted and not source.sent)):
                held = f"source {int(source.number):#x}, priority {int(source.priority):#x}"
                lines.append(f"held off by its CPPR or mask: {held}")
    else:
        w = machine.views[Table.VCPU][vcpu]
        lines.append(f"its vCPU: {fields(w)}")
    return lines


def help_text(timeline: Timeline, vcpu: int, words: list[str]) -> list[str]:
    """What there is."""
    return list(HELP)


COMMANDS: dict[str, Callable[[Timeline, int, list[str]], list[str]]] = {
    "help": help_text,
    "irq": irq,
    "pic": pic,
    "evtchn": evtchn,
    "domains": domains,
    "journey": journey,
    "snapshot": snapshot,
    "why": why,
}
HELP = tuple(f"{name:10}{(act.__doc__ or '').splitlines()[0]}" for name, act in COMMANDS.items())
