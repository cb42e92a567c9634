"""Whoever does the work, and however often it is interrupted: the same findings, the same certificate."""

import json
import os
import signal

import numpy as np
import pytest

from irqvisor.errors import UsageError
from irqvisor.hv.explore.verdict import Verdict
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.explore import pairs, question, report, search, site, text, work, zoo
from irqvisor.lab.explore.progress import Progress
from irqvisor.lab.explore.question import Injection

pytestmark = pytest.mark.compiled


def asked(injections=2):
    entry = zoo.entries()["cede-race"]
    return search.Question(**{**vars(zoo.asked(entry, zoo.BUGGY)), "injections": injections})


def told(exploration):
    """All that a reader gets, but the time it took."""
    found = report.Report(exploration).to_dict()
    return {key: value for key, value in found.items() if key not in ("wall_s", "rate")}


@pytest.fixture(scope="module")
def alone():
    return search.explore(asked(), workers=1)


def same(a, b):
    assert len(a.sweeps) == len(b.sweeps)
    for one, other in zip(a.sweeps, b.sweeps, strict=True):
        assert (one.before, one.source, one.ended) == (other.before, other.source, other.ended)
        assert np.array_equal(one.results, other.results)
    assert told(a) == told(b)


def test_many_threads_find_what_one_finds(alone, monkeypatch):
    monkeypatch.setattr(site, "PIECE", 7)
    pieces = search.explore(asked(), workers=1)
    assert len(pieces.singles[0].results) == len(alone.singles[0].results)
    same(pieces, search.explore(asked(), workers=4))


def test_a_pair_that_a_single_injection_explains_is_not_told_but_counted(alone):
    found = report.Report(alone)
    assert found.counts["pairs"] > 0
    assert all(len(finding.injections) == 1 for finding in found.findings)
    bad = sum(len(pairs.wrong_instants(sweep.results)) for sweep in alone.pairs)
    assert bad > 0
    assert set(found.explained) == {pairs.FIRST_ALONE, pairs.SAME_SITE}
    assert sum(found.explained.values()) == bad
    assert f"{found.explained[pairs.SAME_SITE]} pairs not told" in "\n".join(text.certificate(found))


def test_only_a_pair_with_the_cause_of_a_single_injection_is_left_out(alone):
    """The same judge elsewhere, or another judge there, is a finding of its own; so is a stretch that goes on."""
    single = alone.singles[0]
    (bad, *_) = pairs.wrong_instants(single.results)
    good = int(np.flatnonzero(single.results.verdict == 0)[0])
    known = pairs.Known.of([single])
    results = np.repeat(single.results[bad : bad + 1], 3).view(np.recarray)
    after_a_good_one = search.Sweep((Injection("disk", good),), "disk", results, "quiet")
    assert known.explains(after_a_good_one, 0, 2) == pairs.SAME_SITE
    results.address[2] += 4096
    assert known.explains(after_a_good_one, 0, 2) == ""
    assert known.explains(after_a_good_one, 0, 1) == pairs.SAME_SITE
    results.verdict[1] = Verdict.FAULT
    assert known.explains(after_a_good_one, 0, 1) == ""
    after_a_bad_one = search.Sweep((Injection("disk", bad),), "disk", results, "quiet")
    assert known.explains(after_a_bad_one, 0, 2) == pairs.FIRST_ALONE
    other = search.Sweep((Injection("net", bad),), "disk", results, "quiet")
    assert known.explains(other, 0, 2) == "", "another source's first injection"


def test_progress_tells_what_was_examined_how_fast_and_how_long_it_will_take(alone):
    said = []
    search.explore(asked(), said.append, workers=1)
    assert [told.fresh for told in said] == list(range(1, len(said) + 1))
    assert said[-1].share == 1.0
    assert said[-1].examined == report.Report(alone).counts["examined"]
    assert said[-1].seconds_left == 0.0
    half = Progress(done=60, total=120, fresh=50, examined=1_000_000, seconds=62.5)
    assert half.note() == "16,000 instants/s, 1:15 left"
    assert Progress(done=10, total=120, fresh=0, examined=0, seconds=0.0).note() == "0 instants/s"


class Enough(Exception):  # noqa: N818  it is no error
    pass


def test_what_was_done_before_an_interruption_is_not_done_again(alone, tmp_path):
    journal = tmp_path / "explore.journal"

    def interrupt(told):
        if told.done == 5:
            raise Enough

    with pytest.raises(Enough):
        search.explore(asked(), interrupt, workers=1, journal=journal)
    assert len(journal.read_text().splitlines()) == 6
    with journal.open("a") as file:
        file.write('{"task": ["disk"')  # as a process that was killed while it wrote
    again = []
    same(search.explore(asked(), lambda told: again.append(told.done), workers=2, journal=journal), alone)
    assert again[0] == 6
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_journal_of_something_else_is_refused(tmp_path):
    journal = tmp_path / "explore.journal"
    for content in ("", "{}\n", json.dumps({"irqvisor": "explore", "question": "0"}) + "\n"):
        journal.write_text(content)
        with pytest.raises(UsageError) as refused:
            search.explore(asked(1), journal=journal)
        assert "is of another exploration" in str(refused.value)


# ----------------------------------------------------------------------------------------------------------- elsewhere
@pytest.fixture(scope="module")
def cluster():
    """Two processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
        yield made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_finds_what_one_process_finds(alone, cluster):
    same(search.explore(asked(), scheduler=cluster.scheduler_address), alone)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_loses_nothing(cluster):
    """It dies in the middle of a task, with results that nobody has fetched yet; others do them again."""
    many = question.ask(scenarios.load("wake-up"), "xen-x86", injections=2, window=100)
    killed = []

    def kill(told):
        if told.done == 5:
            killed.append(told.total)
            os.kill(cluster.workers[0].pid, signal.SIGKILL)

    found = search.explore(many, kill, scheduler=cluster.scheduler_address)
    assert killed == [1 + 100], "with nearly everything still to do"
    same(found, search.explore(many))


def test_a_worker_of_another_version_is_refused():
    with pytest.raises(UsageError) as refused:
        work.elsewhere(b"", work.Task("disk", 0), "another")
    assert "install the same version there" in str(refused.value)


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_does_not_answer_is_a_usage_error(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(work, "CONNECT_S", 1)
    with pytest.raises(UsageError) as refused:
        search.explore(asked(1), scheduler="tcp://127.0.0.1:9")
    assert "nobody answers" in str(refused.value)


# ------------------------------------------------------------------------------------------------------------ at random
def test_random_schedules_depend_on_their_seed_alone():
    seven = search.Question(**{**vars(asked(3)), "random": 40, "seed": 7})
    one, other = search.explore(seven, workers=1), search.explore(seven, workers=3)
    same(one, other)
    schedules = {work.schedule_of(seven, 22, number) for number in range(40)}
    assert len(schedules) > 30
    assert {len(schedule) for schedule in schedules} == {3}
    another = search.Question(**{**vars(seven), "seed": 8})
    assert work.schedule_of(another, 22, 0) != work.schedule_of(seven, 22, 0)


def test_random_schedules_find_and_never_certify():
    found = report.Report(search.explore(search.Question(**{**vars(asked(1)), "random": 60})))
    assert "lost" in {finding.judge for finding in found.findings}
    assert found.findings[0].first.instant == found.findings[0].injections[-1].instant
    assert not found.is_complete
    good = zoo.asked(zoo.entries()["cede-race"], zoo.FIXED)
    none = report.Report(search.explore(search.Question(**{**vars(good), "random": 20})))
    assert none.exit_status() == 0
    assert none.exit_status(require_complete=True) == 4
