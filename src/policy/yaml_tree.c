/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/yaml_tree.h"

#include "base/hex.h"
#include "base/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

struct loader {
    yaml_parser_t parser;
    struct arena *arena;
    struct error *e;
    unsigned nodes;
};

static int refuse(struct loader *ld, const yaml_mark_t *mark, const char *why)
{
    return error_set(ld->e, -EINVAL, "line %zu, column %zu: %s", mark->line + 1, mark->column + 1,
                     why);
}

static int next_event(struct loader *ld, yaml_event_t *ret_event)
{
    if (yaml_parser_parse(&ld->parser, ret_event) == 1)
        return 0;
    if (ld->parser.error == YAML_MEMORY_ERROR)
        return error_set(ld->e, -ENOMEM, "no memory for a YAML document");
    const yaml_mark_t *mark = &ld->parser.problem_mark;
    return error_set(ld->e, -EINVAL, "line %zu, column %zu: this is not YAML: %s", mark->line + 1,
                     mark->column + 1, ld->parser.problem ? ld->parser.problem : "cannot be read");
}

static struct yaml_node *node_new(struct loader *ld, enum yaml_kind kind, const yaml_mark_t *mark)
{
    struct yaml_node *node =
        ++ld->nodes <= YAML_NODES_MAX ? arena_alloc(ld->arena, sizeof(struct yaml_node)) : NULL;
    if (node) {
        node->kind = kind;
        node->line = (unsigned)mark->line + 1;
        node->column = (unsigned)mark->column + 1;
    }
    return node;
}

static int node_load(struct loader *ld, const yaml_event_t *event, unsigned depth,
                     struct yaml_node **ret_node);

static int scalar_load(struct loader *ld, const yaml_event_t *event, struct yaml_node **ret_node)
{
    if (event->data.scalar.anchor ||
        (event->data.scalar.tag && !event->data.scalar.plain_implicit &&
         !event->data.scalar.quoted_implicit))
        return refuse(ld, &event->start_mark, "anchors and tags are not used here");
    struct slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    if (memchr(text.bytes, 0, text.size))
        return refuse(ld, &event->start_mark, "a text with a NUL character");
    struct yaml_node *node = node_new(ld, YAML_SCALAR, &event->start_mark);
    char *copy = node ? arena_text(ld->arena, text) : NULL;
    if (!copy)
        return error_set(ld->e, -EFBIG, "the document is too large");
    node->text = copy;
    *ret_node = node;
    return 0;
}

/* Appends `child` to a list, or under `key` to a map. */
static int child_add(struct loader *ld, struct yaml_node *parent, struct yaml_node ***end,
                     struct yaml_node *child, const char *key)
{
    if (key && yaml_get(parent, key))
        return yaml_error(child, ld->e, "'%s' stands here twice", key);
    child->key = key;
    **end = child;
    *end = &child->next;
    parent->count++;
    return 0;
}

/* One child after `event`: its key too, if the parent is a map. */
static int entry_load(struct loader *ld, yaml_event_t *event, struct yaml_node *parent,
                      struct yaml_node ***end, unsigned depth)
{
    struct yaml_node *key = NULL, *child = NULL;
    int r;
    if (parent->kind == YAML_MAP) {
        if (event->type != YAML_SCALAR_EVENT)
            return refuse(ld, &event->start_mark, "a key must be a plain text");
        r = scalar_load(ld, event, &key);
        if (r < 0)
            return r;
        yaml_event_delete(event);
        r = next_event(ld, event);
        if (r < 0) {
            *event = (yaml_event_t){0};
            return r;
        }
    }
    r = node_load(ld, event, depth + 1, &child);
    if (r == 0 && key) { /* people look for the key */
        child->line = key->line;
        child->column = key->column;
    }
    return r < 0 ? r : child_add(ld, parent, end, child, key ? key->text : NULL);
}

static int children_load(struct loader *ld, const yaml_event_t *start, enum yaml_kind kind,
                         unsigned depth, struct yaml_node **ret_node)
{
    yaml_event_type_t last = kind == YAML_LIST ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT;
    struct yaml_node *parent = node_new(ld, kind, &start->start_mark);
    if (!parent)
        return error_set(ld->e, -EFBIG, "the document is too large");
    if (depth > YAML_DEPTH_MAX)
        return refuse(ld, &start->start_mark, "nested too deeply");
    struct yaml_node **end = &parent->first;
    for (;;) {
        yaml_event_t event;
        int r = next_event(ld, &event);
        if (r < 0)
            return r;
        bool finished = event.type == last;
        if (!finished)
            r = entry_load(ld, &event, parent, &end, depth);
        yaml_event_delete(&event);
        if (r < 0)
            return r;
        if (finished)
            break;
    }
    *ret_node = parent;
    return 0;
}

static int node_load(struct loader *ld, const yaml_event_t *event, unsigned depth,
                     struct yaml_node **ret_node)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return scalar_load(ld, event, ret_node);
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
            break;
        return children_load(ld, event, YAML_LIST, depth, ret_node);
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
            break;
        return children_load(ld, event, YAML_MAP, depth, ret_node);
    default:
        break;
    }
    return refuse(ld, &event->start_mark, "anchors, aliases and tags are not used here");
}

/* Stream start, document start, one node, document end, stream end. */
static int document_load(struct loader *ld, struct yaml_node **ret_root)
{
    static const yaml_event_type_t around[] = {YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT,
                                               YAML_NO_EVENT, YAML_DOCUMENT_END_EVENT,
                                               YAML_STREAM_END_EVENT};
    for (size_t i = 0; i < ARRAY_COUNT(around); i++) {
        yaml_event_t event;
        int r = next_event(ld, &event);
        if (r < 0)
            return r;
        if (around[i] == YAML_NO_EVENT)
            r = node_load(ld, &event, 0, ret_root);
        else if (event.type != around[i])
            r = refuse(ld, &event.start_mark, "exactly one YAML document is wanted");
        yaml_event_delete(&event);
        if (r < 0)
            return r;
    }
    return 0;
}

int yaml_parse(struct slice text, struct arena *arena, struct yaml_node **ret_root, struct error *e)
{
    struct loader ld = {.arena = arena, .e = e};
    if (text.size > YAML_SIZE_MAX)
        return error_set(e, -EFBIG, "the document is larger than %zu bytes", YAML_SIZE_MAX);
    if (yaml_parser_initialize(&ld.parser) != 1)
        return error_set(e, -ENOMEM, "no memory for a YAML document");
    yaml_parser_set_encoding(&ld.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&ld.parser, text.size ? text.bytes : (const uint8_t *)"",
                                 text.size);
    int r = document_load(&ld, ret_root);
    yaml_parser_delete(&ld.parser);
    return r;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml_node *n = map->first; n; n = n->next)
        if (strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

int yaml_error(const struct yaml_node *node, struct error *e, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE - 32];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(e, -EINVAL, "line %u, column %u: %s", node ? node->line : 1,
                     node ? node->column : 1, text);
}

#define NO_PLACE "line 0: "

int yaml_locate(const struct yaml_node *map, int r, struct error *e)
{
    if (r >= 0 || !e || !map || strncmp(e->text, NO_PLACE, sizeof NO_PLACE - 1) != 0)
        return r;
    char text[ERROR_TEXT_SIZE];
    snprintf(text, sizeof text, "%s", e->text + sizeof NO_PLACE - 1);
    *e = (struct error){0};
    return yaml_error(map, e, "%s", text);
}

int yaml_expect(const struct yaml_node *node, enum yaml_kind kind, const char *what,
                struct error *e)
{
    static const char *const names[] = {"a value", "a list", "a map"};
    if (!node)
        return error_set(e, -EINVAL, NO_PLACE "'%s' is missing", what);
    if (node->kind != kind)
        return yaml_error(node, e, "'%s' must be %s", what, names[kind]);
    return 0;
}

int yaml_expect_keys(const struct yaml_node *map, const char *const *keys, const char *what,
                     struct error *e)
{
    int r = yaml_expect(map, YAML_MAP, what, e);
    if (r < 0)
        return r;
    for (const struct yaml_node *n = map->first; n; n = n->next) {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], n->key) != 0)
            i++;
        if (keys[i])
            continue;
        const char *closest = options_closest(n->key, keys, i);
        return yaml_error(n, e, "'%s' has no setting '%s'%s%s%s", what, n->key,
                          closest ? "; did you mean '" : "", closest ? closest : "",
                          closest ? "'?" : "");
    }
    return 0;
}

int yaml_text(const struct yaml_node *node, size_t size_max, const char *what,
              const char **ret_text, struct error *e)
{
    if (!node)
        return 0;
    int r = yaml_expect(node, YAML_SCALAR, what, e);
    if (r < 0)
        return r;
    if (strlen(node->text) > size_max)
        return yaml_error(node, e, "'%s' is longer than %zu bytes", what, size_max);
    *ret_text = node->text;
    return 0;
}

int yaml_uint(const struct yaml_node *node, uint64_t min, uint64_t max, const char *what,
              uint64_t *ret_value, struct error *e)
{
    const char *text = NULL;
    uint64_t n = 0;
    int r = yaml_text(node, 19, what, &text, e);
    if (r < 0 || !text)
        return r;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + (uint64_t)(text[i] - '0');
    if (digits == 0 || text[digits] || n < min || n > max)
        return yaml_error(node, e, "'%s' must be a number from %llu to %llu", what,
                          (unsigned long long)min, (unsigned long long)max);
    *ret_value = n;
    return 0;
}

int yaml_bool(const struct yaml_node *node, const char *what, bool *ret_value, struct error *e)
{
    const char *text = NULL;
    int r = yaml_text(node, 8, what, &text, e);
    if (r < 0 || !text)
        return r;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return yaml_error(node, e, "'%s' must be true or false", what);
    *ret_value = text[0] == 't';
    return 0;
}

int yaml_choice(const struct yaml_node *node, const char *const *choices, const char *what,
                unsigned *ret_choice, struct error *e)
{
    int r = yaml_expect(node, YAML_SCALAR, what, e);
    if (r < 0)
        return r;
    for (unsigned i = 0; choices[i]; i++) {
        if (strcmp(node->text, choices[i]) == 0) {
            *ret_choice = i;
            return 0;
        }
    }
    char all[200] = "";
    size_t size = 0;
    for (unsigned i = 0; choices[i] && size < sizeof all; i++)
        size += (size_t)snprintf(all + size, sizeof all - size, "%s%s",
                                 i == 0           ? ""
                                 : choices[i + 1] ? ", "
                                                  : " or ",
                                 choices[i]);
    return yaml_error(node, e, "'%s' has no value '%.40s'; it can be %s", what, node->text, all);
}

int yaml_digest(const struct yaml_node *node, const char *what, uint8_t ret_digest[32],
                struct error *e)
{
    static const char prefix[] = "sha256:";
    const char *text = NULL;
    int r = yaml_expect(node, YAML_SCALAR, what, e);
    if (r == 0)
        r = yaml_text(node, 80, what, &text, e);
    if (r < 0)
        return r;
    if (strncmp(text, prefix, sizeof prefix - 1) != 0 ||
        hex_decode(slice_of_text(text + sizeof prefix - 1), ret_digest, 32) < 0)
        return yaml_error(node, e, "'%s' must be sha256: and 64 hexadecimal digits", what);
    return 0;
}
