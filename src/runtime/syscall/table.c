/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls, made from table.def. Names and shapes are stored without pointers, so
 * that a process which never traces pays no relocation and no private page for them. */
#include "runtime/syscall/call.h"

#include <errno.h>

const struct call_row call_table[CALL_NR_MAX] = {
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) \
    [nr_] = {fn_, CALL_##class_, ENGINES_##engines_},
#include "runtime/syscall/table.def"
#undef CALL
};

static const struct call_texts {
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) \
    char n_##nr_[sizeof(#name_)];                              \
    char s_##nr_[sizeof(shapes_)];                             \
    char w_##nr_[sizeof(why_)];
#include "runtime/syscall/table.def"
#undef CALL
} call_texts = {
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) #name_, shapes_, why_,
#include "runtime/syscall/table.def"
#undef CALL
};

static const struct {
    uint16_t name, shapes, why; /* offsets into call_texts; `name` 0 but for call 0: no row */
} call_offsets[CALL_NR_MAX] = {
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_)                           \
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
    /* cppcheck-suppress[arrayIndexOutOfBounds,negativeIndex] ; has_row() looked */
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

const char *call_engines(long nr)
{
    static const char names[][20] = {"all", "inside", "part", "vm (ENOSYS)", "vm (EINVAL)"};
    return has_row(nr) ? names[call_table[nr].engines] : NULL;
}

int call_enclave_errno(long nr)
{
    switch (has_row(nr) ? (enum call_engines)call_table[nr].engines : ENGINES_ALL) {
    case ENGINES_VM_ENOSYS:
        return -ENOSYS;
    case ENGINES_VM_EINVAL:
        return -EINVAL;
    default:
        return 0;
    }
}

const char *call_class_name(enum call_class class)
{
    static const char names[][8] = {"unknown", "pass", "fd", "any", "shield", "emulate", "deny"};
    return (unsigned)class < ARRAY_COUNT(names) ? names[class] : "unknown";
}
