/* SPDX-License-Identifier: Apache-2.0 */
/* dms/office_text.h: the words of office documents: OOXML (docx, xlsx, pptx), OpenDocument and EPUB,
 * all of which are ZIP archives of XML. Does no I/O of its own: bytes come from a callback. The
 * archive is anybody's: every offset is checked, and what comes out is bounded, however much is
 * packed into it. Source of the ZIP format: PKWARE APPNOTE 6.3, 4.3 (no ZIP64, no encryption). */
#ifndef COFFER_DMS_OFFICE_TEXT_H
#define COFFER_DMS_OFFICE_TEXT_H

#include "base/buf.h"

#define OFFICE_ENTRIES_MAX 4096
#define OFFICE_DIRECTORY_SIZE_MAX ((size_t)1 << 20)

struct office_source {
    /* `size` bytes at `at` to `to`: 0, or -errno if they are not all there. */
    int (*read)(void *arg, uint64_t at, void *to, size_t size);
    void *arg;
    uint64_t size;
};

/* The XML of the parts that have words, one after the other, at most `size_max`, to `out`. 0 (also
 * when it had to stop at size_max), -EBADMSG for no such archive, -ENOMEM, or what read() gave. */
must_check int office_text_read(const struct office_source *source, size_t size_max,
                                struct buf *out);

#endif
