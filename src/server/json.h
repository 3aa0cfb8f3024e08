/* SPDX-License-Identifier: Apache-2.0 */
/* server/json.h: writes JSON straight into a buffer: commas, quoting and escapes are its business,
 * nesting is the caller's. Failure is the buffer's `failed`, looked at once at the end.
 *
 *     struct json json = json_into(&buf);
 *     json_open_object(&json, NULL);
 *     json_put_text(&json, "name", name);
 *     json_open_array(&json, "items"); ... json_close(&json);
 *     json_close(&json);
 *
 * `key` is NULL inside an array and at the top. */
#ifndef COFFER_SERVER_JSON_H
#define COFFER_SERVER_JSON_H

#include "base/buf.h"

#define JSON_DEPTH_MAX 320

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

void json_open_object(struct json *json, const char *key);
void json_open_array(struct json *json, const char *key);
void json_close(struct json *json); /* the innermost object or array */

/* Text that is not UTF-8 has its bad bytes replaced by U+FFFD; NULL becomes null. */
void json_put_text(struct json *json, const char *key, const char *text);
void json_put_slice(struct json *json, const char *key, struct slice text);
void json_put_int(struct json *json, const char *key, int64_t number);
void json_put_bool(struct json *json, const char *key, bool value);
void json_put_null(struct json *json, const char *key);
/* `value` is JSON already and trusted to be so. */
void json_put_raw(struct json *json, const char *key, const char *value);

#endif
