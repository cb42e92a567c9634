"""What all tests share: how properties are explored, and which tests make no sense without the JIT."""

import os

import pytest
from hypothesis import HealthCheck, settings

# The first call of a kernel compiles it, so a deadline would measure the compiler.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

NOJIT = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if NOJIT:
        for item in items:
            if item.get_closest_marker("compiled"):
                item.add_marker(pytest.mark.skip(reason="needs compiled code; NUMBA_DISABLE_JIT is set"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many instructions were compared with other emulators, and how often the rarest was."""
    found = [
        value
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == "differential"
    ]
    if not found:
        return
    terminalreporter.section("instructions compared")
    for name, sequences, instructions, rows in found:
        rarest = min(rows, key=rows.get)
        terminalreporter.line(
            f"{name:28} {instructions:>11,} instructions in {sequences:>9,} sequences; "
            f"{len(rows)} rows, each at least {rows[rarest]:,} times ({rarest})"
        )
        if terminalreporter.verbosity > 0:
            terminalreporter.line("    " + ", ".join(f"{row} {count}" for row, count in sorted(rows.items())))
    terminalreporter.line(f"{sum(entry[2] for entry in found):,} instructions in all")
