"""irqvisor: a laboratory for how a hypervisor gets an interrupt from the hardware into the right guest.

The names below are the public interface; each is imported when it is first used, so that starting is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irqvisor.errors import IrqvisorError
    from irqvisor.hw.state import Phase, Stop
    from irqvisor.lab.boot import boot
    from irqvisor.lab.compare import Comparison, compare
    from irqvisor.lab.scenario import Scenario
    from irqvisor.machine import Machine
    from irqvisor.pytest_plugin import explore

__all__ = ["Comparison", "IrqvisorError", "Machine", "Phase", "Scenario", "Stop", "boot", "compare", "explore"]

_HOMES = {
    "Comparison": "irqvisor.lab.compare",
    "IrqvisorError": "irqvisor.errors",
    "Machine": "irqvisor.machine",
    "Phase": "irqvisor.hw.state",
    "Scenario": "irqvisor.lab.scenario",
    "Stop": "irqvisor.hw.state",
    "boot": "irqvisor.lab.boot",
    "compare": "irqvisor.lab.compare",
    "explore": "irqvisor.pytest_plugin",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'irqvisor' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
