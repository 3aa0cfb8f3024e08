/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/syscall/site_form.h"
#include "runtime/syscall/insn.h"

#include <string.h>

#define SYS_NR_MAX 512
#define NR_SIGRETURN 15 /* unwinders know it by its bytes */
#define REACH 126       /* of a short jump */
#define PADDING_SAFE 7  /* jump over, jump to the trampoline: harmless even if run through */
#define PADDING_LEAST 5
#define JUMP 5
#define ADDRESS_LIMIT ((int64_t)0x7fffffff0000)

/* The no-operations that assemblers pad with, by length. */
static const struct {
    uint8_t size;
    uint8_t bytes[11];
} paddings[] = {
    {5, {0x0f, 0x1f, 0x44, 0x00, 0x00}},
    {6, {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00}},
    {7, {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00}},
    {8, {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}},
    {9, {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}},
    {10, {0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}},
    {11, {0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}},
};

static uint32_t read_u32(const uint8_t *bytes)
{
    uint32_t n;
    memcpy(&n, bytes, sizeof(n));
    return n;
}

static bool number_acceptable(uint32_t nr)
{
    return nr < SYS_NR_MAX && nr != NR_SIGRETURN;
}

/* How many bytes at `at` are padding up to a 16-byte boundary; 0: something else. */
static size_t padding_size(const uint8_t *text, size_t size, size_t at, uint64_t base)
{
    size_t room = (size_t)(-(base + at) & 15);
    if (room < PADDING_LEAST || at + room > size)
        return 0;
    for (size_t i = 0; i < ARRAY_COUNT(paddings); i++)
        if (paddings[i].size == room && memcmp(text + at, paddings[i].bytes, room) == 0)
            return room;
    for (size_t i = 0; i < room; i++)
        if (text[at + i] != 0xcc)
            return 0;
    return room;
}

/* Nothing runs into `at`: a return or an unconditional jump stands before it. */
static bool follows_end(const uint8_t *text, size_t at)
{
    return (at >= 1 && text[at - 1] == 0xc3) || (at >= 5 && text[at - 5] == 0xe9) ||
           (at >= 2 && text[at - 2] == 0xeb);
}

/* A return that cannot be the last byte of another instruction: behind add $n,%rsp, a pop that
 * follows one, or mov $-1,%rax. */
static bool follows_return(const uint8_t *text, size_t at)
{
    static const uint8_t minus_one[] = {0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, 0xc3};
    if (at >= 5 && memcmp(text + at - 5, "\x48\x83\xc4", 3) == 0 && text[at - 1] == 0xc3)
        return true;
    return at >= sizeof(minus_one) &&
           memcmp(text + at - sizeof(minus_one), minus_one, sizeof(minus_one)) == 0;
}

static bool find_padding(const uint8_t *text, size_t size, size_t at, uint64_t base,
                         struct site_form *form)
{
    size_t from = at > REACH ? at - REACH : 0, to = MIN(size, at + REACH - PADDING_SAFE);
    for (size_t p = from; p < to; p++) {
        size_t room = padding_size(text, size, p, base);
        if (room == 0 || !follows_end(text, p))
            continue;
        if (room < PADDING_SAFE && !follows_return(text, p))
            continue;
        *form = (struct site_form){
            .kind = room < PADDING_SAFE ? SITE_BEHIND_RETURN : SITE_PADDING,
            .start = at,
            .size = 2,
            .padding = p,
        };
        return true;
    }
    return false;
}

/* Form A, or a number that must stay as it is: then `*ret_stays`. */
static bool find_mov(const uint8_t *text, size_t at, struct site_form *form, bool *ret_stays)
{
    if (at >= 7 && memcmp(text + at - 7, "\x48\xc7\xc0", 3) == 0)
        *form = (struct site_form){SITE_MOV_LONG, at - 7, 7, 0, read_u32(text + at - 4), 0};
    /* A REX prefix before it would make it another register's. */
    else if (at >= 6 && text[at - 5] == 0xb8 && (text[at - 6] & 0xf0) != 0x40 &&
             read_u32(text + at - 4) < SYS_NR_MAX)
        *form = (struct site_form){SITE_MOV, at - 5, 5, 0, read_u32(text + at - 4), 0};
    else
        return false;
    *ret_stays = form->nr == NR_SIGRETURN;
    return number_acceptable(form->nr);
}

/* One byte long is not enough for any choice of where to jump. */
static bool find_before(const uint8_t *text, size_t size, size_t at, struct site_form *form)
{
    struct insn insn = insn_before(text, size, at);
    if (insn.size < 2 || at - insn.size + JUMP > size ||
        (insn.kind != INSN_PLAIN && insn.kind != INSN_NEAR))
        return false;
    *form = (struct site_form){
        .kind = SITE_BEFORE, .start = at - insn.size, .size = insn.size, .disp = insn.disp};
    return true;
}

size_t site_forms_of(const uint8_t *text, size_t size, size_t at, uint64_t base,
                     struct site_form forms[SITE_FORMS_MAX])
{
    size_t count = 0;
    bool stays = false;
    if (at + 2 > size || text[at] != 0x0f || text[at + 1] != 0x05)
        return 0;
    if (find_mov(text, at, &forms[0], &stays))
        count++;
    if (stays)
        return 0;
    struct site_form padding = {0};
    bool padded = find_padding(text, size, at, base, &padding);
    if (count == 0 && padded && padding.kind == SITE_PADDING)
        forms[count++] = padding;
    if (count == 0 || forms[0].kind == SITE_PADDING)
        count += find_before(text, size, at, &forms[count]);
    if (padded && padding.kind == SITE_BEHIND_RETURN)
        forms[count++] = padding;
    return count;
}

bool site_form_reach(const uint8_t *text, uint64_t base, const struct site_form *form,
                     uint64_t *ret_from, uint64_t *ret_to)
{
    uint32_t kept = read_u32(text + form->start + 1), free = 0xffffffff;
    if (form->size < JUMP)
        free = (1u << (8 * (form->size - 1))) - 1;
    int64_t behind = (int64_t)(base + form->start + JUMP);
    int64_t from = behind + (int32_t)(kept & ~free), to = from + free;
    if (free == 0xffffffff) {
        from = behind + INT32_MIN;
        to = behind + INT32_MAX;
    }
    from = MAX(from, (int64_t)0x10000);
    to = MIN(to, ADDRESS_LIMIT);
    if (from > to)
        return false;
    *ret_from = (uint64_t)from;
    *ret_to = (uint64_t)to;
    return true;
}
