/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/office_text.h"
#include "base/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    END_SIZE = 22,
    END_SEARCH = 64 << 10, /* an archive may end in a comment */
    LOCAL_SIZE = 30,
    BLOCK_SIZE = 16 << 10,
    METHOD_STORED = 0,
    METHOD_DEFLATED = 8,
};

struct entry {
    struct slice name;
    unsigned method;
    uint64_t packed, local;
};

/* Where the directory is: from the record at the archive's end. */
static int directory_find(const struct office_source *source, uint64_t *ret_at, size_t *ret_size)
{
    size_t size = (size_t)MIN(source->size, (uint64_t)END_SEARCH + END_SIZE);
    SCOPED(buf_done) struct buf tail = {0};
    uint8_t *bytes = size >= END_SIZE ? buf_reserve(&tail, size) : NULL;
    if (!bytes)
        return size < END_SIZE ? -EBADMSG : -ENOMEM;
    int r = source->read(source->arg, source->size - size, bytes, size);
    if (r < 0)
        return r;
    tail.size = size;
    for (size_t at = size - END_SIZE + 1; at-- > 0;) {
        struct reader rd = reader_over(slice_of(bytes + at, size - at));
        if (reader_u32(&rd) != 0x06054b50)
            continue;
        (void)reader_take(&rd, 8); /* disks and counts: the directory's size says it all */
        uint32_t directory_size = reader_u32(&rd), offset = reader_u32(&rd);
        if (rd.failed || directory_size > OFFICE_DIRECTORY_SIZE_MAX ||
            (uint64_t)offset + directory_size > source->size)
            return -EBADMSG;
        *ret_at = offset;
        *ret_size = directory_size;
        return 0;
    }
    return -EBADMSG;
}

/* The next entry of the directory; false at its end. */
static bool entry_read(struct reader *rd, struct entry *ret)
{
    if (reader_left(rd) < 46 || reader_u32(rd) != 0x02014b50)
        return false;
    (void)reader_take(rd, 6);
    ret->method = reader_u16(rd);
    (void)reader_take(rd, 8);
    ret->packed = reader_u32(rd);
    (void)reader_u32(rd);
    uint16_t name = reader_u16(rd), extra = reader_u16(rd), comment = reader_u16(rd);
    (void)reader_take(rd, 8);
    ret->local = reader_u32(rd);
    const uint8_t *bytes = reader_take(rd, name);
    ret->name = slice_of(bytes, name);
    (void)reader_take(rd, (size_t)extra + comment);
    return !rd->failed;
}

static bool begins(struct slice name, const char *with)
{
    size_t size = strlen(with);
    return name.size >= size && memcmp(name.bytes, with, size) == 0;
}

static bool ends(struct slice name, const char *with)
{
    size_t size = strlen(with);
    return name.size >= size && memcmp(name.bytes + name.size - size, with, size) == 0;
}

static bool has_words(struct slice name)
{
    return slice_is_text(name, "content.xml") || slice_is_text(name, "word/document.xml") ||
           slice_is_text(name, "word/footnotes.xml") ||
           slice_is_text(name, "xl/sharedStrings.xml") ||
           (begins(name, "ppt/slides/slide") && ends(name, ".xml")) || ends(name, ".xhtml");
}

/* Packed bytes of an entry, a block at a time. */
struct packed {
    const struct office_source *source;
    uint64_t at, left;
};

static int packed_next(struct packed *packed, uint8_t *block, size_t *ret_size)
{
    size_t size = (size_t)MIN(packed->left, (uint64_t)BLOCK_SIZE);
    int r = size ? packed->source->read(packed->source->arg, packed->at, block, size) : 0;
    packed->at += size;
    packed->left -= size;
    *ret_size = size;
    return r;
}

static int stored_read(struct packed *packed, size_t size_max, struct buf *out)
{
    uint8_t block[BLOCK_SIZE];
    size_t size;
    int r = 0;
    while (r == 0 && packed->left > 0 && out->size < size_max) {
        r = packed_next(packed, block, &size);
        if (r == 0)
            r = buf_append(out, block, MIN(size, size_max - out->size));
    }
    return r;
}

static int inflate_block(z_stream *stream, size_t size_max, struct buf *out)
{
    uint8_t block[BLOCK_SIZE];
    int code = Z_OK;
    do {
        stream->next_out = block;
        stream->avail_out = sizeof block;
        code = inflate(stream, Z_NO_FLUSH);
        size_t size = sizeof block - stream->avail_out;
        if (buf_append(out, block, MIN(size, size_max - out->size)) < 0)
            return -ENOMEM;
    } while (code == Z_OK && stream->avail_out == 0 && out->size < size_max);
    return code == Z_OK || code == Z_BUF_ERROR ? 0 : code == Z_STREAM_END ? 1 : -EBADMSG;
}

static int deflated_read(struct packed *packed, size_t size_max, struct buf *out)
{
    z_stream stream = {0};
    uint8_t block[BLOCK_SIZE];
    size_t size;
    int r = inflateInit2(&stream, -MAX_WBITS) == Z_OK ? 0 : -ENOMEM;
    if (r < 0)
        return r;
    while (r == 0 && packed->left > 0 && out->size < size_max) {
        r = packed_next(packed, block, &size);
        stream.next_in = block;
        stream.avail_in = (unsigned)size;
        if (r == 0)
            r = inflate_block(&stream, size_max, out);
    }
    (void)inflateEnd(&stream);
    return r < 0 ? r : 0;
}

static int entry_append(const struct office_source *source, const struct entry *entry,
                        size_t size_max, struct buf *out)
{
    uint8_t head[LOCAL_SIZE];
    if (entry->local + LOCAL_SIZE > source->size)
        return -EBADMSG;
    int r = source->read(source->arg, entry->local, head, sizeof head);
    if (r < 0)
        return r;
    struct reader rd = reader_over(slice_of(head, sizeof head));
    if (reader_u32(&rd) != 0x04034b50)
        return -EBADMSG;
    (void)reader_take(&rd, 22);
    uint64_t start = entry->local + LOCAL_SIZE + reader_u16(&rd);
    start += reader_u16(&rd);
    if (start + entry->packed > source->size)
        return -EBADMSG;
    struct packed packed = {source, start, entry->packed};
    if (entry->method == METHOD_STORED)
        r = stored_read(&packed, size_max, out);
    else if (entry->method == METHOD_DEFLATED)
        r = deflated_read(&packed, size_max, out);
    return r < 0 ? r : buf_append_byte(out, ' ') < 0 ? -ENOMEM : 0;
}

int office_text_read(const struct office_source *source, size_t size_max, struct buf *out)
{
    SCOPED(buf_done) struct buf directory = {0};
    uint64_t at = 0;
    size_t size = 0;
    int r = directory_find(source, &at, &size);
    uint8_t *bytes = r == 0 ? buf_reserve(&directory, MAX(size, (size_t)1)) : NULL;
    if (r == 0 && !bytes)
        r = -ENOMEM;
    if (r == 0)
        r = source->read(source->arg, at, bytes, size);
    if (r < 0)
        return r;
    struct reader rd = reader_over(slice_of(bytes, size));
    struct entry entry;
    for (int i = 0; r == 0 && i < OFFICE_ENTRIES_MAX && out->size < size_max; i++) {
        if (!entry_read(&rd, &entry))
            break;
        if (has_words(entry.name))
            r = entry_append(source, &entry, size_max, out);
    }
    return r;
}
