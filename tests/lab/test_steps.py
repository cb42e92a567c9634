"""Processors that execute verbs: each verb takes its charge, and what runs side by side is not added up."""

import pytest

from irqvisor.errors import ScenarioError
from irqvisor.lab import profile as profiles
from irqvisor.lab.validate import steps

# Whole nanoseconds, so that sums are read off
PROFILE = profiles.load("power9-2021").with_overrides(
    {
        "clock_ghz": "2",
        "timebase_hz": "500000000",
        "exc_entry": "1ns",
        "exc_return": "2ns",
        "hcall_rt": "4ns",
        "world_switch_rt": "100ns",
        "pic_mmio_read": "8ns",
        "pic_mmio_write": "16ns",
        "pic_trap_emul": "132ns",
        "pic_trap_user": "500ns",
        "eoi_direct": "32ns",
        "phys_ipi": "1000ns",
        "inject": "64ns",
        "switch_penalty": "128ns",
        "host_wakeup": "256ns",
    }
)

TAKES = {
    "exit": 50,
    "enter": 50,
    "call": 4,
    "trap": 132,
    "emulate": 32,
    "emulate-in-user": 400,
    "interrupt": 1,
    "return": 2,
    "acknowledge": 8,
    "complete": 16,
    "complete-directly": 32,
    "inject": 64,
    "wake": 256,
    "misses": 128,
    "work 10 ns": 10,
    "work 10 cycles": 5,
    "work 10 instructions": 10,
    "path 7": 7,
    "unknown": 77,
}


@pytest.mark.parametrize("step", TAKES)
def test_a_verb_takes_what_the_profile_says(step):
    marks = steps.run("x", {"cpu": [step, "mark end"]}, PROFILE, unknown_ns=77)
    assert marks == {"cpu.end": pytest.approx(TAKES[step])}


def test_every_verb_has_a_price_that_is_tested():
    assert set(steps.VERBS) | {"work", "path", "unknown"} == {step.split()[0] for step in TAKES}


def test_the_sender_goes_on_while_the_signal_flies_and_the_receiver_works():
    programs = {
        "sender": ["exit", "emulate", "signal receiver", "enter", "mark back"],
        "receiver": ["await", "mark woken", "exit", "mark left"],
    }
    assert steps.run("x", programs, PROFILE) == {
        "sender.back": 132,
        "receiver.woken": 1082,
        "receiver.left": 1132,
    }


def test_a_signal_that_comes_while_the_receiver_is_busy_waits_for_it():
    programs = {"a": ["tell b"], "b": ["work 300 ns", "await", "mark got"]}
    assert steps.run("x", programs, PROFILE) == {"b.got": 300}


def test_signals_are_taken_one_at_a_time_in_order():
    programs = {"a": ["tell b", "work 50 ns", "tell b"], "b": ["await", "mark one", "await", "mark two"]}
    assert steps.run("x", programs, PROFILE) == {"b.one": 0, "b.two": 50}


def test_an_answer_may_be_awaited():
    programs = {"a": ["tell b", "await", "mark back"], "b": ["await", "work 20 ns", "tell a"]}
    assert steps.run("x", programs, PROFILE) == {"a.back": 20}


def test_whoever_waits_for_nothing_is_named():
    with pytest.raises(ScenarioError) as caught:
        steps.run("mine", {"a": ["exit", "await"], "b": ["mark x"]}, PROFILE)
    assert str(caught.value) == "mine.a[1]: waits for a signal that never comes; expected a signal to it"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("exti", 'x.cpu[0]: unknown verb "exti"\n  hint: did you mean "exit"?'),
        ("exit 5", 'x.cpu[0]: "exit 5"; expected exit alone'),
        ("signal cup", 'x.cpu[0]: no processor "cup"\n  hint: did you mean "cpu"?'),
        ("mark", 'x.cpu[0]: "mark"; expected mark NAME'),
        ("work 5", 'x.cpu[0]: "work 5"; expected work N cycles, ns or instructions'),
        ("path x", 'x.cpu[0]: "path x"; expected path N, instructions of the hypervisor'),
    ],
)
def test_a_wrong_step_is_explained(step, message):
    (problem,) = steps.check("x", {"cpu": [step]})
    assert str(problem).startswith(message)


def test_right_steps_are_no_problem():
    assert steps.check("x", {"cpu": [*TAKES, "await", "mark a-b"], "b": ["signal cpu", "tell cpu"]}) == []
