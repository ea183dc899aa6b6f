#!/usr/bin/env python3
"""Write the tables of services/cache/model/unicode_tables.h from Python's Unicode database.

usage: unicode_tables.py > services/cache/model/unicode_tables.h
"""
import sys
import textwrap
import unicodedata

LAST = 0x110000


def rows(items):
    text = " ".join(item.replace(" ", "~") for item in items)
    lines = textwrap.wrap(text, 96, break_on_hyphens=False)
    return "".join("    %s\n" % line.replace("~", " ") for line in lines)


def decompositions():
    """Canonical ones as (code, first, second or 0); Hangul is computed."""
    for code in range(LAST):
        text = unicodedata.decomposition(chr(code))
        if text and not text.startswith("<"):
            parts = [int(p, 16) for p in text.split()]
            yield code, parts[0], parts[1] if len(parts) > 1 else 0


def foldings():
    """Lower case of one character as runs (first, last, step, difference)."""
    runs = []
    for code in range(0x80, LAST):
        low = chr(code).casefold() if len(chr(code).casefold()) == 1 else chr(code).lower()
        if len(low) != 1 or ord(low) == code:
            continue
        difference = ord(low) - code
        if runs and runs[-1][3] == difference and code - runs[-1][1] in (1, 2):
            first, last, step, _ = runs[-1]
            if step in (0, code - last):
                runs[-1] = (first, code, code - last, difference)
                continue
        runs.append((code, code, 0, difference))
    return [(f, l, s or 1, d) for f, l, s, d in runs]


pairs = list(decompositions())
sys.stdout.write("""/*  Written by tests/tools/unicode_tables.py from the Unicode database, version %s; see unicode.h. */
#ifndef MLX_CACHE_MODEL_UNICODE_TABLES_H
#define MLX_CACHE_MODEL_UNICODE_TABLES_H

#include <stdint.h>

/* clang-format off */

/*  A character and what it is made of. */
static const struct {
    uint32_t code, first, second;
} unicode_pairs[] = {
%s};

/*  A character and the one that it is another code for. */
static const struct {
    uint32_t code, same;
} unicode_singles[] = {
%s};

/*  Capitals FIRST, FIRST + STEP .. LAST and how far off their small letters are. */
static const struct {
    uint32_t first, last, step;
    int32_t off;
} unicode_capitals[] = {
%s};

/* clang-format on */

#endif
""" % (unicodedata.unidata_version,
       rows(("{0x%X, 0x%X, 0x%X}," % p for p in pairs if p[2])),
       rows(("{0x%X, 0x%X}," % p[:2] for p in pairs if not p[2])),
       rows(("{0x%X, 0x%X, %d, %d}," % p for p in foldings()))))
