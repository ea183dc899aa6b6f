#!/usr/bin/env python3
"""Draws the app's icon: a gauge whose needle stands high.

    deploy/macos/icon.py AppIcon.icns

An .icns file is a list of PNG pictures, each with a four-letter type that says its size.
"""

import math
import struct
import sys
import zlib

SIZES = {b"ic07": 128, b"ic08": 256, b"ic09": 512, b"ic10": 1024}
EDGE, CORNER = 0.08, 0.18
BACK, RING, NEEDLE = (24, 28, 40), (90, 200, 160), (240, 244, 250)


def shade(x, y):
    """Colour and opacity at a point of the unit square, y downwards."""
    dx, dy = abs(x - 0.5) - (0.5 - EDGE - CORNER), abs(y - 0.5) - (0.5 - EDGE - CORNER)
    outside = math.hypot(max(dx, 0), max(dy, 0)) - CORNER
    if outside > 0:
        return (0, 0, 0), 0
    px, py = x - 0.5, y - 0.6
    radius, angle = math.hypot(px, py), math.degrees(math.atan2(-py, px))
    if 0.24 < radius < 0.31 and -30 < angle < 210 or 0.24 < radius < 0.31 and angle < -150:
        return RING, 255
    tip = math.radians(50)
    along = px * math.cos(tip) - py * math.sin(tip)
    across = abs(px * math.sin(tip) + py * math.cos(tip))
    if radius < 0.045 or (0 < along < 0.23 and across < 0.03 * (1 - along / 0.26)):
        return NEEDLE, 255
    return BACK, 255


def png(size):
    rows = bytearray()
    for row in range(size):
        rows.append(0)
        for column in range(size):
            colour, opacity = shade((column + 0.5) / size, (row + 0.5) / size)
            rows += bytes((*colour, opacity))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(rows), 9))
            + chunk(b"IEND", b""))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: icon.py FILE")
    pictures = b"".join(kind + struct.pack(">I", len(data) + 8) + data
                        for kind, data in ((kind, png(size)) for kind, size in SIZES.items()))
    with open(sys.argv[1], "wb") as file:
        file.write(b"icns" + struct.pack(">I", len(pictures) + 8) + pictures)


main()
