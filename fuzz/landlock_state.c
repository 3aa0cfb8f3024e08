/* SPDX-License-Identifier: Apache-2.0 */
/* A program's landlock(7) rules as they come over a host exec: what is taken is what is written again. */
#include "base/buf.h"
#include "runtime/confine/landlock.h"
#include "runtime/syscall/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing here makes a call of the guest's. */
int64_t sys_pass(struct syscall_call *c)
{
    (void)c;
    return -ENOSYS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *input = malloc(size + 1); /* ends where the sanitizer looks */
    struct landlock_layer *layer = NULL;
    struct buf again = {0};
    if (!input)
        return 0;
    memcpy(input, data, size);
    struct reader from = reader_over(slice_of(input, size));
    if (landlock_restore(&layer, &from) == 0) {
        size_t taken = size - reader_left(&from);
        if (landlock_save(layer, &again) == 0 &&
            (again.size != taken || memcmp(again.bytes, input, taken) != 0))
            abort();
    }
    landlock_put(layer);
    buf_done(&again);
    free(input);
    return 0;
}
