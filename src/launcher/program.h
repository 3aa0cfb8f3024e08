/* SPDX-License-Identifier: Apache-2.0 */
/* launcher/program.h: programs to start, measured. The bytes that were hashed are kept in a sealed
 * memory file, and that is what runs: whoever changes the file on disk meanwhile changes nothing,
 * and all servers share the same pages. */
#ifndef COFFER_LAUNCHER_PROGRAM_H
#define COFFER_LAUNCHER_PROGRAM_H

#include "base/error.h"
#include "base/macros.h"
#include "crypto/crypto.h"

#include <sys/stat.h>

#define PROGRAM_SIZE_MAX ((uint64_t)256 << 20)
#define PROGRAM_CACHE_MAX 4
#define PROGRAM_PATH_SIZE 1024

struct program {
    char path[PROGRAM_PATH_SIZE];
    struct stat st; /* device, inode, size and times say whether it is still the same */
    int fd;         /* sealed; belongs to the cache */
    void *bytes;    /* its mapping, st.st_size long */
    uint8_t digest[SHA256_SIZE];
};

struct program_cache {
    struct program entries[PROGRAM_CACHE_MAX];
    unsigned count, next; /* the oldest entry goes first */
};

/* Measures the regular file at `path`, or finds that it was. *ret_program lives until the cache has
 * taken PROGRAM_CACHE_MAX others. -errno with a text in `e`. */
must_check int program_get(struct program_cache *cache, const char *path,
                           const struct program **ret_program, struct error *e);
void program_cache_done(struct program_cache *cache);

#endif
