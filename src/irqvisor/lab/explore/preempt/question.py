"""What is explored, in words that travel: to worker processes, and in the file of a finding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from irqvisor.bare import MOST_PCPUS
from irqvisor.errors import UsageError
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.explore.question import BOUND
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import BARE

MOST_PREEMPTIONS = 8
RAM_BYTES = 64 * 1024
"""Of a bare machine."""


@dataclass(frozen=True)
class Question:
    """An exploration of switch points, complete.

    Attributes:
        name: for people.
        preemptions: how often a pCPU may be preempted in one schedule.
        design: of the scenario; `BARE`: there is none, and a program runs on a bare machine.
        image: the program.
        pcpus: of the bare machine.
        scenario: with a design.
        cpu: processor model; None: the scenario's, or the 970.
        bound: steps that a run may take.
        merging: whether a run that comes to a seen state shares its outcome.
    """

    name: str
    preemptions: int
    design: str = BARE
    image: str | None = None
    pcpus: int = 2
    scenario: Scenario | None = None
    cpu: str | None = None
    bound: int = BOUND
    merging: bool = True


def ask(
    target: str | Path | Scenario,
    design: str,
    *,
    preemptions: int,
    pcpus: int = 2,
    cpu: str | None = None,
    bound: int = BOUND,
    merging: bool = True,
) -> Question:
    """A question that makes sense; `target` is a scenario, or for the design "bare" the path of an ELF file.

    Raises:
        UsageError: it does not: one pCPU, no preemption, or too many.
        ScenarioError: there is no such design.
    """
    if not 0 <= preemptions <= MOST_PREEMPTIONS:
        raise UsageError("--preempt", f"found {preemptions}", f"0 to {MOST_PREEMPTIONS}")
    if bound < 1:
        raise UsageError("--bound", f"{bound} instructions", "at least 1")
    if isinstance(target, Scenario):
        scenarios.check_design(design)
        name, image, scenario, pcpus = target.name, None, target, target.pcpus
    elif design == BARE:
        name, image, scenario = Path(target).stem, str(target), None
    else:
        raise UsageError("--preempt", f"an image under {design}", f'a scenario, or the design "{BARE}"')
    if not 2 <= pcpus <= MOST_PCPUS:
        raise UsageError("--preempt", f"{name} has {pcpus} pCPU{'s' * (pcpus != 1)}", f"2 to {MOST_PCPUS}")
    return Question(name, preemptions, design, image, pcpus, scenario, cpu, bound, merging)
