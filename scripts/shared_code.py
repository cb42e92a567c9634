#!/usr/bin/env python3
"""Which code each delivery design uses, its own and shared: computed from the sources.

A design uses its own module, and of the hypervisor package what that reaches by names: functions, and tables that name
functions. What every design stands on - the run loop, the scheduler, the charges - is left out, by being used by all of
them but native. A line counts if it holds code; comments, docstrings and blank lines do not.

The guest's side is its front end; C lines are counted alike.
"""

import ast
import io
import json
import re
import sys
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path

from irqvisor.spec.designs import DESIGNS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "irqvisor"
PACKAGE = "irqvisor.hv"
FRONT = ROOT / "guests" / "front"

SERVED = {
    ("irqvisor.hv.hcall", "xen_call"): ("irqvisor.hv.control.calls", "xen_call"),
    ("irqvisor.hv.hcall", "cold"): ("irqvisor.hv.control.console", "terminal_call"),
}
"""What compiled code leaves to the control plane: the step between the two that no name tells."""

EVENT_CHANNELS = ("channel", "control.calls", "control.operations", "control.pirqs", "event_channel", "fifo", "hcall")
"""Modules that are what Xen's ports share: event channels and the calls around them."""

Place = tuple[str, str]
"""(module, name) of a function or a table."""


def module_path(module):
    """The file of a module, or None."""
    base = SOURCE.joinpath(*module.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def read(module):
    """(definitions by name, what imported names mean) of a module."""
    path = module_path(module)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined, means = {}, {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign):
            defined |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined[node.target.id] = node
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("irqvisor"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                means[alias.asname or alias.name] = inner if module_path(inner) else (node.module, alias.name)
    return defined, means


def names_in(module, node):
    """Places that a definition names."""
    defined, means = read(module)
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in defined:
            yield module, part.id
        elif isinstance(part, ast.Name) and isinstance(means.get(part.id), tuple):
            yield means[part.id]
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            target = means.get(part.value.id)
            if isinstance(target, str):
                yield target, part.attr


def is_counted(place):
    """Functions and tables of the hypervisor package, but no records and numbers, and not the designs'."""
    module, name = place
    if not module.startswith(PACKAGE) or module in (f"{PACKAGE}.state", f"{PACKAGE}.loop", f"{PACKAGE}.dispatch"):
        return False
    return module_path(module) is not None and name in read(module)[0]


@cache
def lines(path):
    """Numbers of the lines of a Python file that hold code."""
    text = path.read_text(encoding="utf-8")
    found = set()
    skip = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skip:
            found.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            found.difference_update(range(first.lineno, first.end_lineno + 1))
    return found


def size(place):
    """Lines of code of a function or a table, its decorators included."""
    module, name = place
    node = read(module)[0][name]
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    return len(lines(module_path(module)) & set(range(first, node.end_lineno + 1)))


def reached(design):
    """Places of the hypervisor package that a design uses, outside its own module."""
    own = f"{PACKAGE}.designs.{design.replace('-', '_')}"
    todo = [place for node in read(own)[0].values() for place in names_in(own, node)]
    found = set()
    while todo:
        place = todo.pop()
        if place in found or place[0] == own or not is_counted(place):
            continue
        found.add(place)
        todo.extend(names_in(place[0], read(place[0])[0][place[1]]))
        if place in SERVED:
            todo.append(SERVED[place])
    return found


def c_lines(path):
    """Lines of a C file that hold code."""
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), path.read_text(), flags=re.DOTALL)
    return sum(bool(re.sub(r"//.*", "", line).strip()) for line in text.splitlines())


def measure():
    """One object a design: lines of its own file, of the front end, of what it uses and with whom."""
    designs = [info.name for info in DESIGNS]
    uses = {design: reached(design) for design in designs}
    hypervisors = [design for design in designs if design != "native"]
    common = set.intersection(*(uses[design] for design in hypervisors))
    users = defaultdict(set)
    for design in designs:
        for place in uses[design]:
            users[place].add(design)
    channels = {place for place in users if place[0].removeprefix(f"{PACKAGE}.") in EVENT_CHANNELS} - common
    found = []
    for design in designs:
        module = module_path(f"{PACKAGE}.designs.{design.replace('-', '_')}")
        front = FRONT / f"{design.replace('-', '_')}.c"
        beyond = uses[design] - common
        alone = {place for place in beyond if users[place] == {design}}
        found.append(
            {
                "design": design,
                "own": len(lines(module)),
                "front": c_lines(front),
                "alone": sum(map(size, alone)),
                "shared": sum(map(size, beyond - alone)),
                "event_channels": sum(map(size, beyond & channels)),
                "with": {
                    other: sum(map(size, beyond & (uses[other] - common))) for other in designs if other != design
                },
            }
        )
    return {"common": sum(map(size, common)), "designs": found}


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
    print()
