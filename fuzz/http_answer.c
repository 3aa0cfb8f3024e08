/* SPDX-License-Identifier: Apache-2.0 */
/* An answer that parses lies inside its bytes, and every shorter piece of it asks for more. */
#include "attest/http_answer.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer answer, again;
    if (http_answer_parse(slice_of(data, size), &answer) < 0)
        return 0;
    assert(answer.size <= size && answer.body.size <= answer.size);
    assert(answer.status >= 200 && answer.status <= 599);
    assert(http_answer_parse(slice_of(data, answer.size), &again) == 0);
    assert(again.size == answer.size && again.status == answer.status);
    assert(http_answer_parse(slice_of(data, answer.size - 1), &again) == -EAGAIN);
    return 0;
}
