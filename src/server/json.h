/* SPDX-License-Identifier: Apache-2.0 */
/* server/json.h: writes JSON straight into a buffer: commas, quoting and escapes are its business,
 * nesting is the caller's. Failure is the buffer's `failed`, looked at once at the end.
 *
 *     struct json json = json_into(&buf);
 *     json_object(&json, NULL);
 *     json_text(&json, "name", name);
 *     json_array(&json, "items"); ... json_end(&json);
 *     json_end(&json);
 *
 * `key` is NULL inside an array and at the top. */
#ifndef COFFER_SERVER_JSON_H
#define COFFER_SERVER_JSON_H

#include "base/buf.h"

#define JSON_DEPTH_MAX 16

struct json {
    struct buf *out;
    unsigned depth;
    bool comma;
    char closers[JSON_DEPTH_MAX];
};

static inline struct json json_into(struct buf *out)
{
    return (struct json){.out = out};
}

/* Symbols of their own: a program may also link jansson, which has functions of these names. */
void json_object(struct json *json, const char *key) __asm__("coffer_json_object");
void json_array(struct json *json, const char *key) __asm__("coffer_json_array");
void json_end(struct json *json); /* the innermost object or array */

/* Text that is not UTF-8 has its bad bytes replaced by U+FFFD; NULL becomes null. */
void json_text(struct json *json, const char *key, const char *text);
void json_slice(struct json *json, const char *key, struct slice text);
void json_int(struct json *json, const char *key, int64_t number);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key) __asm__("coffer_json_null");
/* `value` is JSON already and trusted to be so. */
void json_raw(struct json *json, const char *key, const char *value);

#endif
