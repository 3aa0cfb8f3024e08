/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/device.h: the directory /dev/coffer/, the only API of ours that a program may use
 * (that SO_PEERSEC names a TLS client is Linux's own option).
 *
 *   report-data  write 64 bytes: what the evidence shall say
 *   evidence     read: evidence over that report data (or over the 64 bytes written to this very
 *                descriptor); as platform()->evidence() makes it
 *   seal-key     read 32 bytes: a key that only this program on this platform can derive again; a
 *                label of at most 255 bytes may be written first */
#ifndef COFFER_RUNTIME_VFS_DEVICE_H
#define COFFER_RUNTIME_VFS_DEVICE_H

#include "runtime/fd.h"

/* `below`: "" for the directory, else "/name". -ENOENT. */
must_check int device_open(const char *below, int flags, struct file **ret_file);
must_check int device_statx(const char *below, struct statx *ret_stat);

#endif
