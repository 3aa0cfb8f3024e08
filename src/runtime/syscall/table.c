/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls, made from table.def. Names and shapes are stored without pointers, so
 * that a process which never traces pays no relocation and no private page for them. */
#include "runtime/syscall/call.h"

const struct call_row call_table[CALL_NR_MAX] = {
#define CALL(nr_, name_, class_, fn_, args_, reason_) [nr_] = {fn_, CALL_##class_},
#include "runtime/syscall/table.def"
#undef CALL
};

static const struct call_texts {
#define CALL(nr_, name_, class_, fn_, args_, reason_) \
    char n_##nr_[sizeof(#name_)];                     \
    char s_##nr_[sizeof(args_)];                      \
    char w_##nr_[sizeof(reason_)];
#include "runtime/syscall/table.def"
#undef CALL
} call_texts = {
#define CALL(nr_, name_, class_, fn_, args_, reason_) #name_, args_, reason_,
#include "runtime/syscall/table.def"
#undef CALL
};

static const struct {
    uint16_t name, shapes, why; /* offsets into call_texts; `name` 0 but for call 0: no row */
} call_offsets[CALL_NR_MAX] = {
#define CALL(nr_, name_, class_, fn_, args_, reason_)                                    \
    [nr_] = {offsetof(struct call_texts, n_##nr_), offsetof(struct call_texts, s_##nr_), \
             offsetof(struct call_texts, w_##nr_)},
#include "runtime/syscall/table.def"
#undef CALL
};

static bool has_row(long nr)
{
    return nr >= 0 && nr < CALL_NR_MAX && call_table[nr].class != CALL_UNKNOWN;
}

const char *call_name(long nr)
{
    return has_row(nr) ? (const char *)&call_texts + call_offsets[nr].name : NULL;
}

const char *call_shapes(long nr)
{
    return has_row(nr) ? (const char *)&call_texts + call_offsets[nr].shapes : NULL;
}

const char *call_why(long nr)
{
    return has_row(nr) ? (const char *)&call_texts + call_offsets[nr].why : NULL;
}

const char *call_class_name(enum call_class class)
{
    static const char names[][8] = {"unknown", "pass", "fd", "any", "shield", "emulate", "deny"};
    return (unsigned)class < ARRAY_COUNT(names) ? names[class] : "unknown";
}
