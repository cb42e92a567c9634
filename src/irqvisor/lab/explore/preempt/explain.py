"""Why a schedule goes wrong: its turns, the instructions of the window, and the accesses of two pCPUs that conflict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from irqvisor.lab.explore import explain as single
from irqvisor.lab.explore import listing
from irqvisor.lab.explore.listing import Step
from irqvisor.lab.explore.preempt import search, start
from irqvisor.lab.explore.preempt.bench import Bench, Schedule, Turn
from irqvisor.lab.explore.preempt.question import Question
from irqvisor.lab.explore.question import Question as Injections
from irqvisor.machine import Machine


class Done(NamedTuple):
    """A step of a schedule: of which turn, by which pCPU, and what it was about to do."""

    turn: int
    pcpu: int
    step: Step

    @property
    def place(self) -> tuple[int, int] | None:
        """(domain, doubleword) that it accesses."""
        return None if self.step.access is None else (self.step.domain, self.step.access[1] & ~7)

    @property
    def stores(self) -> bool:
        """Whether it is a store."""
        return self.step.access is not None and self.step.access[0] == "store"


def explain(question: Question, schedule: Schedule, by: int | None, count: int) -> list[str]:
    """Lines about a fatal window of `count` instants, the first of which is at the end of a schedule."""
    machine, turns, _ = search.reproduce(question, schedule, by)
    if by is None:
        return [f"turns: {told(turns)}", "it goes wrong without any preemption"]
    done = followed(question, turns)
    preempted = len(schedule) - 1
    return [
        f"turns: {told(turns)}",
        *_window(question, machine, schedule, count),
        *_conflict(machine, done, preempted),
        *_neighbour(done, preempted),
        _end(question, machine, done, schedule, by),
    ]


def told(turns: Schedule) -> str:
    """A schedule as a phrase."""
    return ", ".join(f"pCPU {turn.pcpu} for {turn.steps}" for turn in turns if turn.steps)


@np.errstate(over="ignore")
def followed(question: Question, turns: Schedule) -> list[Done]:
    """The steps of a schedule, one by one."""
    machine = start.prepare(question)
    bench = Bench(question, machine)
    done: list[Done] = []
    for number, turn in enumerate(turns):
        for step in range(turn.steps):
            done.append(Done(number, turn.pcpu, listing.step_of(machine, turn.pcpu, len(done))))
            bench.exactly(machine, Turn(turn.pcpu, 1), begins=step == 0)
    return done


def _window(question: Question, machine: Machine, schedule: Schedule, count: int) -> Iterator[str]:
    """The instructions of the preempted pCPU: those of the window, and one on either side."""
    last = schedule[-1]
    walk = followed(question, (*schedule[:-1], Turn(last.pcpu, last.steps + count + 1)))
    chosen = [done.step for done in walk if done.turn == len(schedule) - 1][max(last.steps - 1, 0) :]
    first = sum(turn.steps for turn in schedule)
    lines = listing.source_lines(image_of(question))
    yield f"instructions: another pCPU that goes just before one marked ! does harm to pCPU {last.pcpu}"
    for position, step in enumerate(chosen):
        if single.SHOWN < position < len(chosen) - single.SHOWN:
            if position == single.SHOWN + 1:
                yield f"      ... {len(chosen) - 2 * single.SHOWN - 1} more"
            continue
        mark = "!" if first <= step.instant < first + count else " "
        yield f"  {mark}   {instruction(machine, step)}" + source_of(lines, step)


def image_of(question: Question) -> Path:
    """What runs."""
    if question.image is not None:
        return Path(question.image)
    assert question.scenario is not None
    return single.image_of(Injections(question.scenario, question.design))


def instruction(machine: Machine, step: Step) -> str:
    """An instruction with its place."""
    if step.address is None:
        return "asleep"
    name = machine.symbol(step.domain, step.address)
    return f"{step.address:#06x} {name:<28} {listing.disassembled(step.word, step.address)}"


def source_of(lines: dict[int, str], step: Step) -> str:
    """Its source line, if it has one."""
    text = listing.source_line(lines, step.address) if step.address is not None else ""
    return f"    {text}" if text else ""


def _conflict(machine: Machine, done: list[Done], preempted: int) -> Iterator[str]:
    """Accesses to one place: by the pCPU before it was preempted, by another one in between, and by the first again."""
    before = [d for d in reversed(done) if d.turn <= preempted and d.pcpu == done_by(done, preempted) and d.place]
    between = [d for d in done if d.turn == preempted + 1 and d.place]
    after = [d for d in done if d.turn > preempted + 1 and d.pcpu == done_by(done, preempted) and d.place]
    for one in before:
        other = next((d for d in between if d.place == one.place and (d.stores or one.stores)), None)
        if other is None:
            continue
        yield f"conflict: {access(machine, one)},"
        again = next((d for d in after if d.place == one.place), None)
        yield f"  then {access(machine, other)}" + ("," if again else "")
        if again:
            yield f"  then {access(machine, again)}"
        return
    for other in between:
        again = next((d for d in after if d.place == other.place and (d.stores or other.stores)), None)
        if again is not None:
            yield f"conflict: {access(machine, other)},"
            yield f"  then {access(machine, again)}"
            return


def done_by(done: list[Done], turn: int) -> int:
    """The pCPU of a turn."""
    return next((d.pcpu for d in done if d.turn == turn), -1)


def access(machine: Machine, done: Done) -> str:
    """An access as a phrase: who, what, where."""
    assert done.step.access is not None
    assert done.step.address is not None
    kind, address, _ = done.step.access
    where = machine.symbol(done.step.domain, done.step.address) or f"{done.step.address:#x}"
    what = single.name_of(machine, done.step.domain, address)
    return f"pCPU {done.pcpu}'s {kind} of {what} in {where}, step {done.step.instant}"


def _end(question: Question, machine: Machine, done: list[Done], schedule: Schedule, by: int) -> str:
    """When it became inevitable: from which step on no further preemption mends it."""
    mends = [sum(turn.steps for turn in each) for each in search.mending(question, schedule, by)]
    last = max(mends, default=None)
    if last is None:
        return "inevitable from the preemption on: no further one mends it"
    before = next(d for d in done if d.step.instant == last)
    where = machine.symbol(before.step.domain, before.step.address or 0) or "its hypervisor"
    return f"inevitable from step {last + 1} on: a preemption before pCPU {before.pcpu}'s {where} mends it, none after"


def _neighbour(done: list[Done], preempted: int) -> Iterator[str]:
    """The good run next to it differs in one instruction."""
    mine = [d.step for d in done if d.turn == preempted]
    if mine and mine[-1].address is not None:
        text = listing.disassembled(mine[-1].word, mine[-1].address)
        yield f"an instruction earlier all is well: `{text}` at {mine[-1].address:#x} comes after the other pCPU then"
