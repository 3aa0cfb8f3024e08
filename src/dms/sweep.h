/* SPDX-License-Identifier: Apache-2.0 */
/* dms/sweep.h: files whose contents are gone are erased on the helper thread: on an encrypted volume
 * that means to write anew what shares a segment with them, which may take a while. The calls of the
 * commit that took the contents away are answered after it, the others go on. */
#ifndef COFFER_DMS_SWEEP_H
#define COFFER_DMS_SWEEP_H

#include "base/macros.h"

#include <stdbool.h>

struct dms;
struct sweep;

must_check int sweep_new(struct dms *dms, struct sweep **ret_sweep);
/* After the workers are closed, before the store is; calls that wait must be gone. */
void sweep_free(struct sweep *sweep);

/* The calls that wait for the commit that was just made wait for its files, too. */
void sweep_wait(struct dms *dms);
/* Right after a commit, where nothing is begun that may still be undone: erases what there is to
 * erase, then answers. */
void sweep_start(struct dms *dms);

#endif
