/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/dcap/json_strict.h"

#include <errno.h>

static const json_t *member(struct strict *st, const json_t *object, const char *name, bool good)
{
    if (!good && !st->failed)
        st->failed = name;
    return st->failed ? NULL : json_object_get(object, name);
}

uint32_t strict_uint(struct strict *st, const json_t *object, const char *name, uint32_t most)
{
    const json_t *value = json_object_get(object, name);
    json_int_t n = json_integer_value(value);
    return member(st, object, name, json_is_integer(value) && n >= 0 && n <= (json_int_t)most)
               ? (uint32_t)n
               : 0;
}

void strict_hex(struct strict *st, const json_t *object, const char *name, void *to, size_t size)
{
    const json_t *value = json_object_get(object, name);
    struct slice text = slice_of(json_string_value(value), json_string_length(value));
    if (!member(st, object, name, json_is_string(value) && hex_decode(text, to, size) == 0))
        memset(to, 0, size);
}

const char *strict_text(struct strict *st, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return member(st, object, name, text != NULL) ? text : "";
}

int64_t strict_time(struct strict *st, const json_t *object, const char *name)
{
    int64_t s = 0;
    const char *text = json_string_value(json_object_get(object, name));
    return member(st, object, name, text && dcap_time_parse(text, &s) == 0) ? s : 0;
}

const json_t *strict_object(struct strict *st, const json_t *object, const char *name)
{
    return member(st, object, name, json_is_object(json_object_get(object, name)));
}

const json_t *strict_array(struct strict *st, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return member(st, object, name, json_is_array(value) && json_array_size(value) > 0);
}

static bool advisories_good(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return !list || (json_is_array(list) && json_array_size(list) <= DCAP_ADVISORIES_MAX);
}

struct tcb_level strict_level(struct strict *st, const json_t *object, bool component)
{
    struct tcb_level level = {.date_s = strict_time(st, object, "tcbDate"),
                              .advisories = json_object_get(object, "advisoryIDs")};
    const char *name = strict_text(st, object, "tcbStatus");
    bool good = tcb_status_parse(name, &level.status) == 0;
    if (component)
        good = good && (level.status == TCB_UP_TO_DATE || level.status == TCB_OUT_OF_DATE ||
                        level.status == TCB_REVOKED);
    /* These two are conclusions from two levels, never said of one. */
    good = good && level.status != TCB_TD_RELAUNCH_ADVISED &&
           level.status != TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
    (void)member(st, object, "tcbStatus", good);
    (void)member(st, object, "advisoryIDs", advisories_good(level.advisories));
    return level;
}

bool strict_svn_level(struct strict *st, const json_t *levels, uint32_t svn,
                      struct tcb_level *ret_level)
{
    bool found = false;
    for (size_t i = 0; i < json_array_size(levels); i++) {
        const json_t *each = json_array_get(levels, i);
        uint32_t least = strict_uint(st, strict_object(st, each, "tcb"), "isvsvn", UINT16_MAX);
        struct tcb_level level = strict_level(st, each, true);
        if (found || st->failed || svn < least)
            continue;
        *ret_level = level;
        found = true;
    }
    return found && !st->failed;
}

json_t *strict_load(struct slice text)
{
    return json_loadb((const char *)text.bytes, text.size, JSON_REJECT_DUPLICATES, NULL);
}
