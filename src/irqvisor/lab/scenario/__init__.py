"""Scenarios: which machine, which domains, which sources, for how long.

A scenario is a TOML file (docs/reference/scenarios.md) read into frozen pydantic models. Everything that can be wrong
with it is found before anything runs, reported together, and named by file and key::

    storm.toml: sources[1].owner: no domain "i0"
      hint: did you mean "io"? Domains: calc, io

Values left out are filled in when the model is made (`Domain.pcpu`, `Domain.ram_base_kib`, `Source.pirq`,
`Source.route`), so readers of a `Scenario` find plain numbers.
"""

from irqvisor.lab.scenario.changes import expand, with_overrides
from irqvisor.lab.scenario.files import DEFAULT, FOLDER, fingerprint, from_dict, load, names, schema
from irqvisor.lab.scenario.model import Scenario, check_design, resolve_profile
from irqvisor.lab.scenario.parts import (
    ARRIVALS,
    DESIGNS,
    MAX_PIRQ,
    Burst,
    Channel,
    Closed,
    Domain,
    Free,
    Manual,
    Periodic,
    Poisson,
    Recorded,
    RecordingUse,
    Scheduler,
    Source,
    Sweep,
)
from irqvisor.lab.scenario.recorded import arrivals, open_recording, recorded_input, use_recording
from irqvisor.lab.scenario.size import (
    INSTRUCTIONS_PER_INTERRUPT,
    expected_instructions,
    expected_interrupts,
    expected_seconds,
    origins,
)

__all__ = [
    "ARRIVALS",
    "DEFAULT",
    "DESIGNS",
    "FOLDER",
    "INSTRUCTIONS_PER_INTERRUPT",
    "MAX_PIRQ",
    "Burst",
    "Channel",
    "Closed",
    "Domain",
    "Free",
    "Manual",
    "Periodic",
    "Poisson",
    "Recorded",
    "RecordingUse",
    "Scenario",
    "Scheduler",
    "Source",
    "Sweep",
    "arrivals",
    "check_design",
    "expand",
    "expected_instructions",
    "expected_interrupts",
    "expected_seconds",
    "fingerprint",
    "from_dict",
    "load",
    "names",
    "open_recording",
    "origins",
    "recorded_input",
    "resolve_profile",
    "schema",
    "use_recording",
    "with_overrides",
]
