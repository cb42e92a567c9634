"""A finding in a file of a few hundred bytes, and the same finding again from it, exactly, on any machine."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from irqvisor.errors import ReproError
from irqvisor.lab import build
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.explore import explain, finding, question, search
from irqvisor.lab.explore.finding import Finding
from irqvisor.lab.explore.provenance import HASH_DIGITS, code_digest
from irqvisor.lab.explore.question import Injection, Question
from irqvisor.lab.scenario import Scenario

FORMAT = 1


def images_of(asked: Question) -> dict[str, str]:
    """SHA-256, shortened, of the images of an exploration, by path; bundled ones by name."""
    return images_in(asked.scenario, asked.design)


def images_in(scenario: Scenario, design: str) -> dict[str, str]:
    """The same of a scenario under a design."""
    paths = {d.image for d in scenario.domains if d.image}
    found = {path: Path(path) for path in paths}
    if any(d.image is None for d in scenario.domains):
        name = f"{design}.elf"
        found[name] = build.IMAGES / name
    return {name: short(path) for name, path in sorted(found.items())}


def short(path: Path) -> str:
    """The SHA-256 of a file, shortened."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:HASH_DIGITS]
    except OSError as error:
        raise ReproError(str(path), f"cannot be read: {error.strerror}") from None


def describe(asked: Question, found: Finding) -> dict[str, Any]:
    """What a file of a finding says."""
    data = asked.scenario.model_dump(mode="json", exclude_unset=True)
    data.pop("description", None)
    return with_images(_described(asked, found, data), {name: here(name) for name in images_of(asked)})


def here(name: str) -> str:
    """A path as it is told to others: below the working directory if it is there."""
    path = Path(name)
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else name


def with_images(data: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The same file with images that lie elsewhere: old name to new."""
    images = {names.get(name, name): digest for name, digest in data["images"].items()}
    domains = [
        {**d, "image": names.get(d["image"], d["image"])} if d.get("image") else d for d in data["scenario"]["domains"]
    ]
    return {**data, "images": images, "scenario": {**data["scenario"], "domains": domains}}


def _described(asked: Question, found: Finding, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "irqvisor": version("irqvisor"),
        "format": FORMAT,
        "code": code_digest(),
        "design": asked.design,
        "cpu": asked.cpu,
        "bound": asked.bound,
        "scenario": data,
        "images": images_of(asked),
        "injections": [[i.source, i.instant] for i in found.injections],
        "instants": found.count,
        "judge": found.judge,
        "digest": search.reproduce(asked, found.injections).digest()[:HASH_DIGITS],
    }


def encode(data: dict[str, Any]) -> str:
    """A finding's file as a word that fits on a command line."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)).decode()


def decode(word: str) -> dict[str, Any]:
    """The same from the word, or from the name of a file.

    Raises:
        ReproError: it is neither.
    """
    try:
        text = zlib.decompress(base64.urlsafe_b64decode(word)).decode()
    except (ValueError, zlib.error):
        return load(Path(word))
    return parse(text, "--irqvisor-replay")


def save(asked: Question, found: Finding, path: Path) -> None:
    """Write a finding's file."""
    path.write_text(json.dumps(describe(asked, found), separators=(",", ":")) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Replay:
    """A finding again.

    Attributes:
        judge: what it is called.
        same: whether the run ended in exactly the state that it ended in when it was found.
        lines: the explanation.
    """

    judge: str
    same: bool
    lines: list[str]


def load(path: Path) -> dict[str, Any]:
    """Read a finding's file.

    Raises:
        ReproError: not such a file, or one of another version or of other images.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReproError(str(path), f"cannot be read ({getattr(error, 'strerror', None) or 'not text'})") from None
    return parse(text, str(path))


def parse(text: str, where: str) -> dict[str, Any]:
    """The same of text that was read already."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError:
        data = None
    needed = {"irqvisor", "format", "code", "design", "scenario", "images", "injections", "judge", "digest"}
    if not isinstance(data, dict) or not needed <= set(data):
        raise ReproError(where, "not a file that `irqvisor explore --repro` wrote")
    own: tuple[tuple[str, object], ...] = (
        ("irqvisor", version("irqvisor")),
        ("format", FORMAT),
        ("code", code_digest()),
    )
    for key, expected in own:
        if data[key] != expected:
            raise ReproError(
                where,
                f"made by {key} {data[key]}",
                f"{expected}",
                "replay it with the version that made it, or explore again",
            )
    return data


def asked_by(data: dict[str, Any], where: str) -> Question:
    """The exploration that a file's finding comes from.

    Raises:
        ReproError: an image is not the one that was explored.
    """
    scenario = scenarios.from_dict(data["scenario"], where)
    asked = question.ask(scenario, data["design"], cpu=data["cpu"], bound=data["bound"])
    check_images(data, images_of(asked), where)
    return asked


def check_images(data: dict[str, Any], images: Mapping[str, str], where: str) -> None:
    """Complain unless the images are those that a file names.

    Raises:
        ReproError: they are not.
    """
    for name, digest in data["images"].items():
        if images.get(name) != digest:
            raise ReproError(
                where,
                f"{name} is not the image that was explored (SHA-256 {images.get(name, 'none')}...)",
                f"{digest}...",
            )


def replay(data: dict[str, Any], where: str) -> Replay:
    """Run a finding again and explain it."""
    asked = asked_by(data, where)
    injections = tuple(Injection(source, instant) for source, instant in data["injections"])
    machine = search.reproduce(asked, injections)
    same = machine.digest()[:HASH_DIGITS] == data["digest"]
    lines = [
        f"{data['judge']}: {finding.meaning(data['judge'])}",
        *(f"inject {i.source} at instant {i.instant}" for i in injections),
        *explain.explain(asked, injections, int(data["instants"])),
    ]
    return Replay(str(data["judge"]), same, lines)
