/* SPDX-License-Identifier: Apache-2.0 */
/* platform/linux/launched.h: the platform of a process that the launcher has forked: as `sim`, but
 * evidence is asked for over the line to the launcher (base/launch.h), which alone can reach the
 * device, and there is no sealing key. */
#ifndef COFFER_PLATFORM_LINUX_LAUNCHED_H
#define COFFER_PLATFORM_LINUX_LAUNCHED_H

#include "platform/ops.h"

extern const struct platform_ops platform_launched;

/* The process's end of the line; it stays open as long as the process lives. */
void launched_set_line(int fd);

#endif
