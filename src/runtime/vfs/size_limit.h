/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/size_limit.h: RLIMIT_FSIZE where the host's kernel does not see the file. */
#ifndef COFFER_RUNTIME_VFS_SIZE_LIMIT_H
#define COFFER_RUNTIME_VFS_SIZE_LIMIT_H

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>

/* Is there a limit? */
bool size_limit_any(void);

/* How many bytes may be written from `offset` on; 0: refused, and the caller says size_limit_signal(). */
uint64_t size_limit_room(int64_t offset);

/* May a file of `size` bytes grow to `new_size`? 0, or as size_limit_signal(). */
must_check int size_limit_check(uint64_t size, uint64_t new_size);

/* The calling thread gets SIGXFSZ, its call -EFBIG. */
must_check int size_limit_signal(void);

#endif
