"""A finding's file: small, exact, and refused by whoever cannot replay it."""

import json

import pytest

from irqvisor.errors import ReproError
from irqvisor.lab.explore import explain, listing, repro, search, zoo
from irqvisor.lab.explore.report import Report

pytestmark = pytest.mark.compiled


@pytest.fixture(scope="module")
def found():
    asked = zoo.asked(zoo.entries()["cede-race"], zoo.BUGGY)
    return asked, Report(search.explore(asked)).findings[0]


@pytest.fixture
def file(found, tmp_path):
    path = tmp_path / "cede-race.repro"
    repro.save(*found, path)
    return path


def test_a_replay_ends_in_the_same_state(file):
    again = repro.replay(repro.load(file), str(file))
    assert again.same
    assert again.judge == "lost"


def test_the_file_is_a_few_hundred_bytes(file):
    assert file.stat().st_size < 1000


def test_another_state_is_noticed(file):
    data = json.loads(file.read_text())
    data["injections"][0][1] -= 1
    file.write_text(json.dumps(data))
    assert not repro.replay(repro.load(file), str(file)).same


@pytest.mark.parametrize("key", ["irqvisor", "format", "code"])
def test_another_version_is_refused(file, key):
    data = json.loads(file.read_text())
    data[key] = "0.0.0"
    file.write_text(json.dumps(data))
    with pytest.raises(ReproError) as refused:
        repro.load(file)
    assert f"made by {key} 0.0.0" in str(refused.value)
    assert refused.value.exit_status == 2


def test_another_image_is_refused(file):
    data = json.loads(file.read_text())
    data["images"] = dict.fromkeys(data["images"], "0" * 16)
    file.write_text(json.dumps(data))
    with pytest.raises(ReproError) as refused:
        repro.replay(repro.load(file), str(file))
    assert "is not the image that was explored" in str(refused.value)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "not json", '{"irqvisor": "0.1.0"}'])
def test_something_else_is_refused(tmp_path, text):
    path = tmp_path / "x.repro"
    path.write_text(text)
    with pytest.raises(ReproError) as refused:
        repro.load(path)
    assert "not a file that" in str(refused.value)
    with pytest.raises(ReproError):
        repro.load(tmp_path / "absent")


# ---------------------------------------------------------------------------------------------------------- explanation
def test_an_explanation_shows_the_window_the_good_run_and_the_end(found):
    asked, finding = found
    lines = explain.explain(asked, finding.injections, finding.count)
    marked = [line for line in lines if line.startswith("  !")]
    assert len(marked) == finding.count
    assert all("sleep_if_idle" in line for line in marked)
    assert any(line.strip().endswith("sc 1") or "sc" in line.split()[-1:] for line in marked)
    assert any(line.startswith("an instruction earlier all is well") for line in lines)
    assert any(line.startswith("the last event: sleeps") for line in lines)
    assert lines[-2].startswith("not inevitable: even when everything sleeps one more item of disk mends it")


def test_the_conflicting_look_is_named():
    asked = zoo.asked(zoo.entries()["pending-after-ring"], zoo.BUGGY)
    finding = Report(search.explore(asked)).findings[0]
    lines = explain.explain(asked, finding.injections, finding.count)
    (conflict,) = [line for line in lines if line.startswith("conflict: ")]
    assert "the guest's load of the head of disk's ring" in conflict
    assert "in serve_port+" in conflict


def test_instructions_are_shown_without_a_disassembler(monkeypatch):
    assert listing.disassembled(0x38600001, 0) == "li r3, 1"
    monkeypatch.setattr(listing, "_capstone", lambda: None)
    assert listing.disassembled(0x38600001, 0) == ".long 0x38600001"
