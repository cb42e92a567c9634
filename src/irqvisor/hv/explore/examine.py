"""The inner loop of ``irqvisor explore``: fork, raise, run to quiescence, judge; then one instruction on.

A *base* walks through the run that is being explored, one retired instruction at a time. At each instant it is copied
over a *child*, into which an item is posted, and which then runs until it is quiet and is judged.

An interrupt that is held off makes no difference until somebody looks: the child of the next instant is then, bit for
bit, what this child is after one more instruction. So each child's state is noted when the item has been posted and
again one instruction later, and a child that begins in a state that was seen is not run: it shares the outcome.
"""

from enum import IntEnum

import numpy as np

from irqvisor._jit import entry, jit
from irqvisor.hv.explore.canonical import differences, earliest, find, hash_of, strip
from irqvisor.hv.explore.judge import judge
from irqvisor.hv.explore.quiet import SLICE, Settled, is_outstanding, last_vectored, settle
from irqvisor.hv.explore.reason import Reason
from irqvisor.hv.explore.turns import begin_turn, look, make_level, open_turn, others_than, stepped
from irqvisor.hv.explore.twin import refresh
from irqvisor.hv.explore.verdict import Verdict
from irqvisor.hv.state import domain, vcpu
from irqvisor.hw import devices, timeline
from irqvisor.hw.state import NOBODY, EventKind, Phase, context, header, pcpu, source
from irqvisor.tables import borrow

JOB = np.dtype(
    [
        # Told by Python
        ("source", "i8"),  # what is posted
        ("instants", "i8"),  # examine so many, or up to the end of the run
        ("bound", "i8"),  # instructions a child may take to become quiet
        ("latency", "i8"),  # cycles from the post to the consumption that are too many
        ("merging", "i8"),  # 1: children that begin in a seen state are not run
        ("stage", "i8"),  # Stage: where to go on
        # Told to Python
        ("instant", "i8"),  # the instant under examination, from 0
        ("left", "i8"),  # instructions that the child may still take
        ("words", "i8"),  # of the room for lists, used
        ("states", "i8"),  # in the table
        ("vectored", "i8"),  # the child's last entry into a handler when half of its bound was used up
        ("ran", "i8"),  # instructions of all children together
        ("ask", "i8"),  # told by Python: 1: come back with Reason.JUDGE when a child has been judged
        ("settled", "i8"),  # WALK: why the base stopped, a quiet.Settled
        # Turns
        ("turn", "i8"),  # told by Python: the pCPU whose turn it is
        ("budget", "i8"),  # told by Python: preemptions that the run may still have
        ("run", "i8"),  # told by Python: number of the run, and of its result
        ("pause", "i8"),  # told by Python: 1: come back before each instruction that others may go before
        ("steps", "i8"),  # of the turn so far
        ("since", "i8"),  # the latest note when the turn began
        ("order", "i8"),  # notes so far
        ("fresh", "i8"),  # 1: the state before the next step has not been looked at
        ("others", "i8"),  # pCPUs that could go on instead, a bit each
        ("full", "i8"),  # 1: a state was not noted, for there was no room
        ("begins", "i8"),  # told by Python: 1: the turn begins, and reservations end
        ("context", "i8"),  # INSTANT: whose instruction comes next; NOBODY: the hypervisor acts first
        ("address", "i8"),  # and where it is
    ],
    align=True,
)

RESULT = np.dtype(
    [
        ("verdict", "i8"),  # bits of judge.Verdict
        ("shares", "i8"),  # 0, or 1 + the instant whose outcome this is
        ("skipped", "i8"),  # Skip: nothing was posted, and why
        ("address", "i8"),  # of the instruction that was to come next; -1: everything sleeps
        ("context", "i8"),  # whose
        ("cycle", "i8"),  # of the post
        ("instructions", "i8"),  # that the child took
        ("victim", "i8"),  # LOST: the source
        ("where", "i8"),  # LOST: where its notification is (hv/state.py Where)
        ("rescuer", "i8"),  # DELAYED: hv/state.py Entry
        ("hastened", "i8"),  # DELAYED: 1: only of raises that were there before, by the injection's own interrupt
        ("latency", "i8"),  # the longest from a post to its consumption, in cycles; shared: of the earlier instant
    ],
    align=True,
)


class Stage(IntEnum):
    """What is done next."""

    FORK = 0
    FIRST = 1  # the child's first instruction
    RUN = 2
    STEP = 3  # the base's next instruction
    WALK = 4  # nothing is examined: the base runs on for `left` instructions
    TURN = 5  # one pCPU of the base, step by step (turns.py)
    EXACTLY = 6  # the same for `left` steps, and nobody looks


class Skip(IntEnum):
    """Why a device could not raise."""

    NO = 0
    FULL = 1  # its ring is full
    STOPPED = 2  # its owner has ended


@entry
def begin(m):
    """The window begins: what the sources' own schedule would bring is taken off the timeline."""
    m = borrow(m)
    header(m).phase = Phase.RUN
    timeline.cancel(m, EventKind.START, 0)
    timeline.cancel(m, EventKind.STOP, 0)
    for s in range(header(m).n_source):
        timeline.cancel(m, EventKind.ARRIVE, s)
        source(m, s).active = 0


@jit
def next_pcpu(m):
    """The pCPU that executes the next instruction: the first that has not reached the horizon; NOBODY: all sleep."""
    found = NOBODY
    for p in range(header(m).n_pcpu):
        pc = pcpu(m, p)
        if pc.context != NOBODY and pc.waiting == 0:
            if pc.now < header(m).horizon:
                return p
            if found == NOBODY:
                found = p
    return found


@jit
def locate(m, r):
    """Note where an instant is."""
    p = next_pcpu(m)
    r.address = -1
    r.context = -1
    if p != NOBODY:
        r.context = pcpu(m, p).context
        r.address = context(m, r.context).nip


@jit
def why_not(m, s):
    """Why the device cannot raise now: a Skip."""
    src = source(m, s)
    if domain(m, vcpu(m, src.context).domain).alive == 0:
        return Skip.STOPPED
    return Skip.FULL if src.head - src.tail >= src.slots else Skip.NO


@jit
def judge_settled(child, base, job, r, settled):
    """The child has come to rest, or has used up its bound."""
    found = judge(child, base, job.latency, r)
    if settled == Settled.STORM:
        found |= Verdict.LIVELOCK
    elif settled == Settled.BUDGET:
        if last_vectored(child) > job.vectored:
            found |= Verdict.LIVELOCK
        elif found == 0:
            found |= Verdict.RESTLESS
    r.verdict = found
    r.instructions = job.bound - job.left


@jit
def rests(child, base, job, r, settled, done, interrupted):
    """The child has run on for `done` instructions: whether it is quiet, or has used up its bound; then it is judged.
    `interrupted`: its last entry into a handler before that."""
    half = job.left > job.bound // 2
    job.left -= done
    job.ran += done
    if half and job.left <= job.bound // 2:
        job.vectored = last_vectored(child)
    if settled == Settled.COLD:
        return False
    if settled == Settled.BUDGET and job.left > 0:
        if last_vectored(child) != interrupted or is_outstanding(child):
            return False
        settled = Settled.QUIET
    judge_settled(child, base, job, r, settled)
    return True


@jit
def note(m, state, bare, flat, ram, origin_flat, origin_ram, touched, job, seen, words, instant):
    """Note that a machine's state leads to the outcome of an instant. Returns the instant that was noted for it before,
    or else NOBODY."""
    strip(m, state, bare, flat)
    first = job.words
    end = differences(m, flat, ram, origin_flat, origin_ram, touched, words, first)
    if end <= first or 2 * job.states >= len(seen):
        return NOBODY
    low, high = hash_of(words, first, end)
    e = seen[find(seen, words, first, end, low, high)]
    if e.count != 0:
        return e.instant
    e.low = low
    e.high = high
    e.first = first
    e.count = end - first
    e.instant = instant
    job.words = end
    job.states += 1
    return NOBODY


@jit
def share(results, instant):
    """An instant has the outcome of an earlier one, in whose run the item only waited longer."""
    r = results[instant]
    first = results[r.shares - 1]
    r.verdict = first.verdict
    r.victim = first.victim
    r.where = first.where
    r.rescuer = first.rescuer
    r.hastened = first.hastened
    r.latency = first.latency


@entry
def is_restful(m):
    """Whether nothing is outstanding."""
    m = borrow(m)
    return not is_outstanding(m)


@entry
def strip_alone(m, bare):
    """Make the state buffer of `bare` the state of `m` without the clock."""
    state = m.state.view(np.int64)
    flat = bare.state.view(np.int64)
    strip(borrow(m), state, borrow(bare), flat)


@entry
def post(m, s):
    """An item arrives now. Returns a Skip."""
    m = borrow(m)
    why = why_not(m, s)
    if why == Skip.NO:
        devices.post(m, s, earliest(m))
    return why


@entry
def awake(m):
    """The pCPUs that could go on, a bit each."""
    m = borrow(m)
    return others_than(m, NOBODY)


@entry
def examine(base, child, bare, origin_flat, origin_ram, jobs, results, seen, words, touched):
    """Examine instants until `jobs[0]` is done or Python is needed. Returns a Reason; call again with the same
    arguments after a CHILD or a BASE. The one entry that reaches the run loop: each is a compilation of the machine.

    Args:
        base: the run that is explored, at its next instant.
        child: another machine of the same shape.
        bare: a third, for its state buffer only.
        origin_flat: the state at the origin without the clock, as doublewords.
        origin_ram: RAM there, as doublewords.
        jobs: one record JOB.
        results: one record RESULT an instant.
        seen: the table of states, a power of two of records SEEN.
        words: room for their lists, of doublewords.
        touched: one byte a page of RAM: `base` has written it since the origin.
    """
    state = base.state.view(np.int64)
    ram = base.ram.view(np.int64)
    twin_state = child.state.view(np.int64)
    twin_ram = child.ram.view(np.int64)
    flat = bare.state.view(np.int64)
    base = borrow(base)
    child = borrow(child)
    bare = borrow(bare)
    job = jobs[0]
    while True:
        if job.stage == Stage.FORK:
            r = results[job.instant]
            locate(base, r)
            r.cycle = earliest(base)
            r.skipped = why_not(base, job.source)
            refresh(base, child, state, ram, twin_state, twin_ram, touched)
            job.stage = Stage.STEP
            if r.skipped == Skip.NO:
                devices.post(child, job.source, r.cycle)
                job.left = job.bound
                job.vectored = 0
                job.stage = Stage.FIRST
                if job.merging != 0:
                    now = job.instant
                    r.shares = 1 + note(
                        child, twin_state, bare, flat, twin_ram, origin_flat, origin_ram, touched, job, seen, words, now
                    )
        if job.stage == Stage.STEP and job.instant + 1 >= job.instants:
            return Reason.DONE
        if job.stage == Stage.TURN:
            reason = look(
                base, state, ram, child, bare, flat, origin_flat, origin_ram, touched, job, results, seen, words
            )
            if reason != Reason.STEP:
                return reason
        elif job.stage == Stage.EXACTLY:
            make_level(base, earliest(base))
            begin_turn(base, job)
            if job.left <= 0:
                return Reason.DONE
        only = NOBODY
        if job.stage == Stage.TURN or job.stage == Stage.EXACTLY:
            only = job.turn
            open_turn(base)
        quota = 1
        if job.stage == Stage.WALK:
            quota = job.left
        elif job.stage == Stage.RUN:
            quota = min(job.left, SLICE)
        interrupted = last_vectored(child)
        # The only call: LLVM puts the whole machine into each
        settled, done = settle(base if job.stage >= Stage.STEP else child, quota, only)
        if only != NOBODY:
            stepped(base, job, done)
            if settled == Settled.COLD:
                return Reason.BASE
            continue
        if job.stage == Stage.WALK:
            job.settled = settled
            job.left -= done
            return Reason.BASE if settled == Settled.COLD else Reason.DONE
        if job.stage == Stage.STEP:
            job.instant += done
            if done != 0:
                job.stage = Stage.FORK
            if settled == Settled.COLD:
                return Reason.BASE
            if settled != Settled.BUDGET:
                return Reason.END
            continue
        r = results[job.instant]
        if job.stage == Stage.FIRST:
            job.left -= done
            job.ran += done
            job.stage = Stage.RUN if r.shares == 0 else Stage.STEP
            if settled == Settled.BUDGET and job.merging != 0:
                whose = job.instant if r.shares == 0 else r.shares - 1
                note(child, twin_state, bare, flat, twin_ram, origin_flat, origin_ram, touched, job, seen, words, whose)
            if r.shares != 0:
                share(results, job.instant)
            elif settled == Settled.COLD:
                return Reason.CHILD
        elif rests(child, base, job, r, settled, done, interrupted):
            job.stage = Stage.STEP
            if job.ask != 0:
                return Reason.JUDGE
        elif settled == Settled.COLD:
            return Reason.CHILD
