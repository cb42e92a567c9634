"""What is wrong with a scenario, in the words of its file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from irqvisor.errors import (
    ScenarioError,
    did_you_mean,
)
from irqvisor.lab.scenario.model import Scenario
from irqvisor.lab.scenario.parts import (
    ARRIVALS,
    CUSTOM,
    Channel,
    Domain,
    Model,
    RecordingUse,
    Scheduler,
    Source,
    Sweep,
)


def validated(data: Mapping[str, Any], where: str) -> Scenario:
    """The scenario that parsed TOML describes; every problem with it, in its own words, if it describes none."""
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError.together(_explain(error, where)) from None


_PARTS: dict[tuple[type[Model], str], type[Model]] = {
    (Scenario, "domains"): Domain,
    (Scenario, "sources"): Source,
    (Scenario, "channels"): Channel,
    (Scenario, "scheduler"): Scheduler,
    (Scenario, "recording"): RecordingUse,
    (Scenario, "sweep"): Sweep,
}

_UNITS = (
    "ns",
    "us",
    "ms",
    "s",
    "sec",
    "hz",
    "khz",
    "mhz",
    "kib",
    "mib",
    "gib",
    "kb",
    "mb",
    "bytes",
    "cycles",
    "percent",
)

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "at least one character",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_pattern_mismatch": "printable characters, none of them a space at the ends",
}

_EXPECTED_LIMIT = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_long": "at most {max_length} characters",
    "too_long": "at most {max_length}",
    "too_short": "at least {min_length}",
}


def _explain(error: ValidationError, where: str) -> list[ScenarioError]:
    """Pydantic's errors as ours: the path as TOML has it, what was found, what was expected, and a hint."""
    problems: list[ScenarioError] = []
    misspelt: set[str] = set()
    for one in error.errors(include_url=False):
        model, path = _place(one["loc"])
        kind, context, found = one["type"], one.get("ctx", {}), one["input"]
        if kind == "too_short" and len(found) >= context["min_length"]:
            continue  # pydantic does not count items that are wrong themselves
        if kind == CUSTOM:
            for sub_path, text, expected, hint in context["problems"]:
                problems.append(ScenarioError(_at(where, path, sub_path), text, expected, hint))
            continue
        place = _at(where, path)
        if kind == "extra_forbidden":
            key = str(one["loc"][-1])
            text, hint, meant = _unknown_key(key, model)
            misspelt.add(_at(where, path.removesuffix(key) + meant))
            problems.append(ScenarioError(place, text, hint=hint))
        elif kind == "missing":
            key = str(one["loc"][-1])
            described = model.model_fields[key].description if model is not None and key in model.model_fields else ""
            problems.append(ScenarioError(place, "missing", described or "a value"))
        elif kind in ("union_tag_not_found", "union_tag_invalid"):
            given = found.get("kind") if isinstance(found, Mapping) else None
            if isinstance(found, Mapping) and given is None:
                problems.append(ScenarioError(_at(where, path, "kind"), "missing", f"one of: {', '.join(ARRIVALS)}"))
            elif isinstance(given, str):
                text, hint = f'unknown kind of arrival "{given}"', did_you_mean(given, ARRIVALS)
                problems.append(ScenarioError(_at(where, path, "kind"), text, hint=hint))
            else:
                problems.append(ScenarioError(place, f"found {_quoted(found)}", "a table with a kind"))
        elif kind == "literal_error":
            allowed = re.findall(r"'([^']*)'", context["expected"])
            hint = did_you_mean(found, allowed) if isinstance(found, str) else ""
            expected = "" if hint else f"one of: {', '.join(allowed)}"
            problems.append(ScenarioError(place, f"found {_quoted(found)}", expected, hint))
        else:
            limit = _EXPECTED_LIMIT.get(kind, "").format(**context)
            expected = _EXPECTED.get(kind) or limit or one["msg"]
            if model is Source and path.endswith(".arrival"):
                expected = "a table with a kind"
            if path in ("domains", "sources") and kind in ("tuple_type", "list_type"):
                expected = f"a list of tables, each beginning with [[{path}]]"
            counted = kind in ("too_long", "too_short")
            text = f"{context.get('actual_length', 0)} of them" if counted else f"found {_quoted(found)}"
            before = problems[-1] if problems else None
            if before is not None and (before.where, before.found) == (place, text):
                problems.pop()  # each type of a choice complains
                expected = f"{before.expected} or {expected}"
            problems.append(ScenarioError(place, text, expected))
    # "duration_s: wrong unit" says all there is to say about a missing duration_ms.
    return [problem for problem in problems if problem.found != "missing" or problem.where not in misspelt]


def _place(location: Sequence[int | str]) -> tuple[type[Model] | None, str]:
    """The model that a key belongs to, and its path: ``sources[1].arrival.period_us``."""
    model: type[Model] | None = Scenario
    path = ""
    parts = list(location)
    while parts:
        part = parts.pop(0)
        if isinstance(part, int):
            path += f"[{part}]"
            continue
        path = f"{path}.{part}" if path else part
        if model is Source and part == "arrival":
            model = ARRIVALS[str(parts.pop(0))] if parts else Source
        elif model is not None and parts:
            model = _PARTS.get((model, part))
    # A choice of types (float | str) appends the type it tried, which is no part of the file.
    return model, re.sub(r"\.(float|str|int|constrained-\w+)$", "", path)


def _unknown_key(key: str, model: type[Model] | None) -> tuple[str, str, str]:
    """What to say, the hint, and the key that was meant, if it is clear."""
    known = list(model.model_fields) if model is not None else []
    stem, _, unit = key.rpartition("_")
    stem = stem if stem and unit in _UNITS else key
    for name in known:
        its_stem, _, its_unit = name.rpartition("_")
        if its_stem == stem and its_unit in _UNITS:
            return f"unknown key: {'wrong' if stem != key else 'no'} unit", f"use {name}", name
    near = difflib.get_close_matches(key, known, n=1)
    return "unknown key", did_you_mean(key, known), near[0] if near else ""


def _at(where: str, *path: str) -> str:
    key = ".".join(part for part in path if part)
    return f"{where}: {key}" if key else where


def join(where: str, inner: str) -> str:
    """A place within a place, if it has one."""
    return f"{where}: {inner}" if inner else where


def _quoted(value: object) -> str:
    """A value as the file may have written it."""
    match value:
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "a table"
        case list() | tuple():
            return "a list"
        case str():
            return f'"{value}"' if len(value) <= 80 else f'"{value[:80]}..."'
        case _:
            return str(value)


def plain(value: object) -> str:
    """A value as ``--set`` writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value == int(value) and abs(value) < 1e15:
            return str(int(value))
        case _:
            return str(value)
