/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/vfs/volume_order.h: what the owner of a volume wants done at its opening: another key, and
 * contents erased for good. Before the program's first instruction; one thread. */
#ifndef COFFER_RUNTIME_VFS_VOLUME_ORDER_H
#define COFFER_RUNTIME_VFS_VOLUME_ORDER_H

#include "runtime/config.h"

/* The new key, if an earlier try came so far. */
void volume_order_key(const struct runtime_volume *rv, struct volume_options *options);

/* Carries it out and says so to whoever gave it. What fails is logged, stays ordered, and does not keep
 * the program from running. Wipes the new key. */
void volume_order_run(const struct runtime_volume *rv, struct volume *volume);

#endif
