"""Path lengths against what they are counted in: guests/bench/paths.c as executed, and the profiles' `inject`."""

import re
from pathlib import Path

import pytest

from irqvisor.guest.image import IMAGES, Image
from irqvisor.hv.state import Exit
from irqvisor.lab import profile
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import Machine
from irqvisor.spec import paths
from irqvisor.tables import Table

PATH = IMAGES / "paths.elf"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "charges.md"
COUNTED_ELSEWHERE = {"HDEC", "SOFTIRQ", "DELIVER_EE_OFF", "DELIVER_NOTHING", "DELIVER"}
MARKING = {"PENDING", "SELECTOR", "UPCALL", "KICK"}
BY_PARTS = {"LINK"}
SUMS = {"RESCHEDULE", "RUN_TIMERS", "CALLBACK"}
LENGTHS = {name: value for name, value in vars(paths).items() if name.isupper()}


def executed():
    """Instructions of each step, from its first to its blr."""
    image = Image.load(PATH)
    domain = {"name": "paths", "image": str(PATH), "ram_kib": 64}
    scenario = Scenario.model_validate({"name": "paths", "duration_ms": 1, "domains": [domain]})
    machine = Machine.from_scenario(scenario, design="rhype")
    functions = {s.address: s.name.upper() for s in image.symbols if s.name.upper() in LENGTHS}
    cpu = machine.cpu[0]
    counts = {}
    while machine.views[Table.DOMAIN][0].exit == Exit.NONE:
        name = functions.get(cpu.pc)
        if name is None:
            machine.step()
            continue
        back = cpu.lr
        assert name not in counts, f"{name} is called twice"
        counts[name] = 0
        while cpu.pc != back:
            counts[name] += machine.step()
    assert machine.views[Table.DOMAIN][0].exit == Exit.SHUTDOWN
    return counts


def test_a_length_is_what_its_function_executes():
    assert executed() == {
        name: value for name, value in LENGTHS.items() if name not in COUNTED_ELSEWHERE | MARKING | BY_PARTS | SUMS
    }


def test_the_page_has_every_length_and_how_it_was_counted():
    rows = re.findall(r"^\| ([A-Z_]+) \| (\d+) \| ([\w/]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(length) for name, length, _ in rows} == LENGTHS
    kinds = {"Xen/PPC": COUNTED_ELSEWHERE, "inject": MARKING, "parts": BY_PARTS, "sum": SUMS}
    assert all(name in kinds.get(kind, LENGTHS.keys() - set.union(*kinds.values())) for name, _, kind in rows)


@pytest.mark.parametrize("name", profile.names())
def test_the_parts_of_marking_and_the_delivery_are_what_inject_covers(name):
    inject = profile.load(name).numbers["inject"]
    assert inject.unit == "instructions"
    assert sum(LENGTHS[part] for part in MARKING) == 155
    assert inject.value == 155 + paths.DELIVER
