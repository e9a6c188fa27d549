# SPDX-License-Identifier: Apache-2.0
"""CIEs and FDEs of the libraries of this machine, for the seeds of fuzz targets."""
import glob
import pathlib
import struct

LIBRARIES = ["/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
             "/usr/lib/x86_64-linux-gnu/libmvec.so.1", "/usr/lib/x86_64-linux-gnu/libgcrypt.so.20",
             "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/bin/python3.11", "/usr/bin/node",
             *glob.glob("/usr/aarch64-linux-gnu/lib/lib[cm].so.6"),
             *glob.glob("/usr/aarch64-linux-gnu/lib/libstdc++.so.6")]
EM_AARCH64 = 183


def section(elf, name):
    """File offset, address and bytes of a section."""
    shoff, = struct.unpack_from("<Q", elf, 40)
    size, number, strings = struct.unpack_from("<HHH", elf, 58)
    heads = [struct.unpack_from("<IIQQQQ", elf, shoff + i * size) for i in range(number)]
    names = heads[strings][4]
    for at, kind, _, addr, off, length in heads:
        if elf[names + at:].split(b"\0", 1)[0] == name and kind != 8:
            return addr, elf[off:off + length]
    return None


def functions(frame):
    """Pairs (CIE, FDE) of .eh_frame, with whole bytes."""
    at = 0
    while at + 8 <= len(frame):
        length, back = struct.unpack_from("<II", frame, at)
        if length == 0 or length == 0xffffffff:
            return
        if back:
            cie = at + 4 - back
            end = cie + 4 + struct.unpack_from("<I", frame, cie)[0]
            yield frame[cie:end], frame[at:at + 4 + length]
        at += 4 + length


def variety(frame, number):
    """Functions whose instructions differ most: each brings an opcode that was not there yet."""
    seen, rest = set(), []
    for cie, fde in functions(frame):
        new = set(fde[17:]) | set(cie[8:])
        if not new <= seen and len(fde) < 400:
            seen |= new
            yield cie, fde
            number -= 1
            if number == 0:
                return


def libraries():
    """Name, machine and .eh_frame of each library that is there."""
    for path in LIBRARIES:
        if not pathlib.Path(path).exists():
            continue
        elf = pathlib.Path(path).read_bytes()
        found = section(elf, b".eh_frame")
        if found:
            yield pathlib.Path(path).name, struct.unpack_from("<H", elf, 18)[0], found[1]


def eh_frame(pairs, address, code, size=64):
    """A section at @address of these functions, @size bytes each from @code on, and where they are."""
    out, at = bytearray(), []
    cies = {}
    for i, (cie, fde) in enumerate(pairs):
        if cie not in cies:
            cies[cie] = len(out)
            out += cie
        at.append(len(out))
        fde = bytearray(fde)
        struct.pack_into("<I", fde, 4, len(out) + 4 - cies[cie])
        struct.pack_into("<ii", fde, 8, code + i * size - (address + len(out) + 8), size)
        out += fde
    return bytes(out + bytes(4)), at


def debug_frame(pairs, code, size=64):
    """The same as .debug_frame, where ids and addresses are other ones."""
    out = bytearray()
    for i, (cie, fde) in enumerate(pairs):
        start = len(out)
        fields = cie[9:].split(b"\0", 1)[1]  # behind the letters, all of which begin with z
        out += cie[:4] + b"\xff\xff\xff\xff" + b"\1\0" + fields[:3] + fields[4 + fields[3]:]
        struct.pack_into("<I", out, start, len(out) - start - 4)
        body = struct.pack("<IQQ", start, code + size * i, size) + fde[17:]
        out += struct.pack("<I", len(body)) + body
    return bytes(out)
