/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/host_directory.h: a directory of the host whose listing is not the host's alone: some of our
 * mounts begin in it, or it names descriptors and some are the runtime's. For everything else it is
 * the host's. */
#ifndef COFFER_RUNTIME_VFS_HOST_DIRECTORY_H
#define COFFER_RUNTIME_VFS_HOST_DIRECTORY_H

#include "runtime/fd.h"

/* Learns which directories those are; once the mounts are known. */
void host_directory_init(void);

/* `fd` was just opened at the host as a directory: watches it if need be. Returns `fd`, or -errno
 * when it had to be closed. */
must_check int64_t host_directory_opened(int64_t fd);

/* The same for what may be /proc/PID/fd or the like, by its name. */
bool names_descriptors(const char *path);
must_check int64_t descriptor_directory_opened(int64_t fd);

bool is_host_directory(const struct file *f);

#endif
