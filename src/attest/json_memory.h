/* SPDX-License-Identifier: Apache-2.0 */
/* attest/json_memory.h: jansson with memory that is wiped when it is released: its texts hold keys.
 * Call json_memory_wipes() before any other use of the library. */
#ifndef COFFER_ATTEST_JSON_MEMORY_H
#define COFFER_ATTEST_JSON_MEMORY_H

#include "base/secret.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>

static inline void json_memory_free(void *bytes)
{
    if (bytes)
        secret_wipe(bytes, malloc_usable_size(bytes));
    free(bytes);
}

static inline void json_memory_wipes(void)
{
    json_set_alloc_funcs(malloc, json_memory_free);
}

#endif
