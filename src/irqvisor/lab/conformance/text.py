"""What `irqvisor conformance` prints."""

import json
from typing import Any

from irqvisor.lab.conformance.replay import Divergence, Report


def lines(report: Report) -> list[str]:
    """Counts per operation, then the first divergence in full."""
    width = max(len(name) for name in report.operations)
    shown = [f"{'operation':{width}}  {'steps':>7}  {'as recorded':>11}"]
    shown += [
        f"{name:{width}}  {report.operations[name]:7}  {report.passed[name]:11}" for name in sorted(report.operations)
    ]
    sequences = sum(row["sequences"] for row in report.files.values())
    steps = sum(row["steps"] for row in report.files.values())
    shown += ["", f"{sequences} sequences, {steps} steps in {len(report.files)} files: {_verdict(report)}"]
    return shown if report.first is None else [*shown, "", *_divergence(report.first)]


def _verdict(report: Report) -> str:
    if report.first is None:
        return "all as recorded"
    return f"{report.diverging} sequences diverge"


def _divergence(first: Divergence) -> list[str]:
    shown = [f"first divergence: {first.file}, {first.sequence}, step {first.index}"]
    began = first.index - len(first.before)
    shown += [f"  {began + k:5}  {_step(step)}" for k, step in enumerate(first.before)]
    bare = {key: value for key, value in first.step.items() if key != "state"}
    shown.append(f"> {first.index:5}  {_step(bare)}")
    for name, (want, got) in first.differs.items():
        shown += [f"  {name}", f"    expected {json.dumps(want)}", f"    got      {json.dumps(got)}"]
    return shown


def _step(step: dict[str, Any]) -> str:
    who = "".join(f" {short}{step[key]}" for key, short in (("dom", "d"), ("vcpu", "v")) if key in step)
    rest = {key: step[key] for key in ("args", "fault", "rc", "out", "notify") if key in step}
    told = ", ".join(f"{key} {json.dumps(value)}" for key, value in rest.items())
    return f"{step['op']}{who}  {told}".rstrip()
