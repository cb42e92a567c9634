#!/usr/bin/env python3
"""Run a directory of built kvm-unit-tests for powerpc on the pseries board, as its unittests.cfg says.

    scripts/run_suite.py BUILD/powerpc SOURCE/powerpc/unittests.cfg --qemu

One row a test: its verdict, what it counted, instructions, wall time; with --qemu the same test under QEMU beside it.
--baseline compares with an earlier table and fails if a test passed there and does not here; --write makes one.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RTC = 1_141_948_800
NEEDS = {"migration": "migration", "h_cede_tm": "transactional memory"}
SKIP_STATUS = 77
QEMU = ("qemu-system-ppc64", "-nodefaults", "-display", "none", "-serial", "stdio", "-accel", "tcg", "-cpu", "power8")
QEMU_MACHINE = "pseries,ic-mode=xics,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"


def parse(text: str) -> dict[str, dict[str, str]]:
    """The tests of a unittests.cfg."""
    tests: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"\s*\[(.+)\]\s*", line):
            tests[found[1]] = {}
        elif found := re.fullmatch(r"\s*(\w+)\s*=\s*(.*?)\s*", line):
            value = found[2]
            if value[:1] in "'\"" and value[-1:] == value[:1]:
                value = value[1:-1]
            tests[list(tests)[-1]][found[1]] = value
    return tests


def dates(text: str, now: int) -> str:
    """The list's $(date ...) commands, answered."""

    def answer(found: re.Match[str]) -> str:
        day = re.search(r"--date=\\?[\"']?([0-9-]+)", found[0])
        return str(int(datetime.fromisoformat(day[1]).replace(tzinfo=UTC).timestamp()) if day else now)

    return re.sub(r"\$\(date[^)]*\)", answer, text)


def why_not(test: dict[str, str]) -> str:
    """Why a test of the list is not one for this board; empty: it is."""
    groups = test.get("groups", "").split()
    for group, need in NEEDS.items():
        if group in groups:
            return f"needs {need}"
    if test.get("machine", "pseries") != "pseries":
        return f"is for {test['machine']}"
    if test.get("accel", "tcg").startswith("kvm"):
        return "needs KVM"
    return ""


def options(test: dict[str, str], clock: str) -> tuple[list[str], list[str]]:
    """Options of `irqvisor boot`, and those of QEMU beside them."""
    params = test.get("qemu_params", "")
    smp = test.get("smp", "1")
    count, threads = smp.split(",")[0], (re.search(r"threads=(\d+)", smp) or ["", "1"])[1]
    memory = (re.search(r"-m (\w+)", params) or ["", "256m"])[1]
    base = re.search(r"-rtc base=\"?([0-9-]+)", params)
    rtc = int(datetime.fromisoformat(base[1]).replace(tzinfo=UTC).timestamp()) if base else RTC
    if shift := re.search(r"-icount shift=(\d+)", params):
        clock = str(1_000_000_000 >> int(shift[1]))
    ours = ["--cpus", count, "--threads", threads, "--memory", memory, "--rtc", str(rtc), "--clock", clock]
    if test.get("test_args"):
        ours += ["--append", dates(test["test_args"], rtc)]
    theirs = ["-smp", smp, "-m", memory]
    if test.get("test_args"):
        theirs += ["-append", dates(test["test_args"], int(time.time()))]
    if base:
        theirs += ["-rtc", f"base={base[1]}"]
    if shift:
        theirs += ["-icount", f"shift={shift[1]}"]
    return ours, theirs


def verdict(console: str, *, finished: bool) -> dict[str, Any]:
    """What a test said."""
    status = re.findall(r"^EXIT: STATUS=(\d+)", console, re.MULTILINE)
    counts = {word: len(re.findall(f"^{word}:", console, re.MULTILINE)) for word in ("PASS", "FAIL", "SKIP")}
    if not finished or not status:
        result = "HANG"
    elif int(status[-1]) == SKIP_STATUS:
        result = "SKIP"
    else:
        result = "PASS" if int(status[-1]) >> 1 == 0 else "FAIL"
    failed = re.findall(r"^(?:FAIL: .*|.*assert failed.*|Unhandled.*)$", console, re.MULTILINE)
    return {"result": result, "counts": counts, "failed": failed}


def run_ours(image: Path, extra: list[str], timeout: float) -> dict[str, Any]:
    """One test on our board."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "irqvisor", "boot", str(image), "--json", *extra]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        boot = json.loads(done.stdout)["boot"]
    except (subprocess.TimeoutExpired, ValueError):
        boot = {"console": "", "stop": "timeout", "instructions": 0}
    row = verdict(boot["console"], finished=boot["stop"] == "power-off")
    return {**row, "seconds": time.perf_counter() - began, "instructions": boot["instructions"]}


def run_qemu(image: Path, extra: list[str], timeout: float) -> dict[str, Any]:
    """One test under QEMU."""
    began = time.perf_counter()
    command = [*QEMU, "-machine", QEMU_MACHINE, "-bios", str(image.parent / "boot_rom.bin"), "-kernel", str(image)]
    try:
        done = subprocess.run(
            [*command, *extra], capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )
        row = verdict(done.stdout, finished=True)
    except subprocess.TimeoutExpired:
        row = verdict("", finished=False)
    return {**row, "seconds": time.perf_counter() - began}


def main() -> int:
    """Run the tests and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="the directory with *.elf and boot_rom.bin")
    parser.add_argument("list", type=Path, help="unittests.cfg")
    parser.add_argument("tests", nargs="*", help="only these")
    parser.add_argument("--clock", default="32M", help="instructions a second of virtual time; many tests wait")
    parser.add_argument("--timeout", type=float, default=600, help="seconds of wall time a test may take")
    parser.add_argument("--qemu", action="store_true", help="run each under QEMU too")
    parser.add_argument("--baseline", type=Path, help="a table of --write: what passed there must pass here")
    parser.add_argument("--write", type=Path, help="write the results as JSON")
    chosen = parser.parse_args()
    baseline = json.loads(chosen.baseline.read_text()) if chosen.baseline else {}
    rows: dict[str, dict[str, Any]] = {}
    worse = []
    print(f"{'test':28} {'result':6} {'pass':>5} {'fail':>5} {'skip':>5} {'instructions':>14} {'seconds':>8}  QEMU")
    for name, test in parse(chosen.list.read_text()).items():
        if chosen.tests and name not in chosen.tests:
            continue
        if reason := why_not(test):
            print(f"{name:28} -      {reason}")
            continue
        ours, theirs = options(test, chosen.clock)
        image = chosen.build / test["file"]
        row = run_ours(image, ours, chosen.timeout)
        beside = ""
        if chosen.qemu:
            row["qemu"] = run_qemu(image, theirs, chosen.timeout)
            beside = f"{row['qemu']['result']} {row['qemu']['seconds']:.2f} s"
        rows[name] = row
        counts = row["counts"]
        print(
            f"{name:28} {row['result']:6} {counts['PASS']:5} {counts['FAIL']:5} {counts['SKIP']:5} "
            f"{row['instructions']:14,} {row['seconds']:8.2f}  {beside}",
            flush=True,
        )
        for line in row["failed"]:
            print(f"    {line}")
        if baseline.get(name, {}).get("result") == "PASS" and row["result"] != "PASS":
            worse.append(name)
    if chosen.write:
        chosen.write.write_text(json.dumps(rows, indent=2) + "\n")
    if worse:
        print(f"passed in the baseline and do not now: {', '.join(worse)}")
    return 1 if worse or any(row["result"] in {"FAIL", "HANG"} for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
