"""Compiled C on the bare machine in both byte orders: sorts, CRC, large numbers, SHA-256 and text, against the host."""

import hashlib
import struct
import zlib
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from irqvisor import Machine, Stop
from irqvisor._jit import NOJIT

IMAGES = Path(__file__).parent / "images"
RETURN = 0
"""The address of _start, a trap."""
DATA = 0x4000
MEMORY_BYTES = 0x20000
MASK64 = (1 << 64) - 1
PROGRAM_TRAP = 1 << 17

words = st.lists(st.integers(0, (1 << 32) - 1), max_size=200)
texts = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=60).map(str.encode)
numbers = st.integers(1, 12).flatmap(
    lambda limbs: st.tuples(st.just(limbs), *[st.integers(0, (1 << 64 * limbs) - 1) for _ in range(2)])
)
s64 = st.integers(-(1 << 63), (1 << 63) - 1)
few = settings(max_examples=5 if NOJIT else settings().max_examples)


def signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class Routines:
    """An image on a bare machine; each routine is called with its arguments in registers (ELFv2 ABI)."""

    def __init__(self, order: str, cpu: str, isa: str) -> None:
        self.order = order
        self.prefix = "<" if order == "little" else ">"
        self.machine = Machine.bare(memory_bytes=MEMORY_BYTES, cpu=cpu, isa=isa, little_endian=order == "little")
        with (IMAGES / f"routines-{order}.elf").open("rb") as file:
            elf = ELFFile(file)
            for segment in elf.iter_segments("PT_LOAD"):
                at = segment["p_vaddr"]
                self.machine.memory[at : at + segment["p_filesz"]] = segment.data()
            symbols = elf.get_section_by_name(".symtab").iter_symbols()
            self.entry = {symbol.name: symbol["st_value"] for symbol in symbols}
        self.free = DATA

    def __call__(self, name: str, *arguments: int) -> int:
        """Call a routine; what it returns, unsigned."""
        cpu = self.machine.cpu[0]
        cpu.gpr[3 : 3 + len(arguments)] = arguments
        cpu.gpr[1], cpu.gpr[12] = MEMORY_BYTES - 64, self.entry[name]
        cpu.lr, cpu.pc = RETURN, self.entry[name]
        self.machine.run(instructions=50_000_000)
        assert self.machine.stop_reason == Stop.INTERRUPT
        assert (self.machine.interrupt, cpu.srr0, cpu.srr1 & PROGRAM_TRAP) == (0x700, RETURN, PROGRAM_TRAP)
        assert cpu.gpr[1] == MEMORY_BYTES - 64
        self.free = DATA
        return cpu.gpr[3]

    def put(self, data: bytes) -> int:
        """Bytes into memory; where they are."""
        at = self.free
        self.machine.memory[at : at + len(data)] = data
        self.free = at + len(data) + 15 & -16
        return at

    def array(self, kind: str, values: list[int]) -> int:
        return self.put(struct.pack(f"{self.prefix}{len(values)}{kind}", *values))

    def values(self, kind: str, at: int, count: int) -> list[int]:
        size = count * struct.calcsize(kind)
        return list(struct.unpack(f"{self.prefix}{count}{kind}", self.machine.memory[at : at + size]))

    def limbs(self, number: int, count: int) -> int:
        return self.array("Q", [number >> 64 * k & MASK64 for k in range(count)])

    def number(self, at: int, count: int) -> int:
        return sum(limb << 64 * k for k, limb in enumerate(self.values("Q", at, count)))

    def text(self, at: int) -> bytes:
        return self.machine.memory[at : at + 256].split(b"\0")[0]


@pytest.fixture(scope="module", params=["big-970-2.01", "big-power8-3.0", "little-power8-2.07", "little-power8-3.0"])
def call(request):
    return Routines(*request.param.split("-"))


@few
@given(words)
def test_sorted_words(call, values):
    at = call.array("I", values)
    call("sort_words", at, len(values))
    assert call.values("I", at, len(values)) == sorted(values)


@few
@given(st.lists(st.integers(-(1 << 15), (1 << 15) - 1), max_size=80))
def test_sorted_signed_halfwords(call, values):
    at = call.array("h", values)
    call("sort_halfwords", at, len(values))
    assert call.values("h", at, len(values)) == sorted(values)


@few
@given(st.lists(s64, max_size=200))
def test_sorted_signed_doublewords(call, values):
    at = call.array("q", values)
    call("sort_doublewords", at, len(values))
    assert call.values("q", at, len(values)) == sorted(values)


@few
@given(st.binary(max_size=500))
def test_crc_and_sha(call, data):
    assert call("crc32", call.put(data), len(data)) == zlib.crc32(data)
    digest = call.put(bytes(32))
    call("sha256", digest, call.put(data), len(data))
    assert call.machine.memory[digest : digest + 32] == hashlib.sha256(data).digest()


@pytest.mark.parametrize("size", [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000])
def test_sha_of_sizes_at_which_its_padding_changes(call, size):
    data = bytes(k * 7 & 255 for k in range(size))
    digest = call.put(bytes(32))
    call("sha256", digest, call.put(data), size)
    assert call.machine.memory[digest : digest + 32] == hashlib.sha256(data).digest()


@few
@given(numbers)
def test_sums_and_differences_of_large_numbers(call, case):
    limbs, a, b = case
    modulus = 1 << 64 * limbs
    at = call.put(bytes(8 * limbs))
    assert call("add_numbers", at, call.limbs(a, limbs), call.limbs(b, limbs), limbs) == (a + b) // modulus
    assert call.number(at, limbs) == (a + b) % modulus
    at = call.put(bytes(8 * limbs))
    assert call("subtract_numbers", at, call.limbs(a, limbs), call.limbs(b, limbs), limbs) == int(a < b)
    assert call.number(at, limbs) == (a - b) % modulus


@few
@given(numbers)
def test_products_of_large_numbers(call, case):
    limbs, a, b = case
    at = call.put(bytes(16 * limbs))
    call("multiply_numbers", at, call.limbs(a, limbs), call.limbs(b, limbs), limbs)
    assert call.number(at, 2 * limbs) == a * b


@few
@given(numbers, st.integers(1, (1 << 32) - 1))
def test_quotients_of_large_numbers(call, case, divisor):
    limbs, a, _ = case
    at = call.limbs(a, limbs)
    assert call("divide_number", at, limbs, divisor) == a % divisor
    assert call.number(at, limbs) == a // divisor


@few
@given(st.integers(0, MASK64), st.integers(0, MASK64), st.integers(1, (1 << 32) - 1))
def test_powers_modulo_a_word(call, base, exponent, modulus):
    assert call("power_modulo", base, exponent, modulus) == pow(base, exponent, modulus)


@few
@given(s64, s64.filter(bool))
def test_divisions_are_those_of_c(call, a, b):
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    assert call("quotient_of", a, b) == quotient & MASK64
    a, b = signed(a, 32), signed(b, 32) or 1
    remainder = abs(a) % abs(b) * (-1 if a < 0 else 1)
    assert signed(call("remainder_of", a, b), 32) == remainder


@few
@given(texts, texts)
def test_text(call, a, b):
    assert call("length_of", call.put(a + b"\0")) == len(a)
    to = call.put(bytes(64))
    assert call("copy", to, call.put(a + b"\0")) == to + len(a)
    assert call.text(to) == a
    difference = signed(call("compare", call.put(a + b"\0"), call.put(b + b"\0")), 32)
    assert (difference > 0) - (difference < 0) == (a > b) - (a < b)
    assert signed(call("find", call.put(a + b"\0"), call.put(b + b"\0"))) == a.find(b)
    assert signed(call("find", call.put(a + b + b"\0"), call.put(b + b"\0"))) == (a + b).find(b)
    at = call.put(a + b"\0")
    call("reverse", at)
    assert call.text(at) == a[::-1]


@few
@given(s64)
def test_decimals(call, number):
    at = call.put(bytes(32))
    assert call("to_decimal", at, number) == len(str(number))
    assert call.text(at) == str(number).encode()
    assert signed(call("from_decimal", call.put(str(number).encode() + b"\0"))) == number


@few
@given(st.integers(0, MASK64))
def test_bits_and_bytes(call, x):
    zeros = 64 - (x | 1).bit_length(), ((x | 1 << 63) & -(x | 1 << 63)).bit_length() - 1
    assert call("bits_of", x) == x.bit_count() << 32 | zeros[0] << 16 | zeros[1]
    parts = ((x, 8), (x & 0xFFFFFFFF, 4), (x >> 48, 2))
    expected = 0
    for value, size in parts:
        expected ^= int.from_bytes(value.to_bytes(size, "big"), "little")
    assert call("exchanged", x) == expected
