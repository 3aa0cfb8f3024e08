/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/syscall/insn.h"

#define NEAREST 15  /* how far back a proof begins at least, */
#define FARTHEST 96 /* and at most */

/* What follows an opcode, one letter each:
 *   . nothing   m ModRM   b imm8   w imm16   z imm32 (imm16 after 66)   B ModRM, imm8   Z ModRM, imm z
 *   v imm as wide as the operand   o an address   e imm16, imm8   g ModRM, imm8 if reg < 2   G the
 *   same with imm z   r rel8   R rel32   f nothing, stays   - invalid   p prefix   x escape   ? unknown
 * FF, 0F 01 and C7 are looked at again. */
static const char one_byte[] = "mmmmbz--mmmmbz-x"
                               "mmmmbz--mmmmbz--"
                               "mmmmbzp-mmmmbzp-"
                               "mmmmbzp-mmmmbzp-"
                               "pppppppppppppppp"
                               "................"
                               "--xmppppzZbB...."
                               "rrrrrrrrrrrrrrrr"
                               "BZ-Bmmmmmmmmmmmx"
                               "..........-....."
                               "oooo....bz......"
                               "bbbbbbbbvvvvvvvv"
                               "BBffxxBZe.ffff-f"
                               "mmmm-?-.mmmmmmmm"
                               "rrrrbbbbRR-r...."
                               "p.ppf.gG......mm";
static const char two_bytes[] = "mmmm?fff..-f?m.B"
                                "mmmmmmmmmmmmmmmm"
                                "mmmm----mmmmmmmm"
                                "....ff-fx?x-----"
                                "mmmmmmmmmmmmmmmm"
                                "mmmmmmmmmmmmmmmm"
                                "mmmmmmmmmmmmmmmm"
                                "BBBBmmm.?m??mmmm"
                                "RRRRRRRRRRRRRRRR"
                                "mmmmmmmmmmmmmmmm"
                                "...mBm??..fmBmmm"
                                "mmmmmmmmmmBmmmmm"
                                "mmBmBBBm........"
                                "mmmmmmmmmmmmmmmm"
                                "mmmmmmmmmmmmmmmm"
                                "mmmmmmmmmmmmmmmm";
_Static_assert(sizeof(one_byte) == 257 && sizeof(two_bytes) == 257, "one letter per opcode");

struct cursor {
    const uint8_t *bytes;
    size_t size, at;
    bool short_of; /* read beyond `size` */
    bool word;     /* 66 */
    bool address;  /* 67 */
    uint8_t rex;
};

static uint8_t next(struct cursor *c)
{
    if (c->at < c->size)
        return c->bytes[c->at++];
    c->short_of = true;
    return 0;
}

static void skip(struct cursor *c, size_t n)
{
    if (c->size - c->at < n)
        c->short_of = true;
    else
        c->at += n;
}

/* ModRM, SIB and displacement. Returns ModRM; *ret_disp is set if it is relative to %rip. */
static uint8_t take_modrm(struct cursor *c, uint8_t *ret_disp)
{
    uint8_t modrm = next(c), mod = modrm >> 6, rm = modrm & 7;
    if (mod == 3)
        return modrm;
    if (rm == 4) {
        uint8_t base = next(c) & 7;
        if (mod == 0 && base == 5)
            skip(c, 4);
    } else if (mod == 0 && rm == 5) {
        *ret_disp = (uint8_t)c->at;
        skip(c, 4);
    }
    skip(c, mod == 1 ? 1 : mod == 2 ? 4 : 0);
    return modrm;
}

/* The opcode behind a VEX or EVEX prefix: its letter. */
static char take_vector_opcode(struct cursor *c, unsigned map)
{
    uint8_t op = next(c);
    switch (map) {
    case 1:
        return two_bytes[op] == 'B' ? 'B' : op == 0x77 ? '.' : 'm';
    case 2:
    case 5:
    case 6:
        return 'm';
    case 3:
        return 'B';
    default:
        return '?';
    }
}

static char take_escape(struct cursor *c, uint8_t first, uint8_t *ret_op)
{
    uint8_t op;
    switch (first) {
    case 0x0f:
        op = next(c);
        if (op == 0x38 || op == 0x3a) {
            next(c);
            return op == 0x38 ? 'm' : 'B';
        }
        *ret_op = op;
        return two_bytes[op];
    case 0xc5:
        next(c);
        return take_vector_opcode(c, 1);
    case 0xc4:
        op = next(c);
        next(c);
        return take_vector_opcode(c, op & 0x1f);
    case 0x62:
        op = next(c);
        skip(c, 2);
        return take_vector_opcode(c, op & 7);
    default: /* 8F: pop, or AMD's XOP */
        return c->at < c->size && (c->bytes[c->at] & 0x38) != 0 ? '?' : 'm';
    }
}

static uint8_t take_prefixes(struct cursor *c)
{
    for (;;) {
        uint8_t byte = next(c);
        if (c->short_of || one_byte[byte] != 'p')
            return byte;
        if (byte == 0x66)
            c->word = true;
        if (byte == 0x67)
            c->address = true;
        c->rex = (byte & 0xf0) == 0x40 ? byte : 0; /* only right before the opcode */
    }
}

/* Takes the operands that `letter` says. */
static enum insn_kind take_operands(struct cursor *c, char letter, uint8_t *ret_modrm,
                                    uint8_t *disp)
{
    bool wide = c->rex & 8;
    size_t z = c->word && !wide ? 2 : 4;
    switch (letter) {
    case 'm':
    case 'B':
    case 'Z':
    case 'g':
    case 'G':
        *ret_modrm = take_modrm(c, disp);
        bool with = letter == 'B' || letter == 'Z' || (letter != 'm' && (*ret_modrm & 0x30) == 0);
        skip(c, !with ? 0 : letter == 'Z' || letter == 'G' ? z : 1);
        return *disp ? INSN_NEAR : INSN_PLAIN;
    case 'b':
        skip(c, 1);
        return INSN_PLAIN;
    case 'e':
        skip(c, 3);
        return INSN_PLAIN;
    case 'z':
        skip(c, z);
        return INSN_PLAIN;
    case 'v':
        skip(c, wide ? 8 : z);
        return INSN_PLAIN;
    case 'o':
        skip(c, c->address ? 4 : 8);
        return INSN_PLAIN;
    case 'r':
        skip(c, 1);
        return INSN_FIXED;
    case 'R': /* 66 before a near branch: Intel ignores it, AMD does not */
        skip(c, 4);
        return c->word && !wide ? INSN_UNKNOWN : INSN_FIXED;
    case 'f':
        return INSN_FIXED;
    case '.':
        return INSN_PLAIN;
    default:
        return letter == '-' ? INSN_INVALID : INSN_UNKNOWN;
    }
}

/* What the letters do not say. */
static enum insn_kind judge(enum insn_kind kind, uint8_t first, uint8_t second, uint8_t modrm)
{
    uint8_t reg = (modrm >> 3) & 7;
    if ((first == 0xff && reg == 7) || (first == 0xfe && reg >= 2))
        return INSN_INVALID;
    if (first == 0xff && reg >= 2 && reg <= 5)
        return INSN_FIXED; /* calls and jumps */
    if (first == 0xc7 && modrm == 0xf8)
        return INSN_FIXED; /* XBEGIN */
    if (first == 0x0f && second == 0x01 && modrm >= 0xc0)
        return INSN_FIXED; /* what enters hypervisors and enclaves */
    return kind;
}

struct insn insn_decode(const uint8_t *bytes, size_t size)
{
    struct cursor c = {.bytes = bytes, .size = MIN(size, (size_t)INSN_SIZE_MAX)};
    const struct insn unknown = {.kind = INSN_UNKNOWN};
    uint8_t first = take_prefixes(&c), second = 0, modrm = 0, disp = 0;
    if (c.short_of)
        return unknown;
    char letter = one_byte[first];
    if (letter == 'x')
        letter = take_escape(&c, first, &second);
    enum insn_kind kind = take_operands(&c, letter, &modrm, &disp);
    if (first == 0xc2 || first == 0xca)
        skip(&c, 2);
    if (first == 0xcd)
        skip(&c, 1);
    if (c.short_of || kind == INSN_UNKNOWN)
        return unknown;
    kind = judge(kind, first, second, modrm);
    if (kind == INSN_INVALID)
        return (struct insn){.kind = INSN_INVALID};
    return (struct insn){kind, (uint8_t)c.at, disp};
}

enum walk { WALK_UNKNOWN, WALK_NEVER, WALK_ARRIVED };

/* Decodes from `from`: the last instruction before `at`, if the walk comes to `at`. */
static enum walk walk_to(const uint8_t *text, size_t size, size_t from, size_t at,
                         struct insn *ret_last)
{
    while (from < at) {
        *ret_last = insn_decode(text + from, size - from);
        if (ret_last->kind == INSN_UNKNOWN)
            return WALK_UNKNOWN;
        if (ret_last->kind == INSN_INVALID)
            return WALK_NEVER;
        from += ret_last->size;
    }
    return from == at ? WALK_ARRIVED : WALK_NEVER;
}

static struct insn prove_from(const uint8_t *text, size_t size, size_t first, size_t at)
{
    struct insn found = {0};
    for (size_t i = 0; i < INSN_SIZE_MAX; i++) {
        struct insn last = {0};
        enum walk walk = walk_to(text, size, first + i, at, &last);
        if (walk == WALK_UNKNOWN)
            return (struct insn){0};
        if (walk != WALK_ARRIVED)
            continue;
        if (found.size != 0 && found.size != last.size)
            return (struct insn){0};
        found = last;
    }
    return found;
}

struct insn insn_before(const uint8_t *text, size_t size, size_t at)
{
    for (size_t back = NEAREST + INSN_SIZE_MAX; back <= MIN(at, (size_t)FARTHEST); back++) {
        struct insn found = prove_from(text, size, at - back, at);
        if (found.size != 0)
            return found;
    }
    return (struct insn){0};
}
