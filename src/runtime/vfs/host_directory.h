/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/host_directory.h: a directory of the host in which some of our mounts begin, so that its
 * listing must name them too. For everything else it is the host's. */
#ifndef COFFER_RUNTIME_VFS_HOST_DIRECTORY_H
#define COFFER_RUNTIME_VFS_HOST_DIRECTORY_H

#include "runtime/fd.h"

/* Learns which directories those are; once the mounts are known. */
void host_directory_init(void);

/* `fd` was just opened at the host as a directory: watches it if need be. Returns `fd`, or -errno
 * when it had to be closed. */
must_check int64_t host_directory_opened(int64_t fd);

bool is_host_directory(const struct file *f);

#endif
