/* SPDX-License-Identifier: Apache-2.0 */
/* Renditions: the words of a document's latest version as plain text, as the full-text index has
 * them. */
#include "dms/cmis/model.h"

#include <errno.h>

#define TEXT_STREAM "text"
#define TEXT_KIND "coffer:text"
#define TEXT_TYPE "text/plain"

/* renditionFilter: "*", "cmis:none", or kinds and media types ("text/plain", "text" and "*" behind a
 * slash) with commas between (CMIS 1.1, 2.2.1.2.4.1). */
static int filter_check(struct cmis_call *cmis, const char *filter, bool *ret_wanted)
{
    *ret_wanted = false;
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
        *ret_wanted = *ret_wanted || slice_is_text(term, "*") || slice_is_text(term, TEXT_KIND) ||
                      slice_is_text(term, TEXT_TYPE) || slice_is_text(term, "text/*");
    }
    return 0;
}

int rendition_filter_check(struct cmis_call *cmis, const char *filter)
{
    bool wanted;
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

int renditions_of(struct cmis_call *cmis, struct row *row, const char *filter,
                  const struct cmis_rendition **ret, size_t *ret_count)
{
    bool wanted;
    int64_t size = 0;
    *ret = NULL;
    *ret_count = 0;
    if (filter_check(cmis, filter, &wanted) < 0 || (wanted && text_size(cmis, row, &size) < 0))
        return -1;
    if (size == 0)
        return 0;
    struct cmis_rendition *rendition = call_alloc(cmis, sizeof *rendition);
    if (!rendition)
        return -1;
    *rendition = (struct cmis_rendition){.stream_id = TEXT_STREAM,
                                         .mime_type = TEXT_TYPE,
                                         .kind = TEXT_KIND,
                                         .title = "Text",
                                         .size = size,
                                         .height = -1,
                                         .width = -1};
    *ret = rendition;
    *ret_count = 1;
    return 0;
}

int rendition_stream(struct cmis_call *cmis, struct row *row, const char *stream_id,
                     struct cmis_stream *ret)
{
    int64_t size = 0;
    if (strcmp(stream_id, TEXT_STREAM) == 0 && text_size(cmis, row, &size) < 0)
        return -1;
    if (size == 0)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There is no stream '%.60s'.", stream_id);
    *ret = (struct cmis_stream){.content = -row->node.key,
                                .name = call_printf(cmis, "%s.txt", row->name),
                                .type = TEXT_TYPE,
                                .total = size,
                                .modified_ms = row->modified_ms};
    return ret->name ? 0 : -1;
}
