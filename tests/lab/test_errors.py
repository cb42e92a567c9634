"""Messages are for people: where, what was found, what was expected, a hint."""

import pickle

import pytest

from irqvisor import errors
from irqvisor.errors import (
    GuestFault,
    ImageError,
    InvariantError,
    IrqvisorError,
    ProfileError,
    RecordingError,
    RunnerError,
    ScenarioError,
    SnapshotError,
    TraceError,
    UsageError,
    did_you_mean,
)


def test_a_message_says_where_what_and_what_was_expected_then_a_hint():
    error = ScenarioError("storm.toml: pcpus", "found 17", "1..16", "use 16")
    assert str(error) == "storm.toml: pcpus: found 17; expected 1..16\n  hint: use 16"


def test_parts_that_are_not_known_leave_no_trace_in_the_message():
    assert str(UsageError("", 'unknown scenario "sturm"')) == 'unknown scenario "sturm"'
    assert str(UsageError("--window", "is empty")) == "--window: is empty"


def test_a_guest_fault_reads_as_the_style_guide_shows():
    error = GuestFault("cycle 48213, domain 1, vCPU 0, pc 0x0530", 'illegal instruction 0x00000000 in "xen_ppc.s"')
    assert str(error) == 'cycle 48213, domain 1, vCPU 0, pc 0x0530: illegal instruction 0x00000000 in "xen_ppc.s"'


@pytest.mark.parametrize("kind", [UsageError, ScenarioError, ProfileError, RecordingError, ImageError, SnapshotError])
def test_bad_input_exits_with_2(kind):
    assert issubclass(kind, IrqvisorError)
    assert kind.exit_status == 2


@pytest.mark.parametrize("kind", [GuestFault, TraceError, RunnerError, InvariantError])
def test_a_run_that_ended_before_its_answer_exits_with_4(kind):
    assert issubclass(kind, IrqvisorError)
    assert kind.exit_status == 4


def test_the_tree_in_the_docstring_names_every_error_with_its_exit_status():
    tree = errors.__doc__ or ""
    for kind in IrqvisorError.__subclasses__():
        if kind.__module__ == errors.__name__:
            assert any(f"─ {kind.__name__} " in line and f" {kind.exit_status} " in line for line in tree.splitlines())


def test_several_problems_are_one_error_with_a_line_each():
    error = ScenarioError.together([ScenarioError("a", "one", hint="first"), ScenarioError("b", "two")])
    assert str(error) == "a: one\n  hint: first\nb: two"
    assert [problem.where for problem in error.problems] == ["a", "b"]
    assert isinstance(error, ScenarioError)


def test_a_single_problem_stays_as_it_is():
    only = ProfileError("a", "one")
    assert ProfileError.together([only]) is only
    assert only.problems == (only,)


def test_errors_survive_the_way_between_processes_with_all_their_problems():
    several = ScenarioError.together([ScenarioError("a", "one", "x", "y"), ScenarioError("b", "two")])
    for error in (several, InvariantError("cycle 5", "the books do not balance")):
        copied = pickle.loads(pickle.dumps(error))
        assert type(copied) is type(error)
        assert str(copied) == str(error)


def test_a_misspelt_word_gets_the_nearest_known_one_and_then_all_of_them():
    known = ["xen-ppc", "rhype", "native"]
    assert did_you_mean("xenppc", known) == 'did you mean "xen-ppc"? Known: native, rhype, xen-ppc'
    assert did_you_mean("xen", known) == 'did you mean "xen-ppc"? Known: native, rhype, xen-ppc'
    assert did_you_mean("zzz", known) == "Known: native, rhype, xen-ppc"
