/* SPDX-License-Identifier: Apache-2.0 */
/* dms/tool_confine.h: the half of tool_confinement() that runs in the child. */
#ifndef COFFER_DMS_TOOL_CONFINE_H
#define COFFER_DMS_TOOL_CONFINE_H

#include "base/macros.h"

/* For good. Only system calls, so also right after vfork(). 0 or -errno: then the process must exit. */
must_check int tool_confine(int confinement_fd);

#endif
