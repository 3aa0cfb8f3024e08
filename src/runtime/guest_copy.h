/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/guest_copy.h: what guest_copy.S gives to guest.c and the signal code; see there. */
#ifndef COFFER_RUNTIME_GUEST_COPY_H
#define COFFER_RUNTIME_GUEST_COPY_H

#include "base/macros.h"

#include <stdint.h>
#include <sys/types.h>

extern const char guest_copy_begin[], guest_copy_end[], guest_copy_fault[];

must_check int guest_copy(void *target, const void *source, size_t size);
must_check ssize_t guest_copy_text(char *target, const char *source, size_t size);
must_check int guest_exchange_u32(void *address, uint32_t *expected, uint32_t value);

#endif
