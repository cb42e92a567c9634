"""One pCPU at a time, and another at a chosen instruction: the compiled part of ``irqvisor explore --preempt``.

A *turn* is what one pCPU executes until another goes on in its place; meanwhile the others stand still, as a processor
does whose hypervisor, firmware or memory keeps it waiting. A turn goes in steps: one instruction, or, where the
hypervisor has to act first, its action. Between two steps all clocks are the same, and what is due happens.

A turn ends by itself when its pCPU waits: it sleeps, it has ended, or it goes round: it comes to a state that it was in
since its turn began, and until somebody else does something it will do nothing else. A *run* is turn after turn to
the end: until everything sleeps, or a guest has failed. States that any run was in are noted; one that comes to such a
state shares the outcome of that run (`canonical.py`), unless it may still be preempted more often.
"""

from irqvisor._jit import jit
from irqvisor.hv.explore.canonical import FAR, differences, find, hash_of, strip
from irqvisor.hv.explore.judge import ends, judge
from irqvisor.hv.explore.quiet import all_asleep, is_asleep
from irqvisor.hv.explore.reason import Reason
from irqvisor.hv.explore.verdict import Verdict
from irqvisor.hv.loop import events_due
from irqvisor.hv.state import domain, vcpu
from irqvisor.hw import timeline
from irqvisor.hw.state import NEVER, NOBODY, Stop, context, header, pcpu, request

WHOSE_TURN = -(1 << 62)
"""In the list of a state: the place of the pCPU whose turn it is; no doubleword has it."""


@jit
def make_level(m, now):
    """All clocks show the same, and what is due happens."""
    for p in range(header(m).n_pcpu):
        now = max(now, pcpu(m, p).now)
    for p in range(header(m).n_pcpu):
        pcpu(m, p).now = now
    header(m).horizon = now
    events_due(m)


@jit
def begin_turn(m, job):
    """Another pCPU goes on, and may store what any context has reserved."""
    if job.begins == 0:
        return
    job.begins = 0
    for c in range(header(m).n_context):
        cpu = context(m, c)
        cpu.resv = 0
        cpu.resv_addr = 0
        cpu.resv_ram = 0


@jit
def comes_next(m, job):
    """Note the instruction that the pCPU is about to execute."""
    job.context = pcpu(m, job.turn).context
    job.address = context(m, job.context).nip if job.context >= 0 else 0


@jit
def open_turn(m):
    """Let the pCPU whose turn it is go on as far as it likes; the caller stops it after a step."""
    header(m).horizon += FAR


@jit
def others_than(m, p):
    """The pCPUs that could go on in place of one, a bit each."""
    found = 0
    for q in range(header(m).n_pcpu):
        if q != p and not is_asleep(m, q):
            found |= 1 << q
    return found


@jit
def has_failed(m):
    """Whether a domain has ended as it should not, or all have ended."""
    alive = 0
    for d in range(header(m).n_domain):
        alive |= domain(m, d).alive
    return alive == 0 or ends(m) != 0


@jit
def is_on_its_way(m):
    """Whether everything sleeps, but an interrupt is under way from one pCPU to another."""
    for p in range(header(m).n_pcpu):
        if not is_asleep(m, p):
            return False
    return not all_asleep(m) and timeline.due(m) < NEVER


@jit
def forget_run_states(m):
    """How long vCPUs were running, runnable, blocked and offline: as much of a clock as the time base."""
    for v in range(header(m).n_context):
        w = vcpu(m, v)
        w.since = 0
        for state in range(len(w.spent)):
            w.spent[state] = 0


@jit
def came_before(m, state, bare, flat, ram, origin_flat, origin_ram, touched, job, seen, words):
    """Note a state with whose turn it is. Returns the run that was there before with no fewer preemptions left, and
    when it was noted; or else NOBODY."""
    strip(m, state, bare, flat)
    forget_run_states(bare)
    first = job.words
    if first + 2 >= len(words) or 2 * job.states >= len(seen):
        job.full = 1
        return NOBODY, 0
    words[first] = WHOSE_TURN
    words[first + 1] = job.turn
    end = differences(m, flat, ram, origin_flat, origin_ram, touched, words, first + 2)
    if end == 0:
        job.full = 1
        return NOBODY, 0
    low, high = hash_of(words, first, end)
    e = seen[find(seen, words, first, end, low, high)]
    if e.count != 0 and e.budget >= job.budget:
        return e.instant, e.order
    if e.count == 0:
        e.low = low
        e.high = high
        e.first = first
        e.count = end - first
        job.words = end
        job.states += 1
    job.order += 1
    e.budget = job.budget
    e.instant = job.run
    e.order = job.order
    return NOBODY, 0


@jit
def finish(m, start, job, r, besides):
    """The run has ended."""
    r.verdict = judge(m, start, NEVER, r) | besides
    return Reason.JUDGED


@jit
def look(m, state, ram, start, bare, flat, origin_flat, origin_ram, touched, job, results, seen, words):
    """Before a step: whether there is one. Returns a Reason to come back to Python, or Reason.STEP."""
    make_level(m, pcpu(m, job.turn).now)
    begin_turn(m, job)
    if job.fresh == 0:
        return Reason.STEP
    job.fresh = 0
    while is_on_its_way(m) and job.left > 0:
        job.left -= 1
        make_level(m, timeline.due(m))
    r = results[job.run]
    job.others = others_than(m, job.turn)
    if has_failed(m):
        return finish(m, start, job, r, 0)
    if is_asleep(m, job.turn):
        return Reason.WAITS if job.others != 0 else finish(m, start, job, r, 0)
    if job.merging != 0:
        run, order = came_before(m, state, bare, flat, ram, origin_flat, origin_ram, touched, job, seen, words)
        if run == job.run:
            going_round = order > job.since and job.others != 0
            return Reason.WAITS if going_round else finish(m, start, job, r, Verdict.LIVELOCK)
        if run != NOBODY:
            r.shares = 1 + run
            return Reason.SEEN
    if job.left <= 0:
        return finish(m, start, job, r, Verdict.RESTLESS)
    comes_next(m, job)
    return Reason.INSTANT if job.pause != 0 and job.others != 0 else Reason.STEP


@jit
def stepped(m, job, done):
    """After a step."""
    if request(m).reason == Stop.CODE and done == 0:
        return  # nothing was done yet: there was no room for what has to be decoded
    job.fresh = 1
    job.steps += 1
    job.left -= 1
    job.ran += done
