"""The zoo: each bug is found where and as its manifest says, and each fix is certified."""

import re
from pathlib import Path

import pytest

from irqvisor.errors import UsageError
from irqvisor.lab.explore import zoo
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
        f"{name}.{version}.elf" for name in entries for version in (zoo.BUGGY, zoo.FIXED)
    }
    for entry in entries.values():
        assert entry.design in NUMBERS
        assert len(entry.reference) > 20


@pytest.mark.parametrize("name", list(zoo.entries()))
def test_buggy_and_fixed_are_one_source_and_differ_by_a_few_lines(name):
    source = (SOURCES / f"{name}.c").read_text()
    assert re.search(r"^#\s*if(n?def FIXED)", source, re.MULTILINE)
    assert source.startswith("/* ")
    inside = re.findall(r"^#if(?:n?)def FIXED\n(.*?)^#endif", source, re.MULTILINE | re.DOTALL)
    assert sum(part.count("\n") for part in inside) <= 14


def test_every_guest_is_on_the_page():
    page = (ROOT / "docs" / "reference" / "zoo.md").read_text()
    for entry in zoo.entries().values():
        assert f"| `{entry.name}` | {entry.design} | {entry.title} | {entry.judge} |" in page


def test_an_unknown_guest_is_refused():
    with pytest.raises(UsageError) as refused:
        zoo.choose(["cede-rase"])
    assert 'did you mean "cede-race"' in str(refused.value)
