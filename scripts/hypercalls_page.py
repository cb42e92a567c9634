"""Write docs/reference/hypercalls.md from the table that dispatches the calls.

python scripts/hypercalls_page.py           # write the page
python scripts/hypercalls_page.py --check   # exit 1 if the committed page is another
"""

import sys
from pathlib import Path

from irqvisor.hv.control.calls import HYPERCALLS, Field, Hypercall, Operation
from irqvisor.spec import xen

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "hypercalls.md"

HEAD = """# Hypercalls of Xen

What a guest may ask of a hypervisor that has event channels. This page is made of the table that dispatches the
calls (`hv/control/calls.py::TABLE`) by `scripts/hypercalls_page.py`. *Loop*: answered in the run loop, without
leaving compiled code, where the argument is in one piece of RAM. *2008* and *modern* are the two releases whose
semantics a domain may have ([event channels](../explanation/event-channels.md)).

`sc 1` with r3 = number | 0xFFFFFFFFFFFF0000, arguments from r4 on; the result is in r3, 0 or a negative errno. All
other registers keep their values, but SRR0 and SRR1 read -1.

| refused before the call is looked at | r3 |
|---|---|
| from problem state (MSR[PR]=1) | -EPERM |
| a number, or a command, that is in no table below | -ENOSYS |

## Handles

A *handle* names a structure in the caller's memory. With bit 63 set the rest is its real address. Without, it is
the real address of a descriptor: u32 magic 0x58434F4D, u32 n, then n u64 addresses; the first may begin inside a
page, and each holds data up to the end of its page. Structures are big-endian.

-EFAULT: the handle is no descriptor, or a byte is outside the caller's memory. A structure that cannot be *read*
is refused before anything happens. One that cannot be *written* (read-only memory) is refused after everything has
happened, which is not undone.

Where a call has several errors, they are listed in the order in which they are checked. *EINVAL dying; ENOSPC no
port free* come from allocating a port.
"""

ERRNO = "## errno\n\n" + ", ".join(
    f"{name} {getattr(xen, name)}"
    for name in sorted(
        (name for name in vars(xen) if name.startswith("E") and name.isupper() and isinstance(getattr(xen, name), int)),
        key=lambda name: getattr(xen, name),
    )
    if "_" not in name
)


def structure(operation: Operation) -> str:
    """The fields of an operation's structure."""
    if not operation.size:
        return ""
    return f"{operation.size} bytes: " + ", ".join(field(f) for f in operation.fields)


def field(f: Field) -> str:
    """One field."""
    return f"{'**out** ' if f.out else ''}{f.name} u{8 * f.size} @{f.offset}"


def section(call: Hypercall) -> list[str]:
    """A hypercall and its operations."""
    registers = ", ".join(f"r{4 + k} {name}" for k, name in enumerate(call.registers))
    lines = [f"## {call.number}: {call.name}", "", f"{registers}.", ""]
    lines += ["| command | name | structure | errors | answered in |", "|---|---|---|---|---|"]
    for operation in call.operations:
        where = "loop" if operation.in_loop else "control plane"
        if operation.modern:
            where += ", modern only"
        lines.append(
            f"| {operation.number} | {operation.name} | {structure(operation)} | {operation.errors} | {where} |"
        )
    return [*lines, ""]


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for call in HYPERCALLS for line in section(call)), ERRNO, ""])


def main() -> int:
    """Write or check."""
    text = page()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
