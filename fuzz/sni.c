/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict on the first bytes of a connection is final: more bytes never change it. And a name
 * that was accepted can be compared and logged without further care. */
#include "gateway/sni.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char whole[SNI_NAME_SIZE] = "", part[SNI_NAME_SIZE] = "";
    int verdict = sni_parse(slice_of(data, size), whole);
    if (verdict != 0 && verdict != -EAGAIN && verdict != -ENOENT && verdict != -EBADMSG &&
        verdict != -EMSGSIZE)
        abort();
    size_t step = size / 64 + 1;
    for (size_t n = 0; n < size; n += step) {
        int r = sni_parse(slice_of(data, n), part);
        if (r != -EAGAIN && (r != verdict || memcmp(part, whole, sizeof part) != 0))
            abort();
    }
    if (verdict == 0 && (whole[0] == '\0' ||
                         strspn(whole, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(whole)))
        abort();
    (void)sni_is_plain_http(slice_of(data, size));
    return 0;
}
