"""A finding in a file of a few hundred bytes, and the same finding again from it, exactly, on any machine."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from irqvisor.lab import scenario as scenarios
from irqvisor.lab.explore import finding as kinds
from irqvisor.lab.explore import repro as single
from irqvisor.lab.explore.preempt import explain, question, search
from irqvisor.lab.explore.preempt.bench import Turn
from irqvisor.lab.explore.preempt.finding import Finding
from irqvisor.lab.explore.preempt.question import Question
from irqvisor.lab.explore.provenance import HASH_DIGITS, code_digest
from irqvisor.lab.explore.repro import Replay


def images_of(asked: Question) -> dict[str, str]:
    """SHA-256, shortened, of what runs, by path; bundled images by name."""
    if asked.scenario is not None:
        return single.images_in(asked.scenario, asked.design)
    assert asked.image is not None
    return {asked.image: single.short(Path(asked.image))}


def describe(asked: Question, found: Finding) -> dict[str, Any]:
    """What a file of a finding says."""
    scenario = asked.scenario
    machine, _, _ = search.reproduce(asked, found.schedule, found.by)
    data = {
        "irqvisor": version("irqvisor"),
        "format": single.FORMAT,
        "code": code_digest(),
        "design": asked.design,
        "cpu": asked.cpu,
        "bound": asked.bound,
        "scenario": scenario.model_dump(mode="json", exclude_unset=True) if scenario is not None else {"domains": []},
        "images": images_of(asked),
        "injections": [],
        "pcpus": asked.pcpus,
        "schedule": [list(turn) for turn in found.schedule],
        "by": found.by,
        "instants": found.count,
        "judge": found.judge,
        "digest": machine.digest()[:HASH_DIGITS],
    }
    return single.with_images(data, {name: single.here(name) for name in images_of(asked)})


def save(asked: Question, found: Finding, path: Path) -> None:
    """Write a finding's file."""
    path.write_text(json.dumps(describe(asked, found), separators=(",", ":")) + "\n", encoding="utf-8")


def is_mine(data: dict[str, Any]) -> bool:
    """Whether a file is of a schedule, and not of injections."""
    return "schedule" in data


def asked_by(data: dict[str, Any], where: str) -> Question:
    """The exploration that a file's finding comes from.

    Raises:
        ReproError: an image is not the one that was explored.
    """
    has_scenario = bool(data["scenario"]["domains"])
    target = scenarios.from_dict(data["scenario"], where) if has_scenario else next(iter(data["images"]))
    options = {"pcpus": data["pcpus"], "cpu": data["cpu"], "bound": data["bound"]}
    asked = question.ask(target, data["design"], preemptions=0, **options)
    single.check_images(data, images_of(asked), where)
    return asked


def replay(data: dict[str, Any], where: str) -> Replay:
    """Run a finding again and explain it."""
    asked = asked_by(data, where)
    schedule = tuple(Turn(*turn) for turn in data["schedule"])
    machine, _, _ = search.reproduce(asked, schedule, data["by"])
    lines = [
        f"{data['judge']}: {kinds.meaning(data['judge'])}",
        *explain.explain(asked, schedule, data["by"], int(data["instants"])),
    ]
    return Replay(str(data["judge"]), machine.digest()[:HASH_DIGITS] == data["digest"], lines)
