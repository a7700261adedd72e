"""Breaks files, in the ways that links, disks, phones and attackers do; the same number gives the same file.

`broken(seeds, number)` is pure: nothing here touches a disk or a clock.
"""

import random
import struct
from collections.abc import Callable, Mapping

Mutation = Callable[[random.Random, bytearray, Mapping[str, bytes]], bytearray]

# Sizes and counts that parsers trip over.
_EXTREMES = (0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
_BOXES = (
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"ctts", b"elst", b"mdhd",
    b"tkhd", b"hdlr", b"avcC", b"esds", b"moof", b"traf", b"tfhd", b"trun", b"mdat", b"ftyp", b"dref", b"uuid",
)  # fmt: skip
_LINES = (
    b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile /etc/hostname\n", b"<?xml version='1.0'?><MPD><BaseURL>file:///etc/hostname</BaseURL></MPD>",
    b"[playlist]\nFile1=/etc/hostname\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"PK\x03\x04", b"%PDF-1.7\n",
    b"\x7fELF", b"#!/bin/sh\n", b"\x00" * 64,
)  # fmt: skip


def broken(seeds: Mapping[str, bytes], number: int) -> tuple[str, bytes]:
    """The `number`th broken file and what was done to it, as `seed:mutation+mutation`."""
    chance = random.Random(number)
    name = sorted(seeds)[number % len(seeds)]
    payload = bytearray(seeds[name])
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        mutation = chance.choice(MUTATIONS)
        payload = mutation(chance, payload, seeds) or bytearray(b"\x00")
        done.append(mutation.__name__.strip("_"))
    return f"{name}:{'+'.join(done)}", bytes(payload[: 4 << 20])


def _flip_bits(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    for _ in range(chance.choice((1, 8, 64, 512))):
        payload[chance.randrange(len(payload))] ^= 1 << chance.randrange(8)
    return payload


def _flip_bits_of_the_head(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    for _ in range(chance.choice((1, 4, 16))):
        payload[chance.randrange(min(len(payload), 600))] ^= 1 << chance.randrange(8)
    return payload


def _overwrite(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    start = chance.randrange(len(payload))
    length = chance.choice((4, 64, 1024, 8192))
    payload[start : start + length] = chance.randbytes(min(length, len(payload) - start))
    return payload


def _cut_off(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    return payload[: chance.randrange(1, len(payload) + 1)]


def _lose_the_middle(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    start = chance.randrange(len(payload))
    del payload[start : start + chance.choice((1, 188, 4096, 20_000))]
    return payload


def _repeat(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    start = chance.randrange(len(payload))
    piece = payload[start : start + chance.choice((8, 188, 4096))]
    return payload[:start] + piece * chance.choice((2, 20, 200)) + payload[start:]


def _holes(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    start = chance.randrange(len(payload))
    length = min(chance.choice((512, 4096, 65_536)), len(payload) - start)
    payload[start : start + length] = bytes(length)
    return payload


def _splice(chance: random.Random, payload: bytearray, seeds: Mapping[str, bytes]) -> bytearray:
    other = seeds[chance.choice(sorted(seeds))]
    return payload[: chance.randrange(1, len(payload) + 1)] + other[chance.randrange(len(other)) :]


def _foreign_head(chance: random.Random, payload: bytearray, seeds: Mapping[str, bytes]) -> bytearray:
    other = seeds[chance.choice(sorted(seeds))]
    length = chance.choice((4, 12, 64, 512))
    return bytearray(other[:length]) + payload[length:]


def _extreme_number(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    if len(payload) < 16:
        return payload
    at = chance.randrange(len(payload) - 8)
    struct.pack_into(chance.choice((">I", "<I")), payload, at, chance.choice(_EXTREMES))
    return payload


def _extreme_box_size(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    places = [at for name in _BOXES if (at := payload.find(name)) >= 4]
    if not places:
        return _extreme_number(chance, payload, _seeds)
    struct.pack_into(">I", payload, chance.choice(places) - 4, chance.choice(_EXTREMES))
    return payload


def _extreme_box_count(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    places = [at for name in _BOXES if 0 <= (at := payload.find(name)) < len(payload) - 16]
    if not places:
        return _extreme_number(chance, payload, _seeds)
    struct.pack_into(">I", payload, chance.choice(places) + chance.choice((4, 8, 12)), chance.choice(_EXTREMES))
    return payload


def _rename_a_box(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    places = [at for name in _BOXES if (at := payload.find(name)) >= 0]
    if places:
        at = chance.choice(places)
        payload[at : at + 4] = chance.choice((*_BOXES, b"cmov", b"rmra", b"\xff\xff\xff\xff"))
    return payload


def _no_media_at_all(chance: random.Random, payload: bytearray, _seeds: Mapping[str, bytes]) -> bytearray:
    return bytearray(chance.choice(_LINES)) + (payload if chance.random() < 0.5 else b"")


MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits, _flip_bits_of_the_head, _overwrite, _cut_off, _lose_the_middle, _repeat, _holes, _splice, _foreign_head,
    _extreme_number, _extreme_box_size, _extreme_box_count, _rename_a_box, _no_media_at_all,
)  # fmt: skip
