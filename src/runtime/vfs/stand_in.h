/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/stand_in.h: objects of the host's memory that stand in for what a file on a volume cannot be to
 * the kernel: something to watch, the pipe behind a name.
 *
 * They lie in one directory of the host under a name that nobody can guess, are made when first
 * needed and go with the process family. They hold no contents; what they tell the kernel is the
 * names in watched directories. What must be known in every process of the family is in a shared
 * page. Everything here is best effort: without stand-ins, volumes are as good as before. */
#ifndef COFFER_RUNTIME_VFS_STAND_IN_H
#define COFFER_RUNTIME_VFS_STAND_IN_H

#include "base/macros.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define STAND_IN_PATH_MAX 448 /* the directory, an inode's numbers, a name */
#define STAND_INS_WATCHED 512
#define STAND_INS_SOCKETS 512
#define SOCKET_NAME_SIZE 109 /* a Unix socket's path, and a NUL */

struct stand_in_watched {
    _Atomic uint64_t ino; /* 0: free */
    _Atomic uint32_t volume;
    _Atomic uint32_t generation; /* a directory's stand-in moves on when it is renamed */
};

/* What a bound socket's address was. */
struct stand_in_socket {
    _Atomic uint32_t sequence; /* odd while it is being written; 0: nothing is there */
    uint32_t volume;
    uint64_t ino;
    char name[SOCKET_NAME_SIZE];
};

struct stand_ins {
    uint8_t secret[16];
    _Atomic uint32_t made; /* the directory is there */
    _Atomic uint32_t watched_count;
    struct stand_in_watched watched[STAND_INS_WATCHED];
    _Atomic uint32_t socket_count; /* ever bound; the last STAND_INS_SOCKETS are known */
    struct stand_in_socket sockets[STAND_INS_SOCKETS];
};

/* NULL: there are none (no volumes, or no memory for them). */
extern struct stand_ins *g_stand_ins;

/* Makes the shared page, or takes over the one behind `fd` (-1: none) after a host exec. Before any
 * fork. */
void stand_in_init(int fd);
/* For vfs_exec_save(): the page's hidden descriptor, or -1. */
int stand_in_fd(void);

/* Writes "DIRECTORY/KINDvolume-ino[.generation]" and, where `name` is not NULL, "/name". Makes the
 * directory if need be. 0, -ENAMETOOLONG, or what the host says. */
must_check int stand_in_path(char path[STAND_IN_PATH_MAX], char kind, uint32_t volume, uint64_t ino,
                             uint32_t generation, const char *name);

/* Is it the path of a socket's stand-in? Then whose. */
must_check bool stand_in_socket_of(const char *path, uint32_t *ret_volume, uint64_t *ret_ino);
/* Keeps what that socket was bound to; gives it back, or nothing if too many came after. */
void stand_in_name_socket(uint32_t volume, uint64_t ino, const char name[SOCKET_NAME_SIZE]);
void stand_in_socket_name(uint32_t volume, uint64_t ino, char ret_name[SOCKET_NAME_SIZE]);

/* Removes all of them: the family ends. */
void stand_in_remove_all(void);

#endif
