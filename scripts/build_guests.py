"""Build the bundled guest images from guests/, or check that they are what their sources build.

    python scripts/build_guests.py           build src/irqvisor/guest/images/*.elf and tests/guest/images/*.elf
    python scripts/build_guests.py --check   build into a temporary folder and compare bytes; 1 if they differ

The compiler is the ziglang wheel in exactly one version, so that the same sources give the same bytes everywhere.
Images have no floating-point or vector instruction: guests run with those units off, and the machine has none.
"""

import argparse
import os
import struct
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from elftools.elf.elffile import ELFFile

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "src" / "irqvisor" / "guest" / "images"

ZIGLANG = "0.17.1"
FRONT_ENDS = {
    "native": ("native.c",),
    "rhype": ("rhype.c",),
    "xen-ppc": ("xen_ppc.c",),
    "xen-ppc-fifo": ("xen_ppc.c",),
    "hybrid": ("hybrid.c",),
    "direct": ("direct.c",),
    "xen-ia64": ("xen_ia64.c", "xen_ia64_entry.S"),
    "direct-posted": ("posted.c",),
    "xen-x86": ("xen_x86.c", "xen_x86_entry.S"),
}
FIFO = {"xen-ppc-fifo": "FIFO_EVENTS"}
"""What makes another image of the same sources: a macro."""
BENCH = ("bench/vectors.S", "kernel/start.S", "bench/bench.c")
PROGRAMS = {
    "mix": (*BENCH, "bench/mix.c"),
    "self-interrupt": (*BENCH, "bench/self_interrupt.c", "bench/self_interrupt_path.S"),
    "self-test": (
        "bench/self_test_vectors.S",
        "kernel/start.S",
        "kernel/console.c",
        "kernel/text.c",
        "bench/bench.c",
        "bench/self_test.c",
        "front/rhype.c",
    ),
    "paths": ("kernel/start.S", "kernel/vectors.S", "bench/paths.c", "bench/upcalls.c"),
}
"""Images that are no kernel, and their sources."""
TEST_IMAGES = ROOT / "tests" / "guest" / "images"
ROUTINES = ("routines/start.S", "routines/routines.c")
TESTED = {"routines-big": ROUTINES, "routines-little": ROUTINES}
"""Images that only tests use, and their sources; in the byte order that their name ends with."""
WRONG = {"xen-x86-no-fixup": ("xen-x86", "NO_FIXUP")}
"""Kernels that only tests use: a front end, and the macro that takes something away that it needs."""
LARGEST_FILE = 40 * 1024

BIG_ENDIAN = ["-target", "powerpc64-freestanding-none", "-mcpu=970", "-mno-altivec"]
LITTLE_ENDIAN = [
    "-target",
    "powerpc64le-freestanding-none",
    "-mcpu=pwr8-altivec-vsx-crypto-direct_move-power8_altivec-power8_vector",
]
LANGUAGE = [
    "-std=c11",
    "-ffreestanding",
    "-fno-builtin",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Iguests/include",
    "-Iguests/bench",
]
CODE = [
    "-O2",
    # Small code has no padding to execute. Not plain -Os: the zig driver strips symbols then.
    "-Xclang",
    "-Os",
    # One module: get_irq() and eoi() of the front end are inlined into the interrupt path.
    "-flto",
    "-fno-sanitize=all",
    "-fno-stack-protector",
    "-fomit-frame-pointer",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-pic",
    "-fno-pie",
]
LINK = ["-nostdlib", "-static", "-T", "guests/kernel.ld", "-Wl,--build-id=none", "-Wl,-z,max-page-size=4096"]

# Instructions of units that a guest must leave alone (Power ISA, Appendix Opcode Maps): whole primary opcodes, and
# extended opcodes of primary opcode 31, bits 21:30.
FLOATING_OPCODES = {*range(48, 56), 57, 59, 61, 63}
VECTOR_OPCODES = {4, 60}
FLOATING_EXTENDED = {535, 567, 599, 631, 663, 695, 727, 759, 791, 823, 855, 887, 919, 951, 983}
VECTOR_EXTENDED = {6, 7, 12, 38, 39, 71, 76, 103, 135, 140, 167, 199, 231, 268, 332, 359, 396, 487, 524, 588, 652, 716}
VECTOR_EXTENDED |= {780, 844, 908, 972}


def main() -> int:
    """Build or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the shipped images instead of writing them")
    parser.add_argument("--output", type=Path, help="folder to write to (default: where the repository has them)")
    arguments = parser.parse_args()
    try:
        check_compiler()
        if arguments.check:
            return check()
        for name in images():
            image = build(name, arguments.output or home(name))
            print(f"{image}: {image.stat().st_size} bytes")
    except BuildError as error:
        print(f"build_guests: {error}", file=sys.stderr)
        return 1
    return 0


def images() -> list[str]:
    """Every image there is to build."""
    return [*FRONT_ENDS, *PROGRAMS, *TESTED, *WRONG]


def home(name: str) -> Path:
    """Where the repository has an image."""
    return TEST_IMAGES if name in TESTED or name in WRONG else IMAGES


def is_little(name: str) -> bool:
    """Whether an image is little-endian."""
    return name.endswith("-little")


class BuildError(Exception):
    """What went wrong, for the person who builds."""


def check_compiler() -> None:
    """Complain unless the one compiler is installed."""
    try:
        found = version("ziglang")
    except PackageNotFoundError:
        found = "none"
    if found != ZIGLANG:
        raise BuildError(f"ziglang {found}; expected {ZIGLANG}\n  hint: pip install ziglang=={ZIGLANG}, or make guests")


def check() -> int:
    """1 if an image in the package is not what its sources build."""
    differing = []
    with tempfile.TemporaryDirectory(prefix="irqvisor-guests-") as folder:
        for name in images():
            shipped = home(name) / f"{name}.elf"
            built = build(name, Path(folder))
            same = shipped.is_file() and shipped.read_bytes() == built.read_bytes()
            print(f"{shipped.name}: {'as built' if same else 'DIFFERS from what guests/ builds'}")
            if not same:
                differing.append(name)
    if differing:
        print("  hint: python scripts/build_guests.py, and commit the images with their sources", file=sys.stderr)
    return 1 if differing else 0


def build(name: str, folder: Path) -> Path:
    """Compile and link one image. Paths are relative to the repository, so that none of them gets into the image."""
    folder.mkdir(parents=True, exist_ok=True)
    image = (folder / f"{name}.elf").resolve()
    sources = [part.relative_to(ROOT).as_posix() for part in parts(name)]
    target = LITTLE_ENDIAN if is_little(name) else BIG_ENDIAN
    macros = [f"-D{WRONG[name][1]}"] if name in WRONG else [f"-D{FIFO[name]}"] if name in FIFO else []
    command = [sys.executable, "-m", "ziglang", "cc", *target, *LANGUAGE, *CODE, f"-ffile-prefix-map={ROOT}=.", *LINK]
    environment = dict(os.environ, SOURCE_DATE_EPOCH="0", LC_ALL="C")
    done = subprocess.run([*command, *macros, *sources, "-o", str(image)], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        raise BuildError(f"{name}: the compiler failed with status {done.returncode}")
    image.chmod(0o644)
    inspect(name, image)
    return image


def parts(name: str) -> list[Path]:
    """The sources of an image, in the order in which they are linked."""
    guests = ROOT / "guests"
    if name in PROGRAMS | TESTED:
        return [guests / part for part in (PROGRAMS | TESTED)[name]]
    kernel = guests / "kernel"
    front, _ = WRONG.get(name, (name, ""))
    fronts = [guests / "front" / part for part in FRONT_ENDS[front]]
    return [*sorted(kernel.glob("*.S")), *sorted(kernel.glob("*.c")), *fronts]


def inspect(name: str, image: Path) -> None:
    """Complain about an image that breaks the rules of guests/README.md."""
    size = image.stat().st_size
    if size > LARGEST_FILE:
        raise BuildError(f"{name}: {size} bytes; expected at most {LARGEST_FILE}")
    with image.open("rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            if section.name.startswith(".debug"):
                raise BuildError(f"{name}: section {section.name}; expected no debug information")
        for segment in elf.iter_segments("PT_LOAD"):
            if segment["p_flags"] & 1:
                check_code(name, segment["p_vaddr"], segment.data())


def check_code(name: str, address: int, code: bytes) -> None:
    """Complain about the first instruction that needs the floating-point or the vector unit."""
    order = "<I" if is_little(name) else ">I"
    for offset, (word,) in enumerate(struct.iter_unpack(order, code[: len(code) // 4 * 4])):
        if uses_other_units(word):
            raise BuildError(f"{name}: {word:#010x} at {address + 4 * offset:#x} needs a unit that guests do not have")


def uses_other_units(word: int) -> bool:
    """Whether an instruction word belongs to the floating-point or the vector unit."""
    opcode, extended = word >> 26, word >> 1 & 0x3FF
    if opcode == 31:
        return extended in FLOATING_EXTENDED | VECTOR_EXTENDED
    return opcode in FLOATING_OPCODES | VECTOR_OPCODES


if __name__ == "__main__":
    sys.exit(main())
