"""An injection at every instant: none is left out, forks are true, merging changes nothing."""

import numpy as np
import pytest

from irqvisor.errors import ScenarioError, UsageError
from irqvisor.hv.explore.examine import Skip
from irqvisor.hv.explore.verdict import Verdict
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.explore import finding, question, report, search, site
from irqvisor.lab.explore.question import Injection
from irqvisor.machine import Machine
from irqvisor.spec.designs import NUMBERS
from irqvisor.tables import Table

pytestmark = pytest.mark.compiled

SMALL = ("domains.sleeper.handler_work=0", "sources.disk.arrival.before=1")


def scenario(*settings):
    return scenarios.with_overrides(scenarios.load("wake-up"), [*SMALL, *settings])


def asked(design, *settings, **options):
    return question.ask(scenario(*settings), design, **options)


@pytest.fixture(scope="module", params=list(NUMBERS))
def small(request):
    """A whole exploration of a small window, under each design."""
    return search.explore(asked(request.param))


def addresses(start, count):
    """Where the machine is after 0, 1, 2 ... instructions, one at a time."""
    machine = start.copy()
    for _ in range(count):
        pcpu = machine.views[Table.PCPU][0]
        awake = pcpu.context >= 0 and not pcpu.waiting
        yield int(machine.views[Table.CONTEXT][int(pcpu.context)].nip) if awake else -1
        site.run(machine, 1)


def test_no_instant_between_two_retired_instructions_is_left_out(small):
    results = small.singles[0].results
    start = site.prepare(small.question)
    assert results.address.tolist() == list(addresses(start, len(results)))
    assert results.address[-1] == -1, "the last instant is the one at which everything sleeps"
    assert np.all(np.diff(results.cycle) > 0)


def test_a_walk_is_a_run_on_several_pcpus_too():
    """Rounds end as in the run loop: a reservation does not outlive its pCPU's turn."""
    program = [0x7C602028, 0x38630001, 0x7C60212D, 0x4BFFFFF4]  # lwarx 3,0,4; addi 3,3,1; stwcx. 3,0,4; back
    machine = Machine.bare(memory_bytes=0x4000, pcpus=2)
    machine.memory[0x1000:0x1010] = b"".join(word.to_bytes(4, "big") for word in program)
    for p in range(2):
        machine.cpu[p].pc, machine.cpu[p].gpr[4] = 0x1000, 0x2000
    for quantum, counted in ((1, 0), (8, 24)):
        walked, run = machine.copy(), machine.copy()
        walked.header.quantum = run.header.quantum = quantum
        site.run(walked, 96)
        run.run(instructions=96)
        assert walked.digest() == run.digest()
        assert int.from_bytes(bytes(run.memory[0x2000:0x2004]), "big") == counted


def test_bundled_guests_are_certified(small):
    found = report.Report(small)
    assert found.findings == []
    assert found.is_complete
    assert found.exit_status(require_complete=True) == 0


def test_the_books_of_a_certificate_balance(small):
    counts = report.Report(small).counts
    assert counts["examined"] + counts["merged"] + counts["pruned"] == counts["instants"]
    assert counts["examined"] > 0
    if small.question.design in ("native", "rhype", "xen-ppc"):  # others' hypervisor takes what the guest holds off
        assert counts["merged"] > counts["examined"]


@pytest.mark.parametrize("design", ["native", "rhype", "xen-ppc"])
def test_merging_changes_no_verdict_and_a_fork_is_a_machine_like_any_other(design):
    merged = search.explore(asked(design, window=40)).singles[0].results
    plain = search.explore(asked(design, window=40, merging=False)).singles[0].results
    assert not plain.shares.any()
    assert merged.shares.any()
    assert merged.verdict.tolist() == plain.verdict.tolist()
    for instant in (0, 17, 39):
        machine = search.reproduce(asked(design), (Injection("disk", instant),))
        observed = machine.views[Table.OBSERVED][0]
        assert int(observed.largest[2]) == plain.latency[instant]


def test_a_device_whose_ring_is_full_cannot_raise():
    results = search.explore(asked("rhype", "sources.disk.slots=2", "sources.disk.arrival.before=2", window=8))
    assert set(results.singles[0].results.skipped.tolist()) == {Skip.FULL}
    assert report.Report(results).pruned == {"its ring is full": 8}


def test_a_guest_that_never_ends_its_interrupt_is_found():
    """The window is cut so that it does not reach the misbehaviour's own undoing."""
    found = search.explore(asked("rhype", "domains.sleeper.misbehave=never-eoi", "sources.disk.arrival.before=0"))
    told = report.Report(found)
    assert told.exit_status() == 1
    assert "never_end" in told.findings[0].first.symbol


def test_pairs_are_every_instant_after_every_first_one():
    found = search.explore(asked("rhype", "sources.disk.arrival.before=0", injections=2))
    told = report.Report(found)
    first = found.singles[0].results
    assert len(found.pairs) == int((first.shares == 0).sum())
    assert told.counts["pairs"] == sum(len(sweep.results) for sweep in found.pairs)
    assert told.findings == []


def test_stretches_span_instants_that_cannot_be_and_part_at_another_verdict():
    results = np.zeros(9, [("verdict", "i8"), ("victim", "i8"), ("skipped", "i8")])
    results["verdict"] = [0, 1, 0, 1, 2, 2, 0, 0, 1]
    results["skipped"] = [0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert list(finding.stretches(results)) == [(1, 3), (4, 5), (8, 8)]


def test_every_verdict_has_a_name():
    assert set(finding.JUDGES) == set(Verdict)
    assert len({name for name, _ in finding.JUDGES.values()}) == len(Verdict)


def test_a_judge_of_the_users_sees_every_fork_at_rest():
    seen = []

    def judge(machine):
        seen.append(int(machine.views[Table.SOURCE][0].tail))
        return "two items" if seen[-1] == 2 else None

    found = search.explore(asked("native", window=30, merging=False, judges=[judge]))
    told = report.Report(found)
    assert len(seen) == 30
    assert told.findings[0].judge == "user"
    assert told.findings[0].detail == "two items"


def test_a_latency_bound_is_kept_instant_by_instant():
    plain = search.explore(asked("native", window=30, merging=False)).singles[0].results
    limit = sorted(plain.latency.tolist())[15]
    clock = site.prepare(asked("native")).header.clock_hz
    found = search.explore(asked("native", window=30, max_latency_ns=limit * 1e9 / int(clock)))
    late = found.singles[0].results.verdict & Verdict.LATENCY != 0
    assert late.tolist() == (plain.latency > limit).tolist()


# ------------------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"window": 0}, "the window is empty"),
        ({"sources": ["disc"]}, 'did you mean "disk"'),
        ({"injections": 3}, "1 or 2"),
        ({"bound": 0}, "at least 1"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(options, what):
    with pytest.raises(UsageError) as refused:
        asked("rhype", **options)
    assert what in str(refused.value)


def test_a_scenario_without_a_free_source_is_refused_with_the_line_to_add():
    with pytest.raises(UsageError) as refused:
        question.ask(scenarios.load("periodic"), "rhype")
    assert 'kind = "free"' in str(refused.value)


def test_an_unknown_design_is_refused():
    with pytest.raises(ScenarioError):
        asked("xenppc")


def test_a_window_that_was_cut_off_is_not_complete():
    told = report.Report(search.explore(asked("rhype", window=5)))
    assert told.is_complete, "these five instants were asked for, and examined"
    question.WINDOW, usual = 5, question.WINDOW
    try:
        cut = report.Report(search.explore(asked("rhype")))
    finally:
        question.WINDOW = usual
    assert not cut.is_complete
    assert cut.exit_status() == 0
    assert cut.exit_status(require_complete=True) == 4
