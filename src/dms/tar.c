/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/tar.h"

#include <errno.h>
#include <stdio.h>

/* The ustar header's fields: offset and size. */
enum {
    NAME = 0,
    NAME_SIZE = 100,
    MODE = 100,
    UID = 108,
    GID = 116,
    SIZE = 124,
    TIME = 136,
    SUM = 148,
    KIND = 156,
    MAGIC = 257,
};
#define SIZE_MAX_OCTAL ((uint64_t)077777777777)

static void octal(char *block, size_t at, int digits, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%0*llo", digits, (unsigned long long)number);
    memcpy(block + at, text, (size_t)digits);
}

static int head_write(struct buf *out, struct slice name, char kind, unsigned mode, uint64_t size,
                      int64_t modified_s)
{
    char block[TAR_BLOCK_SIZE] = {0};
    unsigned sum = 0;
    memcpy(block + NAME, name.bytes, MIN(name.size, (size_t)NAME_SIZE));
    octal(block, MODE, 7, mode);
    octal(block, UID, 7, 0);
    octal(block, GID, 7, 0);
    octal(block, SIZE, 11, size > SIZE_MAX_OCTAL ? 0 : size);
    octal(block, TIME, 11, MIN((uint64_t)MAX(0, modified_s), SIZE_MAX_OCTAL));
    block[KIND] = kind;
    memcpy(block + MAGIC, "ustar\00000", 8);
    memset(block + SUM, ' ', 8);
    for (size_t i = 0; i < sizeof block; i++)
        sum += (uint8_t)block[i];
    octal(block, SUM, 6, sum);
    block[SUM + 6] = 0;
    return buf_append(out, block, sizeof block);
}

/* "27 path=some/where.txt\n": the number counts all of the record, itself too. */
static int record_write(struct buf *records, const char *key, const char *value)
{
    size_t size = strlen(key) + strlen(value) + 3, whole = size + 1;
    for (;;) {
        int digits = snprintf(NULL, 0, "%zu", whole);
        if (size + (size_t)digits == whole)
            break;
        whole = size + (size_t)digits;
    }
    return buf_printf(records, "%zu %s=%s\n", whole, key, value);
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((uint8_t)*text >= 0x7f)
            return false;
    return true;
}

static int extended_write(const struct tar_member *member, struct buf *out)
{
    SCOPED(buf_done) struct buf records = {0};
    char size[24];
    int r = 0;
    if (strlen(member->path) > NAME_SIZE || !is_ascii(member->path))
        r = record_write(&records, "path", member->path);
    (void)snprintf(size, sizeof size, "%llu", (unsigned long long)member->size);
    if (r == 0 && member->size > SIZE_MAX_OCTAL)
        r = record_write(&records, "size", size);
    if (r < 0 || records.size == 0)
        return r;
    r = head_write(out, slice_of_text("PaxHeaders/member"), 'x', 0600, records.size,
                   member->modified_s);
    if (r == 0)
        r = buf_append_slice(out, buf_slice(&records));
    return r < 0 ? r : tar_pad(records.size, out);
}

int tar_head(const struct tar_member *member, struct buf *out)
{
    size_t len = strlen(member->path);
    bool folder = len > 0 && member->path[len - 1] == '/';
    int r = extended_write(member, out);
    return r < 0 ? r
                 : head_write(out, slice_of(member->path, len), folder ? '5' : '0',
                              folder ? 0700 : 0600, member->size, member->modified_s);
}

int tar_pad(uint64_t size, struct buf *out)
{
    static const uint8_t zeros[TAR_BLOCK_SIZE];
    size_t rest = size % TAR_BLOCK_SIZE;
    return rest ? buf_append(out, zeros, TAR_BLOCK_SIZE - rest) : 0;
}

int tar_end(struct buf *out)
{
    static const uint8_t zeros[2 * TAR_BLOCK_SIZE];
    return buf_append(out, zeros, sizeof zeros);
}
