/* SPDX-License-Identifier: Apache-2.0 */
/* dms/tar.h: writes archives in the pax format (POSIX.1-2017, pax, "pax Interchange Format"): what a
 * member's ustar header cannot say (long or non-ASCII paths, 8 GiB and more) stands in an extended
 * header before it. The caller writes each member's bytes itself, and then their padding. */
#ifndef COFFER_DMS_TAR_H
#define COFFER_DMS_TAR_H

#include "base/buf.h"

#define TAR_BLOCK_SIZE 512

struct tar_member {
    const char *path; /* relative, UTF-8; "a/" is a folder */
    uint64_t size;    /* 0 for a folder */
    int64_t modified_s;
};
must_check int tar_head(const struct tar_member *member, struct buf *out);
/* Behind `size` bytes, up to a whole block. */
must_check int tar_pad(uint64_t size, struct buf *out);
must_check int tar_end(struct buf *out);

#endif
