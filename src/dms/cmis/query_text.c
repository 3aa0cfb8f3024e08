/* SPDX-License-Identifier: Apache-2.0 */
/* What the texts of a query mean: literals without their escapes, LIKE patterns, CONTAINS. */
#include "base/buf.h"
#include "dms/cmis/query.h"

#include <strings.h>

/* Calls for each character of a literal with whether it was escaped. */
static const char *literal_copy(struct arena *arena, const char *literal, bool pattern)
{
    char *out = arena_alloc(arena, strlen(literal) * 2 + 1);
    char *to = out;
    for (const char *c = literal; out && *c; c++) {
        bool escaped = *c == '\\' && c[1];
        if (escaped || (*c == '\'' && c[1] == '\''))
            c++;
        bool special = *c == '\\' || *c == '%' || *c == '_';
        if (escaped && !special && *c != '\'')
            *to++ = '\\'; /* a backslash before anything else is itself */
        if (pattern && escaped && !special && *c != '\'')
            *to++ = '\\';
        if (pattern && escaped && special)
            *to++ = '\\';
        if (!pattern && escaped && (*c == '%' || *c == '_'))
            *to++ = '\\';
        *to++ = *c;
    }
    return out;
}

const char *query_text(struct arena *arena, const char *literal)
{
    return literal_copy(arena, literal, false);
}

const char *query_pattern(struct arena *arena, const char *literal)
{
    return literal_copy(arena, literal, true);
}

/* One word or phrase, quoted for FTS5; a '*' at a word's end finds what begins so. */
static void term_append(struct buf *out, const char *start, size_t size, bool phrase)
{
    bool prefix = !phrase && size > 1 && start[size - 1] == '*';
    (void)buf_append_byte(out, '"');
    for (size_t i = 0; i < size - prefix; i++) {
        if (start[i] == '"')
            (void)buf_append_byte(out, '"');
        (void)buf_append_byte(out, (uint8_t)start[i]);
    }
    (void)buf_append_text(out, prefix ? "\"*" : "\"");
}

/* Words all of which must be there, OR between alternatives, - before what must not be there,
 * "phrases". FTS5 wants NOT between two: so the wanted ones come first. */
const char *query_match(struct arena *arena, const char *literal)
{
    SCOPED(buf_done) struct buf wanted = {0}, unwanted = {0};
    const char *at = query_text(arena, literal);
    bool alternative = false;
    if (!at)
        return NULL;
    for (at += strspn(at, " \t"); *at; at += strspn(at, " \t")) {
        bool negated = *at == '-' && at[1] && at[1] != ' ';
        at += negated;
        bool phrase = *at == '"' || *at == '\'';
        const char *end = phrase ? strchr(at + 1, *at) : NULL;
        phrase = phrase && end;
        const char *start = phrase ? at + 1 : at;
        size_t size = phrase ? (size_t)(end - start) : strcspn(start, " \t");
        at = start + size + phrase;
        if (!phrase && size == 2 && strncasecmp(start, "OR", 2) == 0) {
            alternative = wanted.size > 0;
            continue;
        }
        if (size == 0 || (!phrase && size == 3 && strncasecmp(start, "AND", 3) == 0))
            continue;
        struct buf *out = negated ? &unwanted : &wanted;
        if (out->size > 0)
            (void)buf_append_text(out, negated || alternative ? " OR " : " AND ");
        term_append(out, start, size, phrase);
        alternative = false;
    }
    if (wanted.size == 0)
        return NULL;
    const char *first = buf_text(&wanted), *second = buf_text(&unwanted);
    if (!first || !second)
        return NULL;
    return *second ? arena_printf(arena, "(%s) NOT (%s)", first, second)
                   : arena_text(arena, slice_of_text(first));
}
