"""Guest images: the bytes to load, where, where to start, and what the addresses are called.

An image is an ELF file for 64-bit PowerPC, linked where it is to lie, or raw bytes with an address. The bundled
kernels are package data under ``guest/images``.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import Self

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection

from irqvisor.errors import ImageError, did_you_mean

BUNDLED = ("native", "rhype", "xen-ppc", "xen-ppc-fifo", "xen-x86", "xen-ia64", "hybrid", "direct", "direct-posted")
"""The front ends of the bundled kernel, by the design that each was written for; -fifo: with FIFO event channels."""

IMAGES = Path(__file__).parent / "images"
ELF_MAGIC = b"\x7fELF"
FIRMWARE_MASK = 0x0FFFFFFF
"""Of an address that an ELF file was linked for, firmware keeps the low 28 bits: kernels are linked high up."""
MALFORMED = (ELFError, ValueError, KeyError, AttributeError, TypeError, OverflowError, UnicodeDecodeError)
"""What reading a corrupt ELF file raises."""
DESCRIPTORS = ".opd"
"""The section of function descriptors (64-bit PowerPC ELF ABI Supplement 1.9, Function Descriptors): big-endian
programs', as a rule. ELFv2 has none."""
ADDRESS_BYTES = 8
NAMED = ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of memory that the image fills: its bytes, then zeros up to ``memory_bytes``."""

    address: int
    data: bytes
    memory_bytes: int
    executable: bool = True

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.address + self.memory_bytes


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A name for the bytes from an address on. A label of assembly, which says no size, reaches to the next symbol or
    the end of its segment; within another symbol, or outside of what is loaded, it has size 0."""

    address: int
    size: int
    name: str
    is_function: bool = False

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.address + self.size


def symbol_at(symbols: Sequence[Symbol], address: int) -> Symbol | None:
    """The symbol, of some in ascending order, whose bytes hold an address."""
    for symbol in reversed(symbols[: bisect_right(symbols, address, key=lambda symbol: symbol.address)]):
        if symbol.size:
            return symbol if address < symbol.end else None
    return None


def name_at(symbols: Sequence[Symbol], address: int) -> str:
    """An address for people: ``external_interrupt+0x18``; empty if nothing is known about it."""
    symbol = symbol_at(symbols, address)
    if symbol is None:
        return ""
    offset = address - symbol.address
    return f"{symbol.name}+{offset:#x}" if offset else symbol.name


@dataclass(frozen=True)
class Image:
    """A guest program.

    Attributes:
        name: where it came from, for messages.
        segments: what to load, in ascending order of address.
        entry: address of its first instruction.
        symbols: names of addresses, in ascending order; empty for raw images.
    """

    name: str
    segments: tuple[Segment, ...]
    entry: int
    symbols: tuple[Symbol, ...] = ()

    @classmethod
    def bundled(cls, name: str) -> Self:
        """A kernel that comes with irqvisor.

        Raises:
            ImageError: there is none of this name.
        """
        if name not in BUNDLED:
            raise ImageError("bundled guest", f'no image "{name}"', hint=did_you_mean(name, BUNDLED))
        return cls.from_elf((IMAGES / f"{name}.elf").read_bytes(), name=f"{name}.elf")

    @classmethod
    def load(cls, path: str | Path, *, address: int = 0, entry: int | None = None) -> Self:
        """An image file: ELF if it begins like one, raw bytes for ``address`` otherwise.

        Raises:
            ImageError: the file cannot be read, or is an ELF file for another machine.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ImageError(str(path), f"cannot be read ({error.strerror})", "a guest image") from None
        if data.startswith(ELF_MAGIC):
            return cls.from_elf(data, name=str(path))
        return cls.from_raw(data, name=str(path), address=address, entry=entry)

    @classmethod
    def from_raw(cls, data: bytes, *, name: str = "raw image", address: int = 0, entry: int | None = None) -> Self:
        """Raw bytes, loaded at ``address`` and started at ``entry``, or at their first byte.

        Raises:
            ImageError: there are no bytes, or the entry is not an instruction among them.
        """
        if not data:
            raise ImageError(name, "is empty", "instructions")
        image = cls(name, (Segment(address, data, len(data)),), address if entry is None else entry)
        image.check_entry()
        return image

    @classmethod
    def from_elf(cls, data: bytes, *, name: str = "ELF image") -> Self:
        """A statically linked ELF file for big-endian 64-bit PowerPC.

        Raises:
            ImageError: not an ELF file, truncated, for another machine, class or byte order, without anything to load,
                or with an entry outside what it loads.
        """
        image, little = cls._read_elf(data, name)
        if little:
            raise ImageError(name, "is little-endian", "big-endian", "build it for powerpc64, not powerpc64le")
        image.check_entry()
        return image

    @classmethod
    def from_firmware(cls, data: bytes, *, base: int, entry: int | None = None, name: str = "image") -> Self:
        """What firmware makes of a file: an ELF file of either byte order, each segment ``base`` above the low 28 bits
        of its address, or raw bytes at ``base``; started at ``entry`` or at ``base``, whatever the file says.

        Raises:
            ImageError: empty, or an ELF file that is not complete, or for another machine, or nothing at ``entry``.
        """
        if not data.startswith(ELF_MAGIC):
            return cls.from_raw(data, name=name, address=base, entry=entry)
        read, _ = cls._read_elf(data, name)
        segments = tuple(replace(s, address=base + (s.address & FIRMWARE_MASK)) for s in read.segments)
        symbols = tuple(sorted(replace(s, address=base + (s.address & FIRMWARE_MASK)) for s in read.symbols))
        in_order = tuple(sorted(segments, key=lambda segment: segment.address))
        image = cls(name, in_order, base if entry is None else entry, symbols)
        if entry is not None:
            image.check_entry()
        return image

    @classmethod
    def _read_elf(cls, data: bytes, name: str) -> tuple[Self, bool]:
        """The file, and whether it is little-endian."""
        if not data.startswith(ELF_MAGIC):
            raise ImageError(
                name,
                f"does not begin as an ELF file (first bytes {data[:4].hex(' ') or 'missing'})",
                ELF_MAGIC.hex(" "),
                "raw images are loaded by Image.load or Image.from_raw, with an address",
            )
        try:
            elf = ELFFile(BytesIO(data))
            little = _check_machine(elf, name)
            segments = _segments(elf, name)
            symbols = _reaching(_symbols(elf), segments)
            entry = int(elf["e_entry"])
        except MALFORMED as error:
            raise ImageError(name, f"is not a well-formed ELF file ({error})", "a complete one") from None
        return cls(name, segments, entry, symbols), little

    @property
    def start(self) -> int:
        """The lowest address it fills."""
        return self.segments[0].address

    @property
    def end(self) -> int:
        """The address behind everything it fills."""
        return max(segment.end for segment in self.segments)

    def check_entry(self) -> None:
        """Complain unless the entry is an instruction that the image loads.

        Raises:
            ImageError: it is not.
        """
        inside = any(part.executable and part.address <= self.entry < part.end for part in self.segments)
        if not inside or self.entry % 4:
            places = ", ".join(f"{part.address:#x}..{part.end:#x}" for part in self.segments if part.executable)
            raise ImageError(self.name, f"entry {self.entry:#x}", f"a multiple of 4 in {places or 'executable memory'}")

    def place(self, ram_bytes: int, *, at: int = 0) -> bytes:
        """Its memory from address 0 on, with the image ``at`` bytes above where it was linked.

        Args:
            ram_bytes: size of the memory it goes to.
            at: added to every address; 0 for images linked where they lie.

        Returns:
            ``at + end`` bytes, zero where the image has nothing.

        Raises:
            ImageError: it does not fit.
        """
        if at + self.end > ram_bytes:
            raise ImageError(
                self.name,
                f"does not fit: it ends at {at + self.end:#x}",
                f"an end within {ram_bytes:#x}, the {ram_bytes // 1024} KiB of its domain",
                "give the domain more memory (ram_kib)",
            )
        memory = bytearray(at + self.end)
        for segment in self.segments:
            begin = at + segment.address
            memory[begin : begin + len(segment.data)] = segment.data
        return bytes(memory)

    def address_of(self, name: str) -> int:
        """The address of a symbol.

        Raises:
            ImageError: there is no symbol of this name.
        """
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol.address
        known = [symbol.name for symbol in self.symbols if symbol.size]
        hint = did_you_mean(name, known) if known else "the image has no symbols"
        raise ImageError(self.name, f'no symbol "{name}"', hint=hint)

    def symbol_at(self, address: int) -> Symbol | None:
        """The symbol that an address belongs to."""
        return symbol_at(self.symbols, address)

    def describe(self, address: int) -> str:
        """An address for people: ``external_interrupt+0x18``, or the bare number if nothing is known about it."""
        return name_at(self.symbols, address) or f"{address:#06x}"


def _check_machine(elf: ELFFile, name: str) -> bool:
    """Whether it is little-endian."""
    bits, little, machine = elf.elfclass, elf.little_endian, elf["e_machine"]
    if bits != 64:
        raise ImageError(name, f"is a {bits}-bit ELF file", "a 64-bit one")
    if machine != "EM_PPC64":
        raise ImageError(name, f"is for machine {machine}", "EM_PPC64", "was it built with -target powerpc64?")
    return bool(little)


def _segments(elf: ELFFile, name: str) -> tuple[Segment, ...]:
    segments = []
    for part in elf.iter_segments():
        if part["p_type"] != "PT_LOAD" or part["p_memsz"] == 0:
            continue
        data = part.data()
        if len(data) != part["p_filesz"]:
            raise ImageError(name, f"ends within its segment at {part['p_vaddr']:#x}", "a complete file")
        segments.append(Segment(part["p_vaddr"], data, part["p_memsz"], executable=bool(part["p_flags"] & 1)))
    if not segments:
        raise ImageError(name, "has nothing to load", "at least one PT_LOAD segment", "is it an object file? Link it")
    return tuple(sorted(segments, key=lambda segment: segment.address))


def _symbols(elf: ELFFile) -> tuple[Symbol, ...]:
    descriptors = elf.get_section_by_name(DESCRIPTORS)
    found = set()
    for section in elf.iter_sections():
        if not isinstance(section, SymbolTableSection):
            continue
        for symbol in section.iter_symbols():
            kind = symbol["st_info"]["type"]
            if not symbol.name or kind not in NAMED or not isinstance(symbol["st_shndx"], int):
                continue
            address = symbol["st_value"]
            if descriptors is not None and kind == "STT_FUNC":
                address = _described(descriptors, address, little=elf.little_endian)
            found.add(Symbol(address, symbol["st_size"], symbol.name, kind == "STT_FUNC"))
    return tuple(sorted(found))


def _described(descriptors: Section, address: int, *, little: bool) -> int:
    """Where a function begins whose symbol may stand for its descriptor: the address of its code comes first there."""
    offset = address - descriptors["sh_addr"]
    if not 0 <= offset <= descriptors["sh_size"] - ADDRESS_BYTES:
        return address
    return int.from_bytes(descriptors.data()[offset : offset + ADDRESS_BYTES], "little" if little else "big")


def _reaching(symbols: tuple[Symbol, ...], segments: tuple[Segment, ...]) -> tuple[Symbol, ...]:
    """Symbols whose labels reach as far as `Symbol` says."""
    reaching = []
    covered = 0  # behind the last byte that a sized symbol names
    for symbol, following in zip_longest(symbols, symbols[1:]):
        end = max((s.end for s in segments if s.address <= symbol.address < s.end), default=symbol.address)
        if following is not None:
            end = min(end, following.address)
        covered = max(covered, symbol.end)
        inside = symbol.size == 0 and symbol.address < covered
        reaching.append(symbol if symbol.size or inside else replace(symbol, size=max(end - symbol.address, 0)))
    return tuple(reaching)
