/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/file_ops.h: the kinds of files that vfs/ puts behind descriptors. */
#ifndef COFFER_RUNTIME_VFS_FILE_OPS_H
#define COFFER_RUNTIME_VFS_FILE_OPS_H

#include "runtime/vfs/volume_file.h"

extern const struct file_ops volume_regular_ops;   /* regular.c */
extern const struct file_ops volume_directory_ops; /* directory.c */
extern const struct file_ops volume_path_ops;      /* directory.c: O_PATH */
extern const struct file_ops static_file_ops;      /* static_file.c */
extern const struct file_ops device_ops;           /* device.c */
extern const struct file_ops device_dir_ops;       /* device.c */

/* --- shared by regular.c, directory.c and volume_file.c --- */
void volume_file_release(struct file *f);
int64_t volume_file_stat(struct file *f, struct statx *ret_stat);
int64_t volume_file_sync(struct file *f, bool data_only);
int64_t volume_file_ioctl(struct file *f, unsigned long request, unsigned long arg); /* regular.c */
int64_t volume_file_flock(struct file *f, int operation);                            /* locks.c */
int64_t volume_file_fcntl(struct file *f, int cmd, unsigned long arg);               /* locks.c */
/* A descriptor of `vf` is being closed: the process's POSIX locks on the file end. locks.c */
void locks_closing(struct volume_file *vf);
void locks_after_fork(void);
int64_t volume_file_mmap(struct file *f, void *addr, size_t size, int prot, int flags,
                         uint64_t offset); /* mapping.c */
int64_t file_mmap_private(struct file *f, void *addr, size_t size, int prot, int flags,
                          uint64_t offset); /* mapping.c: filled through f->ops->read */

/* Serialises moves of the position, across processes too; survives the death of a holder. */
void position_acquire(struct volume_file *vf);
void position_release(struct volume_file *vf);

#endif
