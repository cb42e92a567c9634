"""The pytest plugin: a user's test explores a user's guest. In processes of their own, with our compiled code."""

import shutil

import pytest

from irqvisor import _jit
from irqvisor.lab.explore import zoo

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.compiled, pytest.mark.slow]

TESTS = """
import irqvisor

@irqvisor.explore(image="fixed.elf", design="rhype", before=0)
def test_good_guest():
    pass

@irqvisor.explore(image="guest.elf", design="rhype", before=0)
def test_bad_guest():
    pass

@irqvisor.explore(image="guest.elf", design="rhype", before=0)
def test_that_judges_by_itself(exploration):
    assert exploration.is_complete
    assert [finding.judge for finding in exploration.findings] == ["lost"]

@irqvisor.explore(image="guest.elf")
def test_without_a_design():
    pass
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run the tests of a folder with two guests."""
    monkeypatch.setenv("IRQVISOR_CACHE_DIR", str(_jit.CACHE_DIR.parent))
    for version, name in (("fixed", "fixed"), ("buggy", "guest")):
        shutil.copy(zoo.FOLDER / f"cede-race.{version}.elf", pytester.path / f"{name}.elf")
    pytester.makepyfile(test_guest=TESTS)
    return lambda *options: pytester.runpytest_subprocess("-p", "no:cacheprovider", *options, timeout=120)


def test_a_marked_test_fails_with_the_finding_which_can_be_replayed(run, pytester):
    first = run("-n", "2")
    first.assert_outcomes(passed=2, failed=2)
    first.stdout.fnmatch_lines(["finding 1: lost: *", "*fatal window: 5 instants*sleep_if_idle*"])
    first.stdout.fnmatch_lines(["*irqvisor.explore needs design=, and image= or scenario=*"])
    (option,) = {line for line in first.outlines if line.startswith("--irqvisor-replay=")}
    again = run(option, "-k", "bad_guest or good_guest")
    again.assert_outcomes(failed=1, skipped=1)
    again.stdout.fnmatch_lines(
        ["lost: a lost wake-up*", "inject disk at instant *", "an instruction earlier all is well*"]
    )
    shutil.copy(pytester.path / "fixed.elf", pytester.path / "guest.elf")
    refused = run(option, "-k", "bad_guest")
    refused.assert_outcomes(failed=1)
    refused.stdout.fnmatch_lines(["*ReproError*is not the image that was explored*"])
