"""The zoo: each bug is found where and as its manifest says, and each fix is certified."""

import dataclasses
import json
import re
import shlex
from pathlib import Path

import pytest

from irqvisor import cli
from irqvisor.errors import UsageError
from irqvisor.hv.explore.verdict import Verdict
from irqvisor.lab.explore import report, search, zoo
from irqvisor.machine import BARE
from irqvisor.spec.designs import NUMBERS

pytestmark = pytest.mark.compiled

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "examples" / "zoo"


@pytest.mark.slow
@pytest.mark.parametrize("name", list(zoo.entries()))
def test_the_bug_is_found_and_its_fix_is_certified(name):
    (outcome,) = zoo.visit(zoo.choose([name]))
    assert outcome.problems == []


def test_a_finding_elsewhere_than_expected_is_a_problem():
    entry = zoo.entries()["cede-race"]
    (outcome,) = zoo.visit([entry])
    elsewhere = zoo.Entry(**{**vars(entry), "judge": "fault", "first": "work"})
    assert list(zoo.problems(elsewhere, outcome.buggy, outcome.fixed)) == [
        "found as lost; expected fault",
        "its window is sleep_if_idle to sleep_if_idle; expected work to sleep_if_idle",
    ]
    assert next(zoo.problems(entry, outcome.fixed, outcome.fixed)) == "the bug was not found"
    assert next(zoo.problems(entry, outcome.buggy, outcome.buggy)).startswith("the fixed guest has a finding: lost")


def test_there_are_enough_and_each_has_its_source_and_its_reference():
    entries = zoo.entries()
    assert len(entries) >= 24
    assert {path.stem for path in SOURCES.glob("*.c")} == set(entries)
    assert {path.name for path in zoo.FOLDER.glob("*.elf")} == {
        entry.image(version).name for entry in entries.values() for version in (zoo.BUGGY, zoo.FIXED)
    }
    for entry in entries.values():
        assert entry.design in NUMBERS or (entry.design == BARE and entry.preempt)
        assert len(entry.reference) > 20
        assert entry.read in zoo.READ
    assert sum(entry.read != "no" for entry in entries.values()) >= 24


@pytest.mark.parametrize("name", list(zoo.entries()))
def test_buggy_and_fixed_are_one_source_and_differ_by_a_few_lines(name):
    """Or by a defect of the hypervisor and by nothing else."""
    source = (SOURCES / f"{name}.c").read_text()
    assert source.startswith("/* ")
    defect = zoo.entries()[name].defect
    if defect:
        assert "FIXED" not in source
        assert f'"{defect}"' in source
        buggy, fixed = (zoo.asked(zoo.entries()[name], version).scenario for version in (zoo.BUGGY, zoo.FIXED))
        assert (buggy.defects, fixed.defects) == ((defect,), ())
        assert buggy.domains == fixed.domains
        return
    assert re.search(r"^#\s*if(n?def FIXED)", source, re.MULTILINE)
    inside = re.findall(r"^#if(?:n?)def FIXED\n(.*?)^#endif", source, re.MULTILINE | re.DOTALL)
    assert sum(part.count("\n") for part in inside) <= 14


def test_every_guest_is_on_the_page():
    page = (ROOT / "docs" / "reference" / "zoo.md").read_text()
    for entry in zoo.entries().values():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{entry.name}` |")]
        assert row.startswith(f"| `{entry.name}` | {entry.design} | {entry.title} | {entry.judge} |")
        assert row.endswith(f"| {entry.reference} | {entry.read} |")


@pytest.mark.parametrize(
    "name",
    [
        "scan-one-port",
        "mask-not-atomic",
        "level-not-ended",
        "foreign-dropped",
        "eoi-elsewhere",
        pytest.param("fifo-ready", marks=pytest.mark.slow),
    ],
)
def test_each_runs_through_explore_with_nothing_special(name, capsys):
    """By the command that `irqvisor zoo --json` names: the same first finding."""
    (outcome,) = zoo.visit(zoo.choose([name]))
    told = outcome.to_dict()
    _, *words = shlex.split(told["command"])
    assert cli.main([*words, "--json"]) == 1
    first = json.loads(capsys.readouterr().out)["findings"][0]
    assert {key: first[key] for key in told["buggy"]["first"]} == told["buggy"]["first"]


def test_an_unknown_guest_is_refused():
    with pytest.raises(UsageError) as refused:
        zoo.choose(["cede-rase"])
    assert 'did you mean "cede-race"' in str(refused.value)


# ----------------------------------------------------------------------------------------------- what is no false alarm
HOLE = ("ee-gap", "upcall-wrong-byte")
"""Guests that compute: what comes between the handler's last look at the upcall and its rfid waits until the hypervisor
is entered again (docs/explanation/designs/xen-ppc.md, A hole that cannot be closed). It takes a second interrupt."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [entry.name for entry in zoo.entries().values() if entry.preempt is None])
def test_pairs_find_nothing_in_a_fixed_guest(name):
    asked = dataclasses.replace(zoo.asked(zoo.entries()[name], zoo.FIXED), injections=2)
    told = report.Report(search.explore(asked))
    assert told.is_complete
    assert told.counts["pairs"] > 200
    if name in HOLE:
        (found,) = told.findings
        assert (found.judge, found.first.symbol.partition("+")[0]) == ("delayed", "external")
        assert found.last.symbol.startswith("vector_external+")
    else:
        assert told.findings == []


@pytest.mark.slow
def test_an_interrupt_that_hastens_what_was_on_its_way_rescues_nothing():
    """The second item comes between the handler's return and SCHEDOP_block, where the first would have been delivered;
    in a guest that computes on, the same pair is a rescue."""
    entry = zoo.entries()["pending-after-ring"]
    asked = dataclasses.replace(zoo.asked(entry, zoo.FIXED), injections=2)
    found = search.explore(asked)
    hastened = [sweep for sweep in found.pairs if sweep.results.hastened.any()]
    assert hastened
    assert not any((sweep.results.verdict[sweep.results.hastened != 0] & Verdict.DELAYED).any() for sweep in hastened)
    careless = dataclasses.replace(zoo.asked(zoo.entries()["ee-gap"], zoo.BUGGY), injections=2)
    lucky = [sweep.results.verdict & Verdict.DELAYED != 0 for sweep in search.explore(careless).pairs]
    assert any(each.any() for each in lucky)
