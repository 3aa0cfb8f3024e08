/* SPDX-License-Identifier: Apache-2.0 */
/* Renditions: the words of a document's latest version as plain text, as the full-text index has
 * them; a small picture of each version of which one has been made. */
#include "dms/cmis/model.h"
#include "dms/store_derived.h"

#include <errno.h>

#define TEXT_STREAM "text"
#define THUMBNAIL_STREAM "thumbnail"
enum { TEXT, THUMBNAIL, RENDITION_COUNT };
static const struct {
    const char *kind, *type, *types;
} kinds[RENDITION_COUNT] = {
    [TEXT] = {"coffer:text", "text/plain", "text/*"},
    [THUMBNAIL] = {"cmis:thumbnail", "image/jpeg", "image/*"},
};

static unsigned term_kinds(struct slice term)
{
    unsigned wanted = 0;
    for (unsigned i = 0; i < RENDITION_COUNT; i++)
        if (slice_is_text(term, "*") || slice_is_text(term, kinds[i].kind) ||
            slice_is_text(term, kinds[i].type) || slice_is_text(term, kinds[i].types))
            wanted |= 1U << i;
    return wanted;
}

/* renditionFilter: "*", "cmis:none", or kinds and media types ("text/plain", "text" and "*" behind a
 * slash) with commas between (CMIS 1.1, 2.2.1.2.4.1). *ret_wanted has a bit for each kind. */
static int filter_check(struct cmis_call *cmis, const char *filter, unsigned *ret_wanted)
{
    *ret_wanted = 0;
    if (!filter || !*filter || strcmp(filter, "cmis:none") == 0)
        return 0;
    while (filter) {
        size_t blank = strspn(filter, " "), size = strcspn(filter + blank, ",");
        struct slice term = slice_of(filter + blank, size);
        filter = filter[blank + size] ? filter + blank + size + 1 : NULL;
        while (term.size > 0 && term.bytes[term.size - 1] == ' ')
            term.size--;
        if (term.size == 0 || memchr(term.bytes, ' ', term.size))
            return cmis_fail(cmis, CMIS_FILTER_NOT_VALID,
                             "renditionFilter is '*', 'cmis:none', or kinds and media types with "
                             "commas between.");
        *ret_wanted |= term_kinds(term);
    }
    return 0;
}

int rendition_filter_check(struct cmis_call *cmis, const char *filter)
{
    unsigned wanted;
    return filter_check(cmis, filter, &wanted);
}

/* How long the text is; 0: there is none. The index takes in what is new first. */
static int text_size(struct cmis_call *cmis, const struct row *row, int64_t *ret)
{
    *ret = 0;
    if (row_base(row) != CMIS_BASE_DOCUMENT || !row->is_latest || row->is_pwc || !row->content ||
        !extract_knows(row->mime))
        return 0;
    if (row->node.key > cmis->store->indexed && index_settle(cmis) < 0)
        return -1;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_EXTRACT_SIZE, "i", row->node.key);
    int r = stmt ? store_step(cmis->store, stmt) : -EIO;
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    *ret = r == 1 ? sqlite3_column_int64(stmt, 0) : 0;
    return 0;
}

static int thumbnail_of(struct cmis_call *cmis, const struct row *row, struct thumbnail *ret)
{
    *ret = (struct thumbnail){0};
    if (row_base(row) != CMIS_BASE_DOCUMENT || !row->content)
        return 0;
    int r = derived_thumbnail(cmis->store, row->content, ret);
    return r < 0 && r != -ENOENT ? cmis_fail_errno(cmis, r) : 0;
}

int renditions_of(struct cmis_call *cmis, struct row *row, const char *filter,
                  const struct cmis_rendition **ret, size_t *ret_count)
{
    unsigned wanted;
    int64_t size = 0;
    struct thumbnail thumbnail = {0};
    *ret = NULL;
    *ret_count = 0;
    if (filter_check(cmis, filter, &wanted) < 0 ||
        (wanted & 1U << TEXT && text_size(cmis, row, &size) < 0) ||
        (wanted & 1U << THUMBNAIL && thumbnail_of(cmis, row, &thumbnail) < 0))
        return -1;
    if (size == 0 && thumbnail.size == 0)
        return 0;
    struct cmis_rendition *all = call_alloc(cmis, RENDITION_COUNT * sizeof *all);
    if (!all)
        return -1;
    size_t count = 0;
    if (size > 0)
        all[count++] = (struct cmis_rendition){.stream_id = TEXT_STREAM,
                                               .mime_type = kinds[TEXT].type,
                                               .kind = kinds[TEXT].kind,
                                               .title = "Text",
                                               .size = size,
                                               .height = -1,
                                               .width = -1};
    if (thumbnail.size > 0)
        all[count++] = (struct cmis_rendition){.stream_id = THUMBNAIL_STREAM,
                                               .mime_type = kinds[THUMBNAIL].type,
                                               .kind = kinds[THUMBNAIL].kind,
                                               .title = "Thumbnail",
                                               .size = thumbnail.size,
                                               .height = thumbnail.height,
                                               .width = thumbnail.width};
    *ret = all;
    *ret_count = count;
    return 0;
}

static int text_stream(struct cmis_call *cmis, struct row *row, struct cmis_stream *ret)
{
    if (text_size(cmis, row, &ret->total) < 0)
        return -1;
    ret->content = -row->node.key;
    ret->name = call_printf(cmis, "%s.txt", row->name);
    ret->type = kinds[TEXT].type;
    return 0;
}

static int thumbnail_stream(struct cmis_call *cmis, struct row *row, struct cmis_stream *ret)
{
    struct thumbnail thumbnail;
    if (thumbnail_of(cmis, row, &thumbnail) < 0)
        return -1;
    ret->total = thumbnail.size;
    ret->content = thumbnail.content;
    ret->name = call_printf(cmis, "%s.jpg", row->name);
    ret->type = kinds[THUMBNAIL].type;
    return 0;
}

int rendition_stream(struct cmis_call *cmis, struct row *row, const char *stream_id,
                     struct cmis_stream *ret)
{
    struct cmis_stream stream = {.modified_ms = row->modified_ms};
    int r = 0;
    if (strcmp(stream_id, TEXT_STREAM) == 0)
        r = text_stream(cmis, row, &stream);
    else if (strcmp(stream_id, THUMBNAIL_STREAM) == 0)
        r = thumbnail_stream(cmis, row, &stream);
    if (r < 0)
        return -1;
    if (stream.total == 0)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There is no stream '%.60s'.", stream_id);
    *ret = stream;
    return ret->name ? 0 : -1;
}
