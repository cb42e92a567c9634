"""Schedules for Hypothesis shrink to what matters."""

import pytest
from hypothesis import HealthCheck, Phase, find, settings

from irqvisor.lab.explore import zoo
from irqvisor.lab.explore.question import Injection
from irqvisor.lab.explore.strategy import Schedules

pytestmark = pytest.mark.compiled


@pytest.mark.slow
def test_a_schedule_shrinks_to_the_first_fatal_instant():
    schedules = Schedules(zoo.asked(zoo.entries()["cede-race"], zoo.BUGGY))
    smallest = find(
        schedules.strategy(),
        schedules.judge,
        settings=settings(
            deadline=None, derandomize=True, database=None, max_examples=500, phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    assert len(smallest) == 1
    assert isinstance(smallest[0], Injection)
    assert smallest[0].instant > 0


def test_a_good_guest_passes_any_schedule():
    schedules = Schedules(zoo.asked(zoo.entries()["cede-race"], zoo.FIXED))
    for first in range(0, schedules.instants, 3):
        assert schedules.judge((Injection("disk", first), Injection("disk", 5))) == []
