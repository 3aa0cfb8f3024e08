/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/audit_csv.h"

#include "base/hex.h"

#include <time.h>

void audit_csv_head(struct buf *out)
{
    (void)buf_append_text(out, "sequence,time,time_ms,action,user,from,id,name,detail,"
                               "salt,mark,hash\r\n");
}

static void csv_cell(struct buf *out, const char *text)
{
    (void)buf_append_byte(out, '"');
    if (*text && strchr("=+-@\t\r'", *text))
        (void)buf_append_byte(out, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '"')
            (void)buf_append_byte(out, '"');
        (void)buf_append_byte(out, (uint8_t)*c);
    }
    (void)buf_append_byte(out, '"');
}

static void csv_time(struct buf *out, int64_t time_ms)
{
    struct tm tm;
    time_t seconds = (time_t)(time_ms / 1000);
    char text[32];
    if (gmtime_r(&seconds, &tm) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
        (void)buf_printf(out, "%s.%03dZ", text, (int)(time_ms % 1000));
}

int audit_csv_entry(struct buf *out, const struct audit_entry *entry)
{
    const char *cells[] = {entry->action, entry->user, entry->from};
    char hash[2 * DIGEST_SIZE + 1], mark[2 * DIGEST_SIZE + 1], salt[2 * AUDIT_SALT_SIZE + 1];
    hex_encode(slice_of(entry->hash, DIGEST_SIZE), hash);
    (void)buf_printf(out, "%lld,", (long long)entry->sequence);
    csv_time(out, entry->time_ms);
    (void)buf_printf(out, ",%lld", (long long)entry->time_ms);
    for (size_t i = 0; i < ARRAY_COUNT(cells); i++) {
        (void)buf_append_byte(out, ',');
        csv_cell(out, cells[i]);
    }
    (void)buf_printf(out, ",%lld,", (long long)entry->node);
    csv_cell(out, entry->name);
    (void)buf_append_byte(out, ',');
    csv_cell(out, entry->detail);
    hex_encode(slice_of(entry->salt, AUDIT_SALT_SIZE), salt);
    hex_encode(slice_of(entry->mark, DIGEST_SIZE), mark);
    return buf_printf(out, ",%s,%s,%s\r\n", salt, mark, hash);
}
