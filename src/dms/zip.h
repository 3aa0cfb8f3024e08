/* SPDX-License-Identifier: Apache-2.0 */
/* dms/zip.h: writes a ZIP archive (PKWARE's APPNOTE 6.3) piece by piece, in constant memory but for
 * its directory. Members are stored, not compressed: documents mostly are already, and so the size
 * of the whole is known before the first byte. Does no I/O; who calls brings the bytes. */
#ifndef COFFER_DMS_ZIP_H
#define COFFER_DMS_ZIP_H

#include "base/arena.h"
#include "base/buf.h"

#define ZIP_MEMBERS_MAX 20000
#define ZIP_PATH_MAX 4096

struct zip_member {
    char *path; /* "a/b.txt"; "a/" is a folder */
    uint64_t size;
    int64_t modified_s;
    /* Filled while writing */
    uint64_t offset;
    uint32_t crc;
    bool has_crc; /* known before its bytes: then nothing follows them */
};

/* The size of the archive. `has_crc` of each says which form is written. */
uint64_t zip_size(const struct zip_member *members, size_t count);
/* Before a member's bytes; sets its offset to `at`, the archive's size so far. */
must_check int zip_head(struct zip_member *member, uint64_t at, struct buf *out);
/* After them. */
must_check int zip_tail(const struct zip_member *member, struct buf *out);
/* The directory and the end. */
must_check int zip_end(const struct zip_member *members, size_t count, uint64_t at,
                       struct buf *out);

#endif
