/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/zip.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    HEAD_SIZE = 30,
    DIRECTORY_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56 + 20,
    HEAD_EXTRA64_SIZE = 4 + 16,
    DIRECTORY_EXTRA64_SIZE = 4 + 24,
    FLAGS_UTF8 = 1 << 11,
    FLAG_TAIL = 1 << 3,
    VERSION = 20,
    VERSION64 = 45,
    MADE_BY_UNIX = 3 << 8,
};
#define LIMIT32 UINT64_C(0xffffffff)

static bool is_large(const struct zip_member *member)
{
    return member->size >= LIMIT32;
}

/* The directory also has the offset. */
static bool is_large_entry(const struct zip_member *member)
{
    return is_large(member) || member->offset >= LIMIT32;
}

static size_t tail_size(const struct zip_member *member)
{
    return member->has_crc ? 0 : is_large(member) ? 24 : 16;
}

static void put(struct buf *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        (void)buf_append_byte(out, (char)(value >> 8 * i & 0xff));
}

static uint32_t dos_time(int64_t unix_s)
{
    struct tm tm;
    time_t when = (time_t)unix_s;
    if (!gmtime_r(&when, &tm) || tm.tm_year < 80 || tm.tm_year > 207)
        return 1u << 21 | 1u << 16; /* 1980-01-01 */
    return (uint32_t)(tm.tm_year - 80) << 25 | (uint32_t)(tm.tm_mon + 1) << 21 |
           (uint32_t)tm.tm_mday << 16 | (uint32_t)tm.tm_hour << 11 | (uint32_t)tm.tm_min << 5 |
           (uint32_t)tm.tm_sec / 2;
}

static uint16_t flags_of(const struct zip_member *member)
{
    return (uint16_t)(FLAGS_UTF8 | (member->has_crc ? 0 : FLAG_TAIL));
}

int zip_head(struct zip_member *member, uint64_t at, struct buf *out)
{
    bool large = is_large(member);
    size_t path = strlen(member->path);
    member->offset = at;
    put(out, 0x04034b50, 4);
    put(out, large ? VERSION64 : VERSION, 2);
    put(out, flags_of(member), 2);
    put(out, 0, 2); /* stored */
    put(out, dos_time(member->modified_s), 4);
    put(out, member->has_crc ? member->crc : 0, 4);
    put(out, large ? LIMIT32 : member->size, 4);
    put(out, large ? LIMIT32 : member->size, 4);
    put(out, path, 2);
    put(out, large ? HEAD_EXTRA64_SIZE : 0, 2);
    (void)buf_append(out, member->path, path);
    if (large) {
        put(out, 1, 2);
        put(out, 16, 2);
        put(out, member->size, 8);
        put(out, member->size, 8);
    }
    return out->failed ? -ENOMEM : 0;
}

int zip_tail(const struct zip_member *member, struct buf *out)
{
    size_t width = is_large(member) ? 8 : 4;
    if (member->has_crc)
        return 0;
    put(out, 0x08074b50, 4);
    put(out, member->crc, 4);
    put(out, member->size, width);
    put(out, member->size, width);
    return out->failed ? -ENOMEM : 0;
}

static void entry_put(const struct zip_member *member, struct buf *out)
{
    bool large = is_large_entry(member);
    size_t path = strlen(member->path);
    bool folder = path > 0 && member->path[path - 1] == '/';
    put(out, 0x02014b50, 4);
    put(out, MADE_BY_UNIX | VERSION64, 2);
    put(out, large ? VERSION64 : VERSION, 2);
    put(out, flags_of(member), 2);
    put(out, 0, 2);
    put(out, dos_time(member->modified_s), 4);
    put(out, member->crc, 4);
    put(out, large ? LIMIT32 : member->size, 4);
    put(out, large ? LIMIT32 : member->size, 4);
    put(out, path, 2);
    put(out, large ? DIRECTORY_EXTRA64_SIZE : 0, 2);
    put(out, 0, 2 + 2 + 2); /* comment, disk, kind */
    put(out, (folder ? 0040755u : 0100644u) << 16 | (folder ? 0x10u : 0), 4);
    put(out, large ? LIMIT32 : member->offset, 4);
    (void)buf_append(out, member->path, path);
    if (large) {
        put(out, 1, 2);
        put(out, 24, 2);
        put(out, member->size, 8);
        put(out, member->size, 8);
        put(out, member->offset, 8);
    }
}

static void end64_put(size_t count, uint64_t at, uint64_t size, struct buf *out)
{
    put(out, 0x06064b50, 4);
    put(out, 44, 8);
    put(out, MADE_BY_UNIX | VERSION64, 2);
    put(out, VERSION64, 2);
    put(out, 0, 4 + 4); /* disks */
    put(out, count, 8);
    put(out, count, 8);
    put(out, size, 8);
    put(out, at, 8);
    put(out, 0x07064b50, 4);
    put(out, 0, 4);
    put(out, at + size, 8);
    put(out, 1, 4);
}

static bool needs_end64(uint64_t at, uint64_t size)
{
    return at >= LIMIT32 || size >= LIMIT32;
}

int zip_end(const struct zip_member *members, size_t count, uint64_t at, struct buf *out)
{
    size_t before = out->size;
    for (size_t i = 0; i < count; i++)
        entry_put(&members[i], out);
    uint64_t size = out->size - before;
    bool large = needs_end64(at, size);
    if (large)
        end64_put(count, at, size, out);
    put(out, 0x06054b50, 4);
    put(out, 0, 2 + 2);
    put(out, count, 2);
    put(out, count, 2);
    put(out, large ? LIMIT32 : size, 4);
    put(out, large ? LIMIT32 : at, 4);
    put(out, 0, 2);
    return out->failed ? -ENOMEM : 0;
}

uint64_t zip_size(const struct zip_member *members, size_t count)
{
    uint64_t at = 0, directory = 0;
    for (size_t i = 0; i < count; i++) {
        struct zip_member member = members[i];
        member.offset = at;
        size_t path = strlen(member.path);
        at += HEAD_SIZE + path + (is_large(&member) ? HEAD_EXTRA64_SIZE : 0) + member.size +
              tail_size(&member);
        directory += DIRECTORY_SIZE + path + (is_large_entry(&member) ? DIRECTORY_EXTRA64_SIZE : 0);
    }
    return at + directory + END_SIZE + (needs_end64(at, directory) ? END64_SIZE : 0);
}
