#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a text file into a C array: guide.py INPUT OUTPUT."""
import sys

with open(sys.argv[1], "rb") as source:
    text = source.read()
with open(sys.argv[2], "w", encoding="ascii") as out:
    out.write("/* SPDX-License-Identifier: Apache-2.0 */\n#include <stddef.h>\n")
    out.write("extern const char dms_guide[];\nextern const size_t dms_guide_size;\n")
    out.write("const char dms_guide[] = {\n")
    for at in range(0, len(text), 16):
        out.write("".join(f"{byte - 256 if byte > 127 else byte}," for byte in text[at:at + 16]) + "\n")
    out.write("0};\n")
    out.write(f"const size_t dms_guide_size = {len(text)};\n")
