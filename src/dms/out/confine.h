/* SPDX-License-Identifier: Apache-2.0 */
/* dms/out/confine.h: what speaks to strangers can read the system's libraries and settings, and can write
 * nothing: above all it cannot open the documents. */
#ifndef COFFER_DMS_OUT_CONFINE_H
#define COFFER_DMS_OUT_CONFINE_H

#include "base/macros.h"

/* For good, by Landlock. `ca_file` may be NULL. 0; -ENOSYS: not here (under the runtime, where a policy says what
 * may be opened; an old kernel); -errno: then the process must exit. */
must_check int out_confine(const char *ca_file);

#endif
