/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more at powers of two. */
static void *grow(void *items, size_t count, size_t size)
{
    return count & (count - 1) ? items : realloc(items, (count ? 2 * count : 1) * size);
}

static int file_take(struct record *record, unsigned wishes, const char *path)
{
    for (size_t i = 0; i < record->file_count; i++) {
        if (strcmp(record->files[i].path, path) == 0) {
            record->files[i].wishes |= wishes;
            return 0;
        }
    }
    if (record->file_count == RECORD_FILES_MAX)
        return -E2BIG;
    struct record_file *files = grow(record->files, record->file_count, sizeof *files);
    char *copy = files ? strdup(path) : NULL;
    if (files)
        record->files = files;
    if (!copy)
        return -ENOMEM;
    files[record->file_count++] = (struct record_file){copy, wishes};
    return 0;
}

static int end_take(struct record *record, struct record_end end)
{
    for (size_t i = 0; i < record->end_count; i++) {
        const struct record_end *known = &record->ends[i];
        if (known->listen == end.listen && known->protocol == end.protocol &&
            known->port == end.port && strcmp(known->address, end.address) == 0)
            return 0;
    }
    if (record->end_count == RECORD_ENDS_MAX)
        return -E2BIG;
    struct record_end *ends = grow(record->ends, record->end_count, sizeof *ends);
    if (ends)
        record->ends = ends;
    end.address = ends ? strdup(end.address) : NULL;
    if (!end.address)
        return -ENOMEM;
    ends[record->end_count++] = end;
    return 0;
}

int record_take(struct record *record, struct slice message)
{
    char text[8192];
    unsigned wishes;
    int listen, protocol, port;
    if (message.size == 0 || message.size >= sizeof text)
        return -EBADMSG;
    memcpy(text, message.bytes, message.size);
    text[message.size] = '\0';
    size_t head = strlen(text);
    char *rest = head < message.size ? text + head + 1 : text + head;
    if (sscanf(text, "file %u", &wishes) == 1 && rest[0] == '/')
        return file_take(record, wishes, rest);
    if (sscanf(text, "net %d %d %d", &listen, &protocol, &port) == 3 && protocol >= 0 &&
        protocol <= 2 && port >= 0 && port <= 65535)
        return end_take(record, (struct record_end){listen != 0, protocol, port, rest});
    return -EBADMSG;
}

void record_done(struct record *record)
{
    for (size_t i = 0; i < record->file_count; i++)
        free(record->files[i].path);
    for (size_t i = 0; i < record->end_count; i++)
        free(record->ends[i].address);
    free(record->files);
    free(record->ends);
}
