"""Guest images: what is loaded, where, and what is refused."""

import struct

import pytest

from irqvisor.errors import ImageError
from irqvisor.guest.image import BUNDLED, Image, Symbol, name_at

EM_PPC, EM_PPC64, EM_X86_64 = 20, 21, 62
LOADS = 1
EXECUTES = 5
HEADER_BYTES = 64


def elf(*, machine=EM_PPC64, bits=64, little=False, entry=0x1000, address=0x1000, code=b"\x60\0\0\0" * 4, memory=0x40):
    """A minimal ELF file of one segment."""
    order = "<" if little else ">"
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1 if little else 2, 1]) + bytes(9)
    word = "Q" if bits == 64 else "I"
    size, program_size = (HEADER_BYTES, 56) if bits == 64 else (52, 32)
    head = struct.pack(f"{order}HHI{word * 3}I6H", 2, machine, 1, entry, size, 0, 2, size, program_size, 1, 64, 0, 0)
    if bits == 64:
        program = struct.pack(
            f"{order}IIQQQQQQ", LOADS, EXECUTES, size + program_size, address, address, len(code), memory, 4
        )
    else:
        program = struct.pack(
            f"{order}8I", LOADS, size + program_size, address, address, len(code), memory, EXECUTES, 4
        )
    return ident + head + program + code


def with_descriptors(*symbols, descriptors, at):
    """That file, with sections: function descriptors at an address, and symbols, (name, value) each."""
    begun = elf()
    names = b"\0.opd\0.symtab\0.strtab\0"
    strings = b"\0" + b"".join(name.encode() + b"\0" for name, _ in symbols)
    table = bytes(24)
    for name, value in symbols:
        table += struct.pack(">IBBHQQ", strings.index(name.encode() + b"\0"), 0x12, 0, 1, value, 8)
    contents = [
        (1, 1, descriptors, at, 0, 0),
        (6, 2, table, 0, 3, 24),
        (14, 3, strings, 0, 0, 0),
        (14, 3, names, 0, 0, 0),
    ]
    headers, body = bytes(64), b""
    for name, kind, data, address, link, entry in contents:
        place = len(begun) + len(body)
        headers += struct.pack(">IIQQQQIIQQ", name, kind, 0, address, place, len(data), link, 0, 1, entry)
        body += data
    whole = bytearray(begun + body + headers)
    whole[40:48] = (len(begun) + len(body)).to_bytes(8)  # e_shoff, e_shnum, e_shstrndx
    whole[60:64] = struct.pack(">HH", 5, 4)
    return bytes(whole)


def test_a_symbol_of_a_function_descriptor_names_the_code():
    """64-bit PowerPC ELF ABI Supplement 1.9, Function Descriptors. One symbol names code, and one half a descriptor."""
    descriptors = struct.pack(">QQQQ", 0x1008, 0x8000, 0, 0x1004)
    symbols = ("main", 0x2000), ("plain", 0x100C), ("second", 0x2018), ("cut", 0x201C)
    image = Image.from_elf(with_descriptors(*symbols, descriptors=descriptors, at=0x2000))
    found = {symbol.name: symbol.address for symbol in image.symbols}
    assert found == {"main": 0x1008, "plain": 0x100C, "second": 0x1004, "cut": 0x201C}
    assert image.symbol_at(0x1008).name == "main"


def test_an_elf_file_becomes_segments_and_an_entry():
    image = Image.from_elf(elf())
    assert image.entry == 0x1000
    assert [(s.address, s.data, s.memory_bytes) for s in image.segments] == [(0x1000, b"\x60\0\0\0" * 4, 0x40)]
    assert (image.start, image.end) == (0x1000, 0x1040)


def test_placed_memory_begins_at_zero_and_is_zero_where_the_image_has_nothing():
    memory = Image.from_elf(elf()).place(0x2000)
    assert len(memory) == 0x1040
    assert memory[:0x1000] == bytes(0x1000)
    assert memory[0x1000:0x1010] == b"\x60\0\0\0" * 4
    assert memory[0x1010:] == bytes(0x30)


def test_an_image_can_be_placed_above_where_it_was_linked():
    assert Image.from_elf(elf()).place(0x8000, at=0x4000)[0x5000:0x5004] == b"\x60\0\0\0"


@pytest.mark.parametrize(
    ("data", "found", "expected"),
    [
        (b"MZ\x90\0", "does not begin as an ELF file (first bytes 4d 5a 90 00)", "7f 45 4c 46"),
        (b"", "does not begin as an ELF file (first bytes missing)", "7f 45 4c 46"),
        (elf(machine=EM_X86_64), "is for machine EM_X86_64", "EM_PPC64"),
        (elf(machine=EM_PPC, bits=32), "is a 32-bit ELF file", "a 64-bit one"),
        (elf(little=True), "is little-endian", "big-endian"),
        (elf(entry=0x3000), "entry 0x3000", "a multiple of 4 in 0x1000..0x1040"),
        (elf(entry=0x1002), "entry 0x1002", "a multiple of 4 in 0x1000..0x1040"),
        (elf()[:-8], "ends within its segment at 0x1000", "a complete file"),
    ],
)
def test_what_is_no_image_for_this_machine_is_refused_with_the_reason(data, found, expected):
    with pytest.raises(ImageError) as error:
        Image.from_elf(data, name="kernel.elf")
    assert (error.value.where, error.value.found, error.value.expected) == ("kernel.elf", found, expected)


@pytest.mark.parametrize("length", [5, 16, 40, 63, 64, 80, 119])
def test_a_truncated_file_is_refused_and_nothing_else_happens(length):
    with pytest.raises(ImageError):
        Image.from_elf(elf()[:length])


def test_an_elf_file_without_segments_is_refused():
    data = bytearray(elf())
    data[56:58] = b"\0\0"  # e_phnum
    with pytest.raises(ImageError, match="has nothing to load"):
        Image.from_elf(bytes(data))


def test_an_image_that_does_not_fit_says_by_how_much():
    with pytest.raises(ImageError, match="ends at 0x1040; expected an end within 0x1000, the 4 KiB of its domain"):
        Image.from_elf(elf()).place(0x1000)


def test_raw_bytes_are_loaded_where_they_are_told_and_started_at_their_first(tmp_path):
    path = tmp_path / "loop.bin"
    path.write_bytes(b"\x48\0\0\0")
    image = Image.load(path, address=0x100)
    assert (image.entry, image.place(0x1000)[0x100:]) == (0x100, b"\x48\0\0\0")
    assert image.symbols == ()


def test_a_raw_image_may_start_elsewhere_but_only_inside():
    assert Image.from_raw(bytes(8), address=0x100, entry=0x104).entry == 0x104
    with pytest.raises(ImageError, match="entry 0x108"):
        Image.from_raw(bytes(8), address=0x100, entry=0x108)
    with pytest.raises(ImageError, match="is empty"):
        Image.from_raw(b"")


def test_load_recognises_an_elf_file_by_its_first_bytes(tmp_path):
    path = tmp_path / "kernel"
    path.write_bytes(elf())
    assert Image.load(path).entry == 0x1000


def test_a_missing_file_is_an_image_error(tmp_path):
    with pytest.raises(ImageError, match=r"cannot be read \(No such file or directory\)"):
        Image.load(tmp_path / "no.elf")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_kernel_fits_where_it_lies_and_starts_at_its_first_function(name):
    image = Image.bundled(name)
    assert image.start == 0
    assert image.end <= (64 if name.endswith("-fifo") else 44) * 1024
    assert image.describe(image.entry) == "_start"


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_kernel_writes_to_no_page_that_holds_code(name):
    code, data = Image.bundled(name).segments
    assert code.executable
    assert not data.executable
    assert code.end <= data.address
    assert data.address % 4096 == 0


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_kernel_names_what_a_trace_shows(name):
    image = Image.bundled(name)
    assert image.address_of("vector_external") == 0x500
    for function in ("external_interrupt", "compute_unit", "idle", "kernel_main", "tick_interrupt"):
        address = image.address_of(function)
        assert image.describe(address) == function
        assert image.describe(address + 8) == f"{function}+0x8"
    assert not image.symbol_at(image.address_of("ticks")).is_function


def test_a_label_does_not_hide_the_function_that_it_is_in():
    symbols = (Symbol(0x100, 0x40, "function", True), Symbol(0x100, 0, "same"), Symbol(0x120, 0, "inside"))
    symbols = tuple(sorted((*symbols, Symbol(0x150, 0x10, "after"))))
    names = [name_at(symbols, address) for address in (0xFC, 0x100, 0x11C, 0x120, 0x13C, 0x140, 0x15C, 0x160)]
    assert names == ["", "function", "function+0x1c", "function+0x20", "function+0x3c", "", "after+0xc", ""]


def test_a_label_reaches_to_the_next_symbol_and_not_out_of_its_segment():
    image = Image.bundled("native")
    assert image.describe(0x4FC) == "vectors+0x4fc"
    assert image.describe(0x500) == "vector_external"
    end = image.address_of("stack_top")
    assert image.describe(end - 8) == "stack_bottom+0xff8"
    assert image.describe(end) == f"{end:#06x}"


def test_an_address_that_belongs_to_nothing_is_shown_as_a_number():
    image = Image.bundled("native")
    assert image.symbol_at(image.end + 0x1000) is None
    assert image.describe(0x100000) == "0x100000"
    assert Image.from_raw(bytes(4)).describe(0) == "0x0000"


def test_a_misspelt_symbol_or_image_gets_a_hint():
    with pytest.raises(ImageError, match='did you mean "compute_unit"'):
        Image.bundled("native").address_of("compute_unt")
    with pytest.raises(ImageError, match='did you mean "xen-ppc"'):
        Image.bundled("xenppc")
