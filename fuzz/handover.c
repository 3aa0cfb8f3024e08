/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's messages: what is taken for one is exactly one that an agent may send. */
#include "base/writer.h"
#include "runtime/net/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct handover_message message;
    uint8_t again[HANDOVER_MESSAGE_SIZE];
    struct writer wr = writer_over(again, sizeof again);
    if (handover_parse(slice_of(data, size), &message) != 0)
        return 0;
    writer_u32(&wr, message.type);
    writer_u32(&wr, 0);
    writer_u64(&wr, message.id);
    if (size != sizeof again || memcmp(again, data, size) != 0 ||
        (message.type != HANDOVER_CONNECTION && message.type != HANDOVER_DRAIN))
        abort();
    return 0;
}
