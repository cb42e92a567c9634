"""Files of event-channel vectors: sequences of steps, and what Xen made of each (docs/reference/conformance.md).

A file holds one sequence a line, as JSON, gzipped or not.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from irqvisor.errors import VectorsError

KINDS = ("hypercall", "guest", "hv")
NEEDED = {"group": str, "name": str, "domains": list, "steps": list}
DOMAIN_KEYS = ("id", "vcpus", "max_port", "privileged", "hardware", "nr_pirqs", "pirqs_permitted", "pirqs_mapped")

Sequence = dict[str, Any]
State = dict[str, Any]


def bundled() -> list[Path]:
    """The files that come with irqvisor."""
    folder = Path(str(resources.files("irqvisor"))) / "data" / "vectors"
    return sorted(folder.glob("*.jsonl.gz"))


def load(path: Path) -> Iterator[Sequence]:
    """The sequences of a file, checked.

    Raises:
        VectorsError: it cannot be read, or a line is not a sequence.
    """
    count = 0
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        count += 1
        where = f"{path}:{number}"
        try:
            sequence = json.loads(line)
        except ValueError as error:
            raise VectorsError(where, f"no JSON ({error})", "one sequence a line") from None
        yield _checked(sequence, where)
    if count == 0:
        raise VectorsError(str(path), "no sequences", "one a line, as JSON")


def _lines(path: Path) -> list[bytes]:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise VectorsError(str(path), reason, "a file of event-channel vectors") from None


def _checked(sequence: Any, where: str) -> Sequence:
    if not isinstance(sequence, dict):
        raise VectorsError(where, f"a {type(sequence).__name__}", "an object")
    for key, kind in NEEDED.items():
        if not isinstance(sequence.get(key), kind):
            raise VectorsError(where, f"no {key}, or not a {kind.__name__}", f"keys {', '.join(NEEDED)}")
    for domain in sequence["domains"]:
        missing = [key for key in DOMAIN_KEYS if not isinstance(domain, dict) or key not in domain]
        if missing:
            raise VectorsError(where, f"a domain without {', '.join(missing)}")
    ids = {domain["id"] for domain in sequence["domains"]}
    for k, step in enumerate(sequence["steps"]):
        here = f"{where}, step {k}"
        if not isinstance(step, dict) or step.get("kind") not in KINDS or not isinstance(step.get("op"), str):
            raise VectorsError(here, "no kind or op", f"a kind of {', '.join(KINDS)}")
        if "dom" in step and step["dom"] not in ids:
            raise VectorsError(here, f"domain {step['dom']}", "one of the sequence's domains")
        if step["kind"] == "hypercall" and not {"rc", "dom", "vcpu"} <= step.keys():
            raise VectorsError(here, "a hypercall without rc, dom or vcpu")
    return dict(sequence)


def initial(domain: dict[str, Any]) -> State:
    """The state of a domain before the first step."""
    return {
        "valid": 64,
        "ports": {},
        "abi": "2l",
        "pending": [],
        "masked": [],
        "vcpus": [{"up": 0, "um": 0, "sel": []} for _ in range(domain["vcpus"])],
    }


def expected(sequence: Sequence) -> Iterator[tuple[dict[str, Any], dict[int, State] | None]]:
    """Each step, and the state of every domain after it; None where it was not recorded."""
    world = {domain["id"]: initial(domain) for domain in sequence["domains"]}
    for step in sequence["steps"]:
        if step["op"] == "reap":
            world.pop(step["dom"], None)
        if "state" not in step:
            yield step, None
            continue
        world = {**world, **{int(d): state for d, state in step["state"].items()}}
        yield step, world


def runs(numbers: list[int]) -> list[Any]:
    """Ascending numbers as the vectors write them: runs of three or more as [first, last]."""
    found: list[list[int]] = []
    for n in numbers:
        if found and n == found[-1][1] + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return [item for a, b in found for item in ([[a, b]] if b - a > 1 else range(a, b + 1))]
