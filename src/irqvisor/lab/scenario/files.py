"""Scenarios as files: the bundled ones, TOML, the schema, and a hash of what decides a result."""

from __future__ import annotations

import copy
import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irqvisor.errors import (
    ProfileError,
    ScenarioError,
    did_you_mean,
)
from irqvisor.lab import profile as profiles
from irqvisor.lab import recording as recordings
from irqvisor.lab.scenario.changes import expand_at
from irqvisor.lab.scenario.messages import join, validated
from irqvisor.lab.scenario.model import Scenario, resolve_profile
from irqvisor.lab.scenario.parts import (
    Domain,
)

FOLDER = Path(__file__).parents[2] / "data" / "scenarios"
DEFAULT = "disk-and-net"


def names() -> list[str]:
    """The bundled scenarios."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name_or_path: str | Path) -> Scenario:
    """Read a scenario: a bundled one by name, or a file. Paths within it are relative to it.

    Raises:
        ScenarioError: no such scenario, not TOML, or every problem there is with what it says.
    """
    text = str(name_or_path)
    bundled = names()
    if text in bundled:
        path, where = FOLDER / f"{text}.toml", f"{text}.toml"
    elif isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or Path(text).exists():
        path, where = Path(text), text
    else:
        hint = f"{did_you_mean(text, bundled)}; or give a file, ./NAME.toml"
        raise ScenarioError("", f'unknown scenario "{text}"', hint=hint)
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        hint = f"bundled scenarios: {', '.join(bundled)}"
        raise ScenarioError(where, f"cannot be read: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise ScenarioError(where, "not text in UTF-8", "a scenario in TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(where, f"not TOML: {error}") from None
    return from_dict({"name": path.stem, **data}, where, path.parent)


def from_dict(data: Mapping[str, Any], where: str = "scenario", folder: Path | None = None) -> Scenario:
    """A scenario from parsed TOML, with its files, profile and sweep checked too.

    Args:
        data: what the file says.
        where: how messages call the file.
        folder: where relative paths start; default: the working directory.

    Raises:
        ScenarioError: every problem there is.
    """
    scenario = validated(_located(data, folder or Path()), where)
    problems = [
        ScenarioError(f"{where}: domains[{i}].image", f'no such file "{domain.image}"')
        for i, domain in enumerate(scenario.domains)
        if domain.image is not None and not Path(domain.image).is_file()
    ]
    if scenario.recording is not None and not recordings.resolve(scenario.recording.file).is_file():
        hint = f"bundled recordings: {', '.join(recordings.bundled())}"
        found = f'no such file "{scenario.recording.file}"'
        problems.append(ScenarioError(f"{where}: recording.file", found, hint=hint))
    try:
        resolve_profile(scenario)
    except ProfileError as error:
        problems += [
            ScenarioError(join(f"{where}: profile", p.where), p.found, p.expected, p.hint) for p in error.problems
        ]
    if problems:
        raise ScenarioError.together(problems)
    expand_at(scenario, where)
    return scenario


def _located(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same data with paths that are relative to the scenario's folder made independent of it."""

    def locate(table: Any, key: str) -> None:
        if isinstance(table, dict) and isinstance(table.get(key), str) and (folder / table[key]).is_file():
            table[key] = str(folder / table[key])

    copied = copy.deepcopy(dict(data))
    if copied.get("profile") not in profiles.names():
        locate(copied, "profile")
    recorded = copied.get("recording")
    if isinstance(recorded, dict) and recorded.get("file") not in recordings.bundled():
        locate(recorded, "file")
    domains = copied.get("domains")
    for domain in domains if isinstance(domains, list) else []:
        locate(domain, "image")
    return copied


def schema() -> dict[str, Any]:
    """The JSON schema of a scenario file."""
    return Scenario.model_json_schema()


def fingerprint(scenario: Scenario) -> str:
    """A stable hash of all that decides a result: not the name, and not where files lie, but what is in them."""
    data = scenario.model_dump(mode="json")
    for key in ("name", "description", "profile_overrides", *(() if scenario.options else ("options",))):
        del data[key]
    data["profile"] = resolve_profile(scenario).fingerprint()
    if scenario.recording is not None:
        data["recording"]["file"] = _digest(recordings.resolve(scenario.recording.file))
    for domain in data["domains"]:
        for key in ("abi", "event_channels", "start", "max_port"):
            if domain[key] == Domain.model_fields[key].default:
                del domain[key]
        if domain["image"] is not None:
            domain["image"] = _digest(Path(domain["image"]))
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ScenarioError(str(path), f"cannot be read: {error.strerror}") from None
