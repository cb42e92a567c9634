"""Xen's own recorded behaviour, step by step, through the code that guests use; and what the command says of it."""

import gzip
import json

import pytest

from irqvisor import cli
from irqvisor.errors import VectorsError
from irqvisor.lab.conformance import replay, steps, text, vectors
from irqvisor.lab.conformance.rig import Rig
from irqvisor.tables import Table

FILES = {path.name.removesuffix(".jsonl.gz"): path for path in vectors.bundled()}
QUICK = "directed-sched"


def first_of(name, count):
    """The first sequences of a bundled file."""
    found = vectors.load(FILES[name])
    return [next(found) for _ in range(count)]


def written(path, sequences):
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(sequence) + "\n" for sequence in sequences)
    return path


def test_seven_files_come_with_the_package():
    assert list(FILES) == [
        "directed-2l",
        "directed-fifo",
        "directed-sched",
        "limits",
        "random-2l",
        "random-fifo",
        "random-sched",
    ]


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("name", FILES)
def test_every_recorded_step_is_as_xen_did_it(name):
    report = replay.replay([FILES[name]])
    assert report.exit_status == 0, "\n".join(text.lines(report))
    assert report.operations == report.passed


@pytest.mark.parametrize("name", FILES)
def test_the_first_recorded_sequence_is_as_xen_did_it(name):
    report = replay.Report()
    sequence = first_of(name, 1)[0]
    sequence["steps"] = sequence["steps"][:120]
    replay.play(sequence, name, report)
    assert report.first is None, report.first


# ------------------------------------------------------------------------------------------------------- divergences
@pytest.fixture
def wrong(tmp_path):
    """A file whose second sequence says something else than happens, in its step 3."""
    good, bad = first_of("directed-2l", 2)
    good["steps"], bad["steps"] = good["steps"][:5], bad["steps"][:6]
    bad["steps"][3]["rc"] = "-EBUSY"
    return written(tmp_path / "wrong.jsonl.gz", [good, bad]), bad


def test_a_divergence_ends_its_sequence_and_is_told_in_full(wrong):
    path, bad = wrong
    report = replay.replay([path])
    first = report.first
    assert (report.exit_status, report.diverging, first.index) == (1, 1, 3)
    assert first.sequence == f"{bad['group']}/{bad['name']}"
    assert first.differs["rc"][0] == "-EBUSY"
    assert [step["op"] for step in first.before] == [step["op"] for step in bad["steps"][:3]]
    assert sum(report.operations.values()) == 9
    assert sum(report.passed.values()) == 8
    shown = "\n".join(text.lines(report))
    assert 'expected "-EBUSY"' in shown
    assert ">     3  " in shown


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("ports", lambda state: state["ports"].update({"9": ["ipi", 0]})),
        ("pending", lambda state: state["pending"].append(77)),
        ("masked", lambda state: state["masked"].append(77)),
        ("valid", lambda state: state.update(valid=128)),
        ("vcpus", lambda state: state["vcpus"][1].update(um=1)),
        ("abi", lambda state: state.update(abi="fifo")),
    ],
)
def test_every_field_of_a_state_is_compared(what, spoil):
    sequence = first_of("directed-2l", 1)[0]
    step = sequence["steps"][0]
    sequence["steps"] = [step]
    spoil(step["state"]["1"])
    report = replay.Report()
    replay.play(sequence, "file", report)
    assert list(report.first.differs) == [f"domain 1, {what}"]


def test_a_change_of_another_domain_is_noticed():
    sequence = first_of("directed-2l", 1)[0]
    rig = Rig(sequence["domains"])
    world = {d["id"]: vectors.initial(d) for d in sequence["domains"]}
    known = {}
    assert replay.compare_states(rig, world, known) == {}
    rig.machine.ram[int(rig.domain(2).shared) + 2048 + 7] = 2
    assert list(replay.compare_states(rig, world, known)) == ["domain 2, masked"]


def test_a_wrong_notification_is_noticed():
    assert replay.compare({"rc": 0, "notify": [["kick", 1, 0]]}, {"rc": 0}) == {"notify": ([["kick", 1, 0]], None)}
    assert replay.compare({}, {"rc": 0}) == {}  # where nothing is returned, nothing was recorded


def test_replaying_leaves_no_guest_frame_behind():
    """Arguments are where the vectors have no memory."""
    sequence = first_of("directed-fifo", 1)[0]
    rig = Rig(sequence["domains"])
    steps.perform(rig, {"kind": "hypercall", "op": "bind_ipi", "dom": 1, "vcpu": 0, "args": {"vcpu": 0}})
    d = rig.machine.views[Table.DOMAIN][1]
    assert not rig.machine.ram[int(d.ram) : int(d.ram) + 48 * 4096].any()


# --------------------------------------------------------------------------------------------------------- bad files
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no sequences"),
        (b"not json\n", ":1: no JSON"),
        (b"[]\n", "a list; expected an object"),
        (b"{}\n", "no group"),
        (b'{"group": "a", "name": "b", "domains": [{}], "steps": []}\n', "a domain without id"),
        (b'{"group": "a", "name": "b", "domains": [], "steps": [{}]}\n', "step 0: no kind or op"),
        (b"\x1f\x8b\x08\x00garbage", "file of event-channel vectors"),
        (b"\xff\xfe\n", ":1: no JSON"),
    ],
)
def test_a_bad_file_is_said_to_be_bad(tmp_path, capsys, content, says):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    assert cli.main(["conformance", "event-channels", str(path)]) == 2
    shown = capsys.readouterr().err
    assert str(path) in shown
    assert says in shown


def test_a_step_that_nobody_knows_is_a_bad_file(tmp_path):
    sequence = first_of("directed-2l", 1)[0]
    for step in ({"kind": "guest", "op": "dance", "dom": 1, "vcpu": 0}, {"kind": "hv", "op": "pirq", "dom": 1}):
        sequence["steps"] = [step]
        with pytest.raises(VectorsError, match="step 0"):
            replay.replay([written(tmp_path / "x.jsonl.gz", [sequence])])


def test_the_command(tmp_path, capsys, wrong):
    sequences = first_of(QUICK, 1)
    sequences[0]["steps"] = sequences[0]["steps"][:10]
    good = str(written(tmp_path / "good.jsonl.gz", sequences))
    assert cli.main(["conformance", "event-channels", good]) == 0
    assert "1 sequences, 10 steps in 1 files: all as recorded" in capsys.readouterr().out
    assert cli.main(["conformance", "event-channels", good, str(wrong[0]), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["sequences"], found["steps"], found["diverging_sequences"]) == (3, 19, 1)
    assert found["first_divergence"]["differs"]["rc"]["expected"] == "-EBUSY"
    assert cli.main(["conformance", "event-chanels", good]) == 2
    assert 'did you mean "event-channels"?' in capsys.readouterr().err
    assert cli.main(["conformance", "event-channels", str(tmp_path / "absent.gz")]) == 2
