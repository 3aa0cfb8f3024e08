/* SPDX-License-Identifier: Apache-2.0 */
/* dms/fixity.h: reads every content again and again, slowly, and compares it with its SHA-256. Files
 * are read on the helper thread, a piece at a time; what is found goes to store_fixity.h, the audit
 * trail and a metric. The place is kept over restarts. One thread, the loop's. */
#ifndef COFFER_DMS_FIXITY_H
#define COFFER_DMS_FIXITY_H

#include "dms/store_fixity.h"

struct dms;
struct fixity;

/* Begins after a while of quiet, or when the last walk is FIXITY_PAUSE_MS old. With a rate of 0 there
 * is none of it but what fixity_start() asks for. */
must_check int fixity_new(struct dms *dms, struct fixity **ret_fixity);
/* Keeps the place. Before the store and the workers are closed. */
void fixity_free(struct fixity *fixity);
/* A new walk, from now on. */
void fixity_start(struct fixity *fixity);
void fixity_place(const struct fixity *fixity, struct fixity_place *ret);

#endif
