/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/dav/dav_parse.h"

#include <errno.h>

struct if_parser {
    struct arena *arena;
    struct slice rest;
    struct dav_if result;
    char *resource; /* the tag of the lists that follow */
};

static void blanks_skip(struct if_parser *parser)
{
    while (parser->rest.size > 0 && (parser->rest.bytes[0] == ' ' || parser->rest.bytes[0] == '\t'))
        parser->rest = slice_of(parser->rest.bytes + 1, parser->rest.size - 1);
}

static bool next_is(const struct if_parser *parser, char c)
{
    return parser->rest.size > 0 && parser->rest.bytes[0] == (uint8_t)c;
}

static void skip(struct if_parser *parser, size_t size)
{
    parser->rest = slice_of(parser->rest.bytes + size, parser->rest.size - size);
}

/* What stands between the next character and `end`; both are skipped. */
static int enclosed(struct if_parser *parser, char end, char **ret_text)
{
    const uint8_t *at = memchr(parser->rest.bytes, end, parser->rest.size);
    if (!at || at == parser->rest.bytes + 1)
        return -EBADMSG;
    size_t size = (size_t)(at - parser->rest.bytes);
    *ret_text = arena_text(parser->arena, slice_of(parser->rest.bytes + 1, size - 1));
    skip(parser, size + 1);
    return *ret_text ? 0 : -ENOMEM;
}

static int condition_parse(struct if_parser *parser)
{
    struct dav_if *result = &parser->result;
    if (result->condition_count == DAV_CONDITIONS_MAX)
        return -EBADMSG;
    struct dav_condition *condition = &result->conditions[result->condition_count++];
    *condition = (struct dav_condition){0};
    if (parser->rest.size > 3 && memcmp(parser->rest.bytes, "Not", 3) == 0) {
        condition->negated = true;
        skip(parser, 3);
        blanks_skip(parser);
    }
    condition->is_etag = next_is(parser, '[');
    if (!condition->is_etag && !next_is(parser, '<'))
        return -EBADMSG;
    return enclosed(parser, condition->is_etag ? ']' : '>', &condition->text);
}

static int list_parse(struct if_parser *parser)
{
    struct dav_if *result = &parser->result;
    if (result->list_count == DAV_CONDITIONS_MAX)
        return -EBADMSG;
    struct dav_list *list = &result->lists[result->list_count++];
    *list = (struct dav_list){.resource = parser->resource, .first = result->condition_count};
    skip(parser, 1);
    for (blanks_skip(parser); !next_is(parser, ')'); blanks_skip(parser)) {
        int r = condition_parse(parser);
        if (r < 0)
            return r;
    }
    skip(parser, 1);
    list->count = result->condition_count - list->first;
    return list->count > 0 ? 0 : -EBADMSG;
}

int dav_if_parse(struct arena *arena, struct slice header, struct dav_if *ret_if)
{
    struct if_parser parser = {.arena = arena, .rest = header};
    parser.result.lists = arena_alloc(arena, DAV_CONDITIONS_MAX * sizeof(struct dav_list));
    parser.result.conditions =
        arena_alloc(arena, DAV_CONDITIONS_MAX * sizeof(struct dav_condition));
    if (!parser.result.lists || !parser.result.conditions)
        return -ENOMEM;
    *ret_if = (struct dav_if){0};
    bool tag_waits = false; /* a tag needs a list behind it */
    int r = 0;
    for (blanks_skip(&parser); r == 0 && parser.rest.size > 0; blanks_skip(&parser)) {
        if (next_is(&parser, '<') && !tag_waits) {
            r = enclosed(&parser, '>', &parser.resource);
            tag_waits = true;
        } else if (next_is(&parser, '(')) {
            r = list_parse(&parser);
            tag_waits = false;
        } else {
            r = -EBADMSG;
        }
    }
    if (r == 0 && (tag_waits || parser.result.list_count == 0))
        r = -EBADMSG;
    if (r == 0)
        *ret_if = parser.result;
    return r;
}
