/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/memory.h: OpenSSL's memory.
 *
 * A connection at rest holds no record buffers (SSL_MODE_RELEASE_BUFFERS: 6,000 of them would be
 * 200 MiB), so that each record read and each written takes one of some 17 KiB and gives it back, which
 * general allocators are slow at. Two such buffers are kept for whoever comes next. */
#ifndef COFFER_CRYPTO_MEMORY_H
#define COFFER_CRYPTO_MEMORY_H

#include <stddef.h>

/* Buffers from so many bytes on are kept. */
#define CRYPTO_KEPT_MIN 4096
#define CRYPTO_KEPT_MAX 17408 /* a record, its header and padding, and OpenSSL's alignment */

/* Before OpenSSL allocates anything; later it does nothing. */
void crypto_memory_start(void);

#endif
