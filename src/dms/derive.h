/* SPDX-License-Identifier: Apache-2.0 */
/* dms/derive.h: has programs make text and small pictures of contents (store_derived.h), one after the
 * other, beside everything else. Without the programs, or where they may not be run, it says so once
 * and nothing is made; what is to be made stays in the database. The loop's thread only. */
#ifndef COFFER_DMS_DERIVE_H
#define COFFER_DMS_DERIVE_H

#include "dms/dms.h"

struct derive;

/* `tools`: the directory of pdftotext, pdftoppm and vipsthumbnail, or "" for none; `unconfined`: they may
 * also be run where the kernel cannot confine them. Finding none is no failure. -ENOMEM. */
must_check int derive_new(struct dms *dms, const char *tools, bool unconfined,
                          struct derive **ret_derive);
/* Stops what is running; it is made another time. Accepts NULL. */
void derive_free(struct derive *derive);

/* Goes on if there is something to be made and nothing is running. After commits, and at start. */
void derive_kick(struct derive *derive);

#endif
