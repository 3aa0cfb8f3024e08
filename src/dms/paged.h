/* SPDX-License-Identifier: Apache-2.0 */
/* dms/paged.h: an answer that is written while it is sent, a page at a time, so that a list of any
 * size needs the same memory and no turn of the loop is long. Pages show only what is durable. */
#ifndef COFFER_DMS_PAGED_H
#define COFFER_DMS_PAGED_H

#include "dms/dms.h"

/* Embed it first in a struct of your own, made by calloc(). */
struct paged {
    /* Appends the next page to `out`, perhaps nothing yet; sets `ended` with the last one. -errno
     * breaks the connection, so that the client sees that something is missing. */
    int (*write)(struct paged *paged);
    /* Frees the struct and what it owns, but for `out`. */
    void (*free)(struct paged *paged);
    struct call *call;
    struct buf out;
    bool ended;
    struct loop_task task;
};

/* Ends the call; owns `paged` from here on. */
void call_reply_paged(struct call *call, int status, const char *type, struct paged *paged);

#endif
