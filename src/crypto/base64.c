/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/base64.h"

#include <errno.h>
#include <openssl/evp.h>

enum { SIZE_MAX_EITHER = 64 << 20 };

int crypto_base64_encode(struct slice bytes, struct buf *out)
{
    if (bytes.size == 0)
        return 0;
    if (bytes.size > SIZE_MAX_EITHER)
        return -ENOMEM;
    uint8_t *to = buf_reserve(out, (bytes.size + 2) / 3 * 4 + 1);
    if (!to)
        return -ENOMEM;
    out->size += (size_t)EVP_EncodeBlock(to, bytes.bytes, (int)bytes.size);
    return 0;
}

/* EVP_DecodeBlock() forgives blanks around and bits that should be zero; we do not. */
static int reencodes(struct slice text, const uint8_t *bytes, size_t size)
{
    struct buf again = {0};
    int r = crypto_base64_encode(slice_of(bytes, size), &again);
    if (r == 0 && !slice_equals(buf_slice(&again), text))
        r = -EBADMSG;
    buf_done(&again);
    return r;
}

int crypto_base64_decode(struct slice text, struct buf *out)
{
    if (text.size == 0)
        return 0;
    if (text.size % 4 != 0 || text.size > SIZE_MAX_EITHER)
        return -EBADMSG;
    uint8_t *to = buf_reserve(out, text.size / 4 * 3);
    if (!to)
        return -ENOMEM;
    int n = EVP_DecodeBlock(to, text.bytes, (int)text.size);
    size_t padding =
        (size_t)(text.bytes[text.size - 1] == '=') + (size_t)(text.bytes[text.size - 2] == '=');
    if (n < (int)padding)
        return -EBADMSG;
    size_t size = (size_t)n - padding;
    int r = reencodes(text, to, size);
    if (r == 0)
        out->size += size;
    return r;
}
