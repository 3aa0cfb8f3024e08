/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/refusal.h"

#include <errno.h>
#include <stdio.h>

static const struct {
    const char *code, *message, *remedy;
} refusals[REFUSAL_COUNT] = {[REFUSAL_NONE] = {"NONE", "nothing was refused", ""},
#define REFUSAL_ROW(id, code_, message_, remedy_) [REFUSAL_##id] = {code_, message_, remedy_},
                             REFUSALS(REFUSAL_ROW)
#undef REFUSAL_ROW
};

static enum refusal_reason bounded(enum refusal_reason reason)
{
    return (unsigned)reason < REFUSAL_COUNT ? reason : REFUSAL_INTERNAL;
}

const char *refusal_code(enum refusal_reason reason)
{
    return refusals[bounded(reason)].code;
}

const char *refusal_message(enum refusal_reason reason)
{
    return refusals[bounded(reason)].message;
}

const char *refusal_remedy(enum refusal_reason reason)
{
    return refusals[bounded(reason)].remedy;
}

static void text_copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

int refusal_set(struct refusal *refusal, enum refusal_reason reason, const char *clause,
                unsigned line, const char *expected, const char *seen)
{
    if (!refusal)
        return -EACCES;
    *refusal = (struct refusal){.reason = reason, .line = line};
    text_copy(refusal->clause, sizeof refusal->clause, clause);
    text_copy(refusal->expected, sizeof refusal->expected, expected);
    text_copy(refusal->seen, sizeof refusal->seen, seen);
    return -EACCES;
}

int refusal_error(const struct refusal *refusal, struct error *e)
{
    char line[24] = "";
    if (refusal->line)
        snprintf(line, sizeof line, " in line %u", refusal->line);
    return error_set(e, -EACCES, "%s: %s%s%s%s%s%s%s%s; %s", refusal_code(refusal->reason),
                     refusal_message(refusal->reason), refusal->clause[0] ? "; clause " : "",
                     refusal->clause, line, refusal->expected[0] ? "; expected " : "",
                     refusal->expected, refusal->seen[0] ? "; seen " : "", refusal->seen,
                     refusal_remedy(refusal->reason));
}
