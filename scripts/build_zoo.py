"""Build the guests of the zoo, examples/zoo/, each buggy and fixed, or check that they are what their sources build.

python scripts/build_zoo.py           build src/irqvisor/data/zoo/*.elf
python scripts/build_zoo.py --check   build into a temporary folder and compare bytes; 1 if they differ
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import build_guests
from build_guests import BIG_ENDIAN, CODE, LANGUAGE, ROOT, BuildError

SOURCES = ROOT / "examples" / "zoo"
IMAGES = ROOT / "src" / "irqvisor" / "data" / "zoo"
KERNEL = ("kernel/start.S", "kernel/tree.c")
PAIR = ("kernel/pair.S", "kernel/pair.c")
"""What a program for two processors is built with: it includes a header that begins so."""
LINK = ["-nostdlib", "-static", "-T", "examples/zoo/zoo.ld", "-Wl,--build-id=none", "-Wl,-z,max-page-size=256"]
VERSIONS = {"buggy": [], "fixed": ["-DFIXED"]}
ONE_VERSION = {"": []}
"""Of a source that says nothing of FIXED: the bug is the hypervisor's."""
LARGEST_FILE = 8 * 1024


def main() -> int:
    """Build or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the shipped images instead of writing them")
    parser.add_argument("names", nargs="*", help="only these")
    arguments = parser.parse_args()
    try:
        build_guests.check_compiler()
        if arguments.check:
            return check(arguments.names or names())
        for name in arguments.names or names():
            for version in versions(name):
                image = build(name, version, IMAGES)
                print(f"{image}: {image.stat().st_size} bytes")
    except BuildError as error:
        print(f"build_zoo: {error}", file=sys.stderr)
        return 1
    return 0


def names() -> list[str]:
    """Every guest of the zoo."""
    return sorted(path.stem for path in SOURCES.glob("*.c"))


def versions(name: str) -> dict[str, list[str]]:
    """What a guest is built as, and the options for it."""
    return VERSIONS if "FIXED" in (SOURCES / f"{name}.c").read_text(encoding="utf-8") else ONE_VERSION


def check(chosen: list[str]) -> int:
    """1 if an image in the package is not what its source builds."""
    differing = []
    with tempfile.TemporaryDirectory(prefix="irqvisor-zoo-") as folder:
        for name in chosen:
            for version in versions(name):
                built = build(name, version, Path(folder))
                shipped = IMAGES / built.name
                if not shipped.is_file() or shipped.read_bytes() != built.read_bytes():
                    differing.append(built.name)
    print(f"{len(chosen)} guests of the zoo: {'as built' if not differing else 'DIFFER: ' + ', '.join(differing)}")
    if differing:
        print("  hint: python scripts/build_zoo.py, and commit the images with their sources", file=sys.stderr)
    return 1 if differing else 0


def build(name: str, version: str, folder: Path) -> Path:
    """Compile and link one guest in one version. Paths are relative, so that none gets into the image."""
    folder.mkdir(parents=True, exist_ok=True)
    image = (folder / (f"{name}.{version}.elf" if version else f"{name}.elf")).resolve()
    kernel = PAIR if '#include "pair' in (SOURCES / f"{name}.c").read_text(encoding="utf-8") else KERNEL
    parts = [f"examples/zoo/{part}" for part in (*kernel, f"{name}.c")]
    macros = [f"-DZOO_{name.upper().replace('-', '_')}", *versions(name)[version]]
    flags = [*BIG_ENDIAN, *LANGUAGE, *CODE, "-Iexamples/zoo/kernel", *macros]
    command = [sys.executable, "-m", "ziglang", "cc", *flags, f"-ffile-prefix-map={ROOT}=.", *LINK]
    environment = dict(os.environ, SOURCE_DATE_EPOCH="0", LC_ALL="C")
    done = subprocess.run([*command, *parts, "-o", str(image)], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        raise BuildError(f"{image.name}: the compiler failed with status {done.returncode}")
    image.chmod(0o644)
    if image.stat().st_size > LARGEST_FILE:
        raise BuildError(f"{image.name}: {image.stat().st_size} bytes; expected at most {LARGEST_FILE}")
    return image


if __name__ == "__main__":
    sys.exit(main())
