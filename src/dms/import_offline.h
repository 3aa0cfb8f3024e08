/* SPDX-License-Identifier: Apache-2.0 */
/* dms/import_offline.h: a folder of files becomes folders and documents, with no server:
 * `coffer-dms --import`. Never follows a link, and leaves the files alone. */
#ifndef COFFER_DMS_IMPORT_OFFLINE_H
#define COFFER_DMS_IMPORT_OFFLINE_H

#include "base/error.h"

struct import_counts {
    int64_t documents, folders; /* made */
    int64_t there;    /* had their names already, and stay as they are: it may be repeated */
    int64_t left_out; /* no file or folder, or no name for a document; each is logged */
};

/* Puts what is in `folder` into the outermost folder, as the user `as`. 0, or -errno described in `e`;
 * what was counted then is stored all the same. */
must_check int import_offline(const char *data, const char *folder, const char *as,
                              struct import_counts *ret_counts, struct error *e);

#endif
