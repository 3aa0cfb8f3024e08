/* SPDX-License-Identifier: Apache-2.0 */
/* A type definition that is understood comes back the same when it is written and read again. */
#include "dms/cmis/model.h"
#include "server/json.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cmis_type *round_trip(struct arena *arena, const char *text, struct buf *out)
{
    const struct cmis_type *type = type_read(arena, text);
    struct json json = json_into(out);
    if (type)
        type_write(&json, NULL, type, true);
    return type;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.size_max = 16 << 20};
    struct buf first = {0}, second = {0};
    char *text = size <= 65536 ? arena_text(&arena, slice_of(data, size)) : NULL;
    if (text && round_trip(&arena, text, &first)) {
        const char *written = buf_text(&first);
        assert(written);
        const struct cmis_type *again = round_trip(&arena, written, &second);
        assert(again && again->property_count <= CMIS_PROPERTIES_MAX);
        assert(slice_equals(buf_slice(&first), buf_slice(&second)));
    }
    buf_done(&first);
    buf_done(&second);
    arena_done(&arena);
    return 0;
}
