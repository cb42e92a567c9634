"""Switch points of several pCPUs: none is left out, merging changes nothing, whoever does the work."""

import json

import pytest

from hw import asm
from irqvisor import cli
from irqvisor.errors import GuestFault, ReproError, UsageError
from irqvisor.hw.state import Stop
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.explore import zoo
from irqvisor.lab.explore.preempt import bench, explain, question, report, repro, search, start, text
from irqvisor.lab.explore.zoo import BUGGY, FIXED
from irqvisor.spec import xen
from irqvisor.tables import Table

A_LOOK = 18
"""Number of the instruction of `politeness` that looks at the other side's flag."""


def politeness(*, ready=True):
    """Both sides say that they come, then wait while the other one comes: the first half of Dekker's algorithm."""
    begin = [
        asm.li(9, 0x1000),  # r9: two flags, then two marks that a side has finished
        asm.add(4, 3, 3),
        asm.add(4, 4, 4),
        asm.add(4, 4, 4),  # r4: 8 times our number
        asm.add(10, 9, 4),  # r10: our flag
        asm.li(5, 8),
        asm.li(12, 0),
        asm.subf_(5, 4, 5),
        asm.add(11, 9, 5),  # r11: the other one's
        asm.li(6, 1),
        asm.lis(8, 0x7808),
        asm.add(8, 8, 8),  # r8: the board
        asm.subf_(7, 12, 3),
        asm.bc(4, 2, 12),
        asm.NOP,
        asm.std(6, 0, 8) if ready else asm.NOP,
        asm.NOP,
        asm.std(6, 0, 10),
    ]
    assert len(begin) == A_LOOK
    return [
        *begin,
        asm.ld(7, 0, 11),
        asm.subf_(7, 12, 7),
        asm.bc(4, 2, -8),
        asm.std(12, 0, 10),
        asm.std(6, 16, 10),
        asm.ld(7, 16, 11),
        asm.subf_(7, 12, 7),
        asm.bc(12, 2, -8),
        asm.std(12, 8, 8),
        asm.b(0),
    ]


def counting(*, locked):
    """Every pCPU adds 1 to a number of memory; who comes last looks whether all have been counted."""
    lock = [asm.lwarx(7, 0, 9), asm.subf_(7, 12, 7), asm.bc(4, 2, -8), asm.stwcx(6, 0, 9), asm.bc(4, 2, -16)]
    return [
        asm.li(9, 0x1000),  # r9: the lock, the number, how many have finished
        asm.li(12, 0),
        asm.li(6, 1),
        asm.addi(10, 9, 8),
        asm.lis(8, 0x7808),
        asm.add(8, 8, 8),  # r8: the board
        asm.subf_(7, 12, 3),
        asm.bc(4, 2, 8),
        asm.std(6, 0, 8),
        *(lock if locked else []),
        asm.lwz(4, 4, 9),
        asm.addi(4, 4, 1),
        asm.stw(4, 4, 9),
        asm.stw(12, 0, 9),
        asm.lwarx(5, 0, 10),
        asm.addi(5, 5, 1),
        asm.stwcx(5, 0, 10),
        asm.bc(4, 2, -12),
        asm.lwz(5, 8, 9),
        asm.addi(5, 5, -3),
        asm.subf_(7, 12, 5),
        asm.bc(4, 2, -12),
        asm.lwz(4, 4, 9),
        asm.addi(4, 4, -3),
        asm.std(4, 8, 8),
        asm.b(0),
    ]


def written(path, words):
    """An image of some instructions."""
    path.write_bytes(b"".join(word.to_bytes(4, "big") for word in words))
    return path


@pytest.fixture
def program(tmp_path):
    return written(tmp_path / "politeness.bin", politeness())


def asked(target, preemptions=1, **options):
    return question.ask(target, "bare", preemptions=preemptions, **options)


def image(name, version=BUGGY):
    return zoo.FOLDER / f"{name}.{version}.elf"


def told(exploration):
    """All that a reader gets, but the time it took."""
    found = report.Report(exploration).to_dict()
    return {key: value for key, value in found.items() if key not in ("wall_s", "rate")}


# ----------------------------------------------------------------------------------------------------- what is examined
def bad_by_brute_force(asking):
    """Every step of the runs without preemption at which another pCPU that goes first does harm: each by itself, from
    the beginning, with a table of its own; and how many steps there are."""
    beginning = start.prepare(asking)
    bad, steps = set(), 0
    for run in search.roots(asking, beginning).runs:
        for number, turn in enumerate(run.schedule):
            for step in range(turn.steps):
                before = search.prefix(run.schedule, number, step)
                machine = replayed(asking, before)
                for by in bench.after(turn.pcpu, bench.awake(machine) & ~(1 << turn.pcpu)):
                    steps += 1
                    if search.reproduce(asking, before, by)[2]:
                        bad.add((before, by))
    return bad, steps


def replayed(asking, schedule):
    """The machine after a schedule."""
    beginning = start.prepare(asking)
    place = bench.Bench(asking, beginning)
    machine = place.put(0, beginning)
    for turn in schedule:
        place.exactly(machine, turn)
    return machine


def bad_by_exploration(exploration):
    """The same, as an exploration has it."""
    found = set()
    for stretch in search.joined([s for r in exploration.results for s in r.stretches if s.preemptions == 1]):
        *before, last = stretch.schedule
        for more in range(stretch.last - stretch.first + 1):
            found.add(((*before, bench.Turn(last.pcpu, last.steps + more)), stretch.by))
    return found


@pytest.mark.slow
def test_no_switch_point_between_two_instructions_is_left_out(program):
    asking = asked(program)
    exploration = search.explore(asking, workers=1)
    bad, steps = bad_by_brute_force(asking)
    assert report.Report(exploration).counts["preemptions"] == steps
    assert bad_by_exploration(exploration) == bad
    assert bad


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("name", ["posted-block-race", "xive-escalation-twice"])
def test_a_race_of_the_zoo_is_where_brute_force_finds_it(name):
    asking = asked(image(name))
    exploration = search.explore(asking)
    bad, steps = bad_by_brute_force(asking)
    assert report.Report(exploration).counts["preemptions"] == steps
    assert bad_by_exploration(exploration) == bad
    assert bad


@pytest.mark.slow
def test_two_that_wait_for_each_other_are_found_with_one_preemption_and_not_with_none(program):
    alone = report.Report(search.explore(asked(program, 0)))
    assert (alone.findings, alone.is_complete, alone.exit_status()) == ([], True, 0)
    found = report.Report(search.explore(asked(program, 1)))
    assert [finding.judge for finding in found.findings] == ["livelock", "livelock"]
    assert {finding.by for finding in found.findings} == {0, 1}
    for finding in found.findings:
        assert (finding.count, finding.first.address) == (1, 4 * A_LOOK)
        assert finding.preemptions == 1
    assert found.exit_status() == 1


@pytest.mark.compiled
@pytest.mark.slow
def test_three_pcpus_begin_and_go_on_in_every_order(tmp_path):
    """Those that wait for a lock give way round, each to each: nobody is left out, and nobody waits for ever."""
    good = search.explore(asked(written(tmp_path / "locked.bin", counting(locked=True)), 2, pcpus=3))
    assert report.Report(good).findings == []
    assert report.Report(good).is_complete
    orders = {tuple(turn.pcpu for turn in run.schedule)[:2] for run in good.roots.runs}
    assert {(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)} == orders
    bad = report.Report(search.explore(asked(written(tmp_path / "plain.bin", counting(locked=False)), 1, pcpus=3)))
    assert {finding.judge for finding in bad.findings} == {"assertion"}
    assert {(finding.schedule[-1].pcpu, finding.by) for finding in bad.findings} == {
        (p, q) for p in range(3) for q in range(3) if p != q
    }
    for finding in bad.findings:  # between the load and the store
        assert (finding.count, finding.first.address, finding.last.address) == (2, 0x28, 0x2C)


@pytest.mark.compiled
@pytest.mark.slow
def test_merging_changes_no_verdict():
    merged, plain = (search.explore(asked(image("posted-block-race"), merging=on)) for on in (True, False))
    assert bad_by_exploration(merged) == bad_by_exploration(plain)
    assert report.Report(plain).counts["merged"] == 0
    assert report.Report(merged).counts["merged"] > report.Report(merged).counts["examined"]


def points(monkeypatch, asking):
    """Where a pCPU is preempted: the preemptions so far, whose turn it is, and where all of them are."""
    found = set()
    usual = bench.Bench.preempt

    def note(self, depth, machine, run, others):
        found.add((run.preemptions + 1, run.schedule[-1].pcpu, tuple(cpu.pc for cpu in machine.cpu)))
        usual(self, depth, machine, run, others)

    monkeypatch.setattr(bench.Bench, "preempt", note)
    search.explore(asking, workers=1)
    monkeypatch.undo()
    return found


@pytest.mark.compiled
@pytest.mark.slow
def test_merging_hides_no_second_preemption(monkeypatch):
    """A state that another run has passed with fewer preemptions left is none that was examined."""
    plain = points(monkeypatch, asked(image("posted-block-race"), 2, merging=False))
    merged = points(monkeypatch, asked(image("posted-block-race"), 3))
    assert {point for point in merged if point[0] == 2} == plain
    assert {preemptions for preemptions, _, _ in merged} == {2, 3}


@pytest.mark.compiled
@pytest.mark.slow
def test_more_preemptions_find_what_fewer_find_and_certify_more():
    one, two = (report.Report(search.explore(asked(image("xive-cede-race"), n))) for n in (1, 2))
    assert one.findings == two.findings
    fixed = report.Report(search.explore(asked(image("xive-cede-race", FIXED), 2)))
    assert fixed.findings == []
    assert fixed.is_complete
    assert "exhaustive: every schedule with at most 2 preemptions" in "\n".join(text.certificate(fixed))
    assert "sequentially consistent" in fixed.certificate()["memory_model"]


def test_a_pcpu_gives_way_round_from_the_one_after_it():
    assert list(bench.after(1, 0b1101)) == [2, 3, 0]
    assert list(bench.after(-1, 0b11)) == [0, 1]


def test_runs_that_lead_to_one_another_end_nowhere():
    assert bench.end_of(0, [2, 3, 0]) == 2
    assert bench.end_of(0, [2, 1]) is None


# ---------------------------------------------------------------------------------------------- who does the work
@pytest.mark.compiled
@pytest.mark.slow
def test_whoever_does_the_work_and_however_it_is_cut(monkeypatch, tmp_path):
    asking = asked(image("fifo-old-tail"))
    alone = search.explore(asking, workers=1)
    assert told(search.explore(asking, workers=4)) == told(alone)
    monkeypatch.setattr(search, "PIECE", 7)
    pieces = search.explore(asking, workers=3)
    assert report.Report(pieces).findings == report.Report(alone).findings
    assert told(search.explore(asking, workers=1)) == told(pieces)


class Enough(Exception):  # noqa: N818  it is no error
    pass


@pytest.mark.compiled
@pytest.mark.slow
def test_what_was_done_before_an_interruption_is_not_done_again(tmp_path):
    asking = asked(image("fifo-old-tail"))
    journal = tmp_path / "explore.journal"

    def interrupt(progress):
        if progress.done == 2:
            raise Enough

    with pytest.raises(Enough):
        search.explore(asking, interrupt, workers=1, journal=journal)
    assert len(journal.read_text().splitlines()) == 3
    again = []
    resumed = search.explore(asking, lambda progress: again.append(progress.done), workers=2, journal=journal)
    assert again[0] == 3
    assert told(resumed) == told(search.explore(asking, workers=1))
    with pytest.raises(UsageError, match="is of another exploration"):
        search.explore(asked(image("fifo-old-tail"), 2), journal=journal)


@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_finds_what_one_process_finds():
    distributed = pytest.importorskip("distributed")
    asking = asked(image("posted-block-race"))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        found = search.explore(asking, scheduler=cluster.scheduler_address)
    assert told(found) == told(search.explore(asking))


# ---------------------------------------------------------------------------------------------- on the command line
@pytest.fixture
def command(capsys):
    """Call the command line: (status, stdout, stderr)."""

    def call(*arguments):
        status = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.mark.compiled
@pytest.mark.slow
def test_the_command_line_says_what_it_found_and_replays_it(command, tmp_path):
    bare = ("--design", "bare", "--preempt", 1)
    path = tmp_path / "race.repro"
    status, out, err = command("explore", image("posted-block-race"), *bare, "--repro", path)
    assert status == 1
    assert "pCPU 0 preempts pCPU 1; it takes 1 preemption" in out
    assert "irqvisor replay" in err
    status, out, _ = command("replay", path)
    assert status == 1
    assert out.startswith("assertion: the guest reported failure")
    status, out, _ = command("explore", image("posted-block-race", FIXED), *bare, "--require-complete", "--json")
    certificate = json.loads(out)["certificate"]
    assert (status, certificate["complete"], certificate["preemptions"]) == (0, True, 1)


@pytest.mark.compiled
def test_the_command_line_refuses_injections_beside_preemptions(command):
    status, _, err = command("explore", image("fifo-ready"), "--design", "bare", "--preempt", 1, "--injections", 2)
    assert status == 2
    assert "together with an option of injections" in err


# -------------------------------------------------------------------------------------------------------------- guests
HAND_OVER = ('sources.disk.arrival={kind="free",before=1}', "domains.guest.compute=false")


@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.parametrize("design", ["xen-ppc", "xen-x86", "xen-ia64", "hybrid", "direct"])
def test_two_guests_that_talk_are_certified(design):
    """A device's item goes from one domain to the other and back, each on a pCPU of its own."""
    scenario = scenarios.with_overrides(scenarios.load("split-driver"), HAND_OVER)
    told = report.Report(search.explore(question.ask(scenario, design, preemptions=1)))
    assert told.findings == []
    assert told.is_complete
    assert told.counts["instants"] > 100
    assert told.counts["merged"] > told.counts["examined"]
    assert "atomic" in told.certificate()["memory_model"]


@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.parametrize("design", ["rhype", "xen-ppc", "xen-x86"])
def test_two_vcpus_of_a_guest_are_certified(design):
    """The item goes from one vCPU to the other and back."""
    scenario = scenarios.from_dict(
        {
            "name": "two-vcpus",
            "pcpus": 2,
            "duration_ms": 1,
            "domains": [{"name": "smp", "vcpus": 2}],
            "sources": [{"name": "disk", "owner": "smp", "arrival": {"kind": "free", "before": 1}}],
            "channels": [
                {"name": "there", "producer": "smp", "consumer": "smp", "vcpu": 1, "after": ["disk"]},
                {"name": "back", "producer": "smp", "consumer": "smp", "vcpu": 0, "after": ["there"]},
            ],
        },
        "two-vcpus",
    )
    told = report.Report(search.explore(question.ask(scenario, design, preemptions=1)))
    assert told.findings == []
    assert told.is_complete
    assert told.counts["instants"] > 100


def test_a_scenario_with_one_pcpu_is_refused():
    with pytest.raises(UsageError, match="wake-up has 1 pCPU; expected 2 to 8"):
        question.ask(scenarios.load("wake-up"), "xen-ppc", preemptions=1)


@pytest.mark.compiled
@pytest.mark.slow
def test_what_a_guest_is_told_about_its_run_states_is_a_clock():
    scenario = scenarios.with_overrides(scenarios.load("split-driver"), HAND_OVER)
    machine = start.prepare(question.ask(scenario, "xen-ppc", preemptions=1))
    cpu = machine.cpu[0]
    machine.views[Table.REQUEST][0].reason = Stop.HCALL
    cpu.gpr[3], cpu.gpr[4] = xen.MARK | xen.HC_VCPU_OP, xen.VCPUOP_GET_RUNSTATE_INFO
    assert bench.asks_time(machine)
    cpu.gpr[4] = xen.VCPUOP_IS_UP
    assert not bench.asks_time(machine)


# ---------------------------------------------------------------------------------------------- what a finding is told
@pytest.mark.compiled
@pytest.mark.slow
def test_a_finding_is_explained_and_replayed(tmp_path):
    asking = asked(image("posted-block-race"))
    found = report.Report(search.explore(asking)).findings[0]
    lines = explain.explain(asking, found.schedule, found.by, found.count)
    shown = [line for line in lines if line.startswith("  !")]
    assert "block+" in shown[0]
    assert "control" in next(line for line in lines if line.startswith("conflict: pCPU 1's load of"))
    assert "then pCPU 0's store of control" in "\n".join(lines)
    assert lines[-1] == "inevitable from step 36 on: a preemption before pCPU 0's post+0x4c mends it, none after"
    mends = search.mending(asking, found.schedule, found.by)
    assert max(sum(turn.steps for turn in each) for each in mends) == 35
    path = tmp_path / "race.repro"
    repro.save(asking, found, path)
    assert path.stat().st_size < 600
    data = json.loads(path.read_text())
    assert repro.is_mine(data)
    assert repro.replay(data, str(path)).same
    data["schedule"][-1][1] -= 1
    assert not repro.replay(data, str(path)).same
    data["images"] = dict.fromkeys(data["images"], "0" * 16)
    with pytest.raises(ReproError, match="is not the image that was explored"):
        repro.replay(data, str(path))


# ---------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"preemptions": -1}, "0 to 8"),
        ({"preemptions": 9}, "0 to 8"),
        ({"pcpus": 1}, "has 1 pCPU; expected 2 to 8"),
        ({"pcpus": 9}, "expected 2 to 8"),
        ({"bound": 0}, "at least 1"),
        ({"design": "rhype"}, 'the design "bare"'),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(options, what):
    with pytest.raises(UsageError, match=what):
        question.ask("x.elf", options.pop("design", "bare"), **{"preemptions": 1, **options})


@pytest.mark.slow
def test_a_program_that_never_becomes_ready_is_told(tmp_path, monkeypatch):
    path = written(tmp_path / "late.bin", politeness(ready=False))
    monkeypatch.setattr(start, "BOOT_INSTRUCTIONS", 100)
    with pytest.raises(GuestFault, match="never became ready"):
        search.explore(asked(path))


@pytest.mark.slow
def test_a_run_without_end_is_a_gap(tmp_path):
    """One side counts for ever: no state comes twice."""
    words = politeness()[: A_LOOK - 1]
    path = written(tmp_path / "endless.bin", [*words, asm.addi(6, 6, 1), asm.b(-4)])
    found = report.Report(search.explore(asked(path, 0, bound=200)))
    assert [finding.judge for finding in found.findings] == ["never-quiet"]
    assert not found.is_complete
    assert found.exit_status() == 4


def test_two_pcpus_of_a_bare_machine_begin_at_the_ready_mark(program):
    machine = start.prepare(asked(program))
    assert [int(cpu.gpr[3]) for cpu in machine.cpu] == [0, 1]
    assert [cpu.pc for cpu in machine.cpu] == [4 * (A_LOOK - 2), 0]
    assert len(set(machine.views[Table.PCPU].now.tolist())) == 1
