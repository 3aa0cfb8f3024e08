/* SPDX-License-Identifier: Apache-2.0 */
/* What a watched program's runtime tells the recorder: a message is taken as a whole or not at all, and
 * what was taken is told again as it was. The input: messages, each behind its length. */
#include "cli/record.h"
#include "base/reader.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct record *record)
{
    for (size_t i = 0; i < record->file_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(record->files[i].path, record->files[j].path) == 0)
                abort(); /* each once */
    for (size_t i = 0; i < record->end_count; i++)
        if (record->ends[i].protocol < 0 || record->ends[i].protocol > 2 ||
            record->ends[i].port < 0 || record->ends[i].port > 65535)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader rd = reader_over(slice_of(data, size));
    struct record record = {0};
    while (reader_left(&rd) > 0) {
        size_t files = record.file_count, ends = record.end_count;
        size_t length = MIN((size_t)reader_u16(&rd), reader_left(&rd));
        if (record_take(&record, reader_slice(&rd, length)) < 0 &&
            (record.file_count != files || record.end_count != ends))
            abort();
    }
    check(&record);
    record_done(&record);
    return 0;
}
