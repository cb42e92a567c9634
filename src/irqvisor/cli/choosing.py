"""What several commands ask of a scenario."""

from typing import TYPE_CHECKING

from irqvisor.cli.terminal import say
from irqvisor.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from irqvisor.lab.scenario import Scenario


def one_point(scenario: "Scenario") -> "Scenario":
    """The scenario without its sweep, which only `compare` follows."""
    if scenario.sweep is None:
        return scenario
    say(f"{scenario.name} sweeps {scenario.sweep.key}; this is one run with the value it has. --set chooses another")
    return scenario.model_copy(update={"sweep": None})


def check_cpu(model: str | None) -> None:
    """Refuse a processor model that does not exist.

    Raises:
        UsageError: it does not.
    """
    from irqvisor.lab.build import MODELS

    if model is not None and model not in MODELS:
        raise UsageError("--cpu", f'unknown processor model "{model}"', hint=did_you_mean(model, MODELS))
