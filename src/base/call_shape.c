/* SPDX-License-Identifier: Apache-2.0 */
#include "base/call_shape.h"

#include <errno.h>
#include <string.h>

static const struct word {
    char text[10];
    uint8_t kind;
    bool in, out;
    bool sized; /* must be followed by a size; the others must not */
} g_words[] = {
    {"fd", SHAPE_FD, 0, 0, 0},           {"dirfd", SHAPE_DIRFD, 0, 0, 0},
    {"int", SHAPE_INT, 0, 0, 0},         {"uint", SHAPE_UINT, 0, 0, 0},
    {"size", SHAPE_SIZE, 0, 0, 0},       {"off", SHAPE_OFF, 0, 0, 0},
    {"flags", SHAPE_FLAGS, 0, 0, 0},     {"mode", SHAPE_MODE, 0, 0, 0},
    {"sig", SHAPE_SIG, 0, 0, 0},         {"addr", SHAPE_ADDR, 0, 0, 0},
    {"word", SHAPE_WORD, 1, 1, 0},       {"path", SHAPE_PATH, 1, 0, 0},
    {"str", SHAPE_STR, 1, 0, 0},         {"strv", SHAPE_STRV, 1, 0, 0},
    {"in", SHAPE_BYTES, 1, 0, 1},        {"out", SHAPE_BYTES, 0, 1, 1},
    {"io", SHAPE_BYTES, 1, 1, 1},        {"iov_in", SHAPE_IOV, 1, 0, 1},
    {"iov_out", SHAPE_IOV, 0, 1, 1},     {"msg_in", SHAPE_MSG, 1, 0, 0},
    {"msg_out", SHAPE_MSG, 0, 1, 0},     {"mmsg_in", SHAPE_MMSG, 1, 0, 1},
    {"mmsg_out", SHAPE_MMSG, 0, 1, 1},   {"sigarg", SHAPE_SIGARG, 1, 0, 0},
    {"waitv", SHAPE_WAITV, 1, 1, 1},     {"xattr_in", SHAPE_XATTR, 1, 0, 1},
    {"xattr_out", SHAPE_XATTR, 0, 1, 1}, {"ptrs", SHAPE_PTRS, 1, 1, 1},
    {"by", SHAPE_BY, 0, 0, 1},
};

/* A number, decimal or 0x; false if there is none. */
static bool take_number(const char **at, uint32_t *ret)
{
    uint64_t value = 0;
    unsigned base = 10;
    if ((*at)[0] == '0' && (*at)[1] == 'x') {
        base = 16;
        *at += 2;
    }
    const char *from = *at;
    for (;; (*at)++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = **at ? strchr(digits, **at) : NULL;
        if (!digit || (unsigned)(digit - digits) >= base)
            break;
        value = value * base + (unsigned)(digit - digits);
        if (value > UINT32_MAX)
            return false;
    }
    *ret = (uint32_t)value;
    return *at > from;
}

static bool take_after(const char **at, char mark, uint32_t *ret)
{
    if (**at != mark)
        return true;
    (*at)++;
    return take_number(at, ret) && *ret != 0;
}

static bool take_size(const char **at, struct shape *s)
{
    static const char marks[] = "=:@^";
    const char *mark = **at ? strchr(marks, **at) : NULL;
    if (!mark)
        return false;
    s->how = (uint8_t)(SHAPE_SIZE_FIXED + (mark - marks));
    (*at)++;
    if (!take_number(at, &s->n))
        return false;
    if (s->how == SHAPE_SIZE_ARG &&
        (!take_after(at, '/', &s->divide) || !take_after(at, '*', &s->times)))
        return false;
    if ((s->how == SHAPE_SIZE_ARG || s->how == SHAPE_SIZE_OWN) && !take_after(at, '+', &s->plus))
        return false;
    return take_after(at, '&', &s->mask);
}

static bool take_shape(const char **at, struct shape *s)
{
    size_t len = strspn(*at, "abcdefghijklmnopqrstuvwxyz_");
    *s = (struct shape){.divide = 1, .times = 1, .mask = UINT32_MAX};
    for (size_t i = 0; i < ARRAY_COUNT(g_words); i++) {
        const struct word *w = &g_words[i];
        if (strlen(w->text) != len || memcmp(w->text, *at, len) != 0)
            continue;
        *at += len;
        s->kind = w->kind;
        s->in = w->in;
        s->out = w->out;
        return !w->sized || take_size(at, s);
    }
    return false;
}

static bool take_result(const char **at, struct call_shape *ret)
{
    static const struct {
        char text[6];
        uint8_t result;
    } words[] = {{"fd", SHAPE_RESULT_FD},
                 {"int", SHAPE_RESULT_INT},
                 {"off", SHAPE_RESULT_OFF},
                 {"addr", SHAPE_RESULT_ADDR},
                 {"none", SHAPE_RESULT_NONE}};
    uint32_t number;
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcmp(*at, words[i].text) != 0)
            continue;
        ret->result = words[i].result;
        *at += strlen(*at);
        return true;
    }
    if (!take_number(at, &number) || number >= SHAPE_ARGS)
        return false;
    ret->result = SHAPE_RESULT_UP_TO;
    ret->result_arg = (uint8_t)number;
    return true;
}

int shape_check(const struct call_shape *c)
{
    for (int i = 0; i < c->count; i++) {
        const struct shape *s = &c->args[i];
        bool names_one = s->how == SHAPE_SIZE_ARG || s->how == SHAPE_SIZE_AT;
        if (names_one && s->n >= (uint32_t)c->count)
            return -EINVAL;
        if (s->how == SHAPE_SIZE_AT && c->args[s->n].kind != SHAPE_BYTES)
            return -EINVAL;
    }
    return c->result == SHAPE_RESULT_UP_TO && c->result_arg >= c->count ? -EINVAL : 0;
}

int shape_parse_part(const char *text, struct call_shape *ret)
{
    *ret = (struct call_shape){.count = 0};
    for (bool more = *text != '\0' && *text != '>'; more; text += more) {
        if (ret->count == SHAPE_ARGS || !take_shape(&text, &ret->args[ret->count++]))
            return -EINVAL;
        more = *text == ',';
    }
    if (*text == '>') {
        text++;
        if (!take_result(&text, ret))
            return -EINVAL;
    }
    return *text == '\0' ? 0 : -EINVAL;
}

int shape_parse(const char *text, struct call_shape *ret)
{
    int r = shape_parse_part(text, ret);
    return r < 0 ? r : shape_check(ret);
}
