"""A scenario with some keys changed: ``--set``, and the runs of a sweep."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

from irqvisor.errors import (
    ProfileError,
    ScenarioError,
    did_you_mean,
)
from irqvisor.lab.scenario.messages import join, plain, validated
from irqvisor.lab.scenario.model import Scenario, resolve_profile


def with_overrides(scenario: Scenario, settings: Iterable[str]) -> Scenario:
    """The scenario with some keys changed, as the option ``--set`` writes them.

    Args:
        scenario: it stays as it is.
        settings: ``duration_ms=50``, ``sources.disk.arrival.rate_hz=9000``, ``domains[0].compute=true``,
            ``profile.hcall_rt=900``. Values are TOML; what is no TOML is text.

    Raises:
        ScenarioError: a key that leads nowhere, or a scenario that no longer makes sense.
    """
    pairs: list[tuple[str, Any]] = []
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise ScenarioError("--set", f'"{text}" has no "="', "KEY=VALUE, such as duration_ms=50")
        pairs.append((key.strip(), _value(value.strip())))
    if not pairs:
        return scenario
    options = " ".join(f"--set {key}={plain(value)}" for key, value in pairs)
    return _changed(scenario, pairs, f"{scenario.name} with {options}")


def expand(scenario: Scenario) -> list[tuple[str, Scenario]]:
    """The runs that a scenario asks for, a label each: one per value of its sweep, or itself with an empty label."""
    return expand_at(scenario, scenario.name)


def expand_at(scenario: Scenario, where: str) -> list[tuple[str, Scenario]]:
    """As `expand`, for a scenario that messages call `where`."""
    if scenario.sweep is None:
        return [("", scenario)]
    key, values = scenario.sweep.key, scenario.sweep.values
    alone = scenario.model_copy(update={"sweep": None})
    short = key.rpartition(".")[2]
    return [(f"{short}={plain(value)}", _changed(alone, [(key, value)], f"{where}: sweep")) for value in values]


def _changed(scenario: Scenario, pairs: Sequence[tuple[str, Any]], where: str) -> Scenario:
    data: dict[str, Any] = scenario.model_dump(exclude_unset=True)
    for key in ("domains", "sources", "channels"):
        data[key] = [dict(part) for part in data.get(key, ())]
    for key, value in pairs:
        place = f"{where}: {key}"
        if key.startswith("profile."):
            data["profile_overrides"] = {**data.get("profile_overrides", {}), key.removeprefix("profile."): value}
        else:
            _assign(data, key, value, place)
    changed = validated(data, where)
    try:
        resolve_profile(changed)
    except ProfileError as error:
        problems = [ScenarioError(join(where, p.where), p.found, p.expected, p.hint) for p in error.problems]
        raise ScenarioError.together(problems) from None
    return changed


def _assign(data: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set one key of a scenario's data, where parts of a list go by name or by [number]."""
    table: Any = data
    rest = key
    while True:
        head = re.match(r"([A-Za-z_][A-Za-z0-9_-]*)(?:\[(\d+)\]|\.(?=.)|$)", rest)
        if head is None or not isinstance(table, dict):
            raise ScenarioError(where, f'"{rest}" leads nowhere', "a key such as sources.disk.arrival.rate_hz")
        name, index = head[1], head[2]
        rest = rest[head.end() :]
        if not rest and index is None:
            for other in _TELLS_THE_SAME.get(name, ()):
                table.pop(other, None)
            table[name] = value
            return
        inner = table.setdefault(name, {})
        if isinstance(inner, tuple | list):
            position, rest = _part(name, inner, index, rest, where)
            inner = inner[position]
        table = inner


_TELLS_THE_SAME = {"rate_hz": ("period_us", "mean_us"), "period_us": ("rate_hz",), "mean_us": ("rate_hz",)}


def _part(key: str, parts: Sequence[Any], index: str | None, rest: str, where: str) -> tuple[int, str]:
    """Which part of a list the rest of a key begins with, and what remains. Names may hold dots: the longest wins."""
    known = [part.get("name", "") for part in parts]
    if index is not None:
        if int(index) >= len(parts) or not rest.startswith("."):
            found = f"no {key}[{index}]" if int(index) >= len(parts) else "ends in a table"
            last = f" .. {key}[{len(parts) - 1}].KEY" if len(parts) > 1 else ""
            raise ScenarioError(where, found, f"{key}[0].KEY{last}")
        return int(index), rest[1:]
    matches = [name for name in known if rest.startswith(f"{name}.")]
    if not matches:
        wanted = rest.partition(".")[0]
        hint = did_you_mean(wanted, known, list_as=key.capitalize())
        raise ScenarioError(where, f'no {key.removesuffix("s")} "{wanted}"', hint=hint)
    name = max(matches, key=len)
    return known.index(name), rest[len(name) + 1 :]


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
