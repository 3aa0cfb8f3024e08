/* SPDX-License-Identifier: Apache-2.0 */
/* The little CBOR (RFC 8949) of the tagged evidence extension: one shape, and only its shortest
 * encoding, so that what parses re-encodes to the same bytes. */
#include "attest/ratls.h"

#include "attest/bundle.h"
#include "base/reader.h"

#include <errno.h>

enum cbor_major {
    CBOR_UINT = 0,
    CBOR_BYTES = 2,
    CBOR_TEXT = 3,
    CBOR_ARRAY = 4,
    CBOR_MAP = 5,
    CBOR_TAG = 6
};

#define HASH_ALGORITHM_SHA256 1 /* IANA Named Information Hash Algorithm registry */

static void head_write(struct buf *out, enum cbor_major major, uint32_t n)
{
    uint8_t first = (uint8_t)((unsigned)major << 5);
    uint8_t bytes[5] = {first};
    size_t size = n < 24 ? 1 : n < 0x100 ? 2 : n < 0x10000 ? 3 : 5;
    bytes[0] = (uint8_t)(first | (size == 1 ? n : size == 2 ? 24 : size == 3 ? 25 : 26));
    for (size_t i = 1; i < size; i++)
        bytes[i] = (uint8_t)(n >> (8 * (size - 1 - i)));
    buf_append(out, bytes, size);
}

/* The argument of the next head, which must be of `major`; anything else fails the reader. */
static uint32_t head_read(struct reader *rd, enum cbor_major major)
{
    static const uint32_t shortest[] = {24, 0x100, 0x10000};
    uint8_t first = reader_u8(rd);
    unsigned info = first & 31;
    if ((unsigned)first >> 5 != (unsigned)major)
        rd->failed = true;
    if (info < 24)
        return info;
    if (info > 26) {
        rd->failed = true;
        return 0;
    }
    uint32_t n = (uint32_t)reader_uint_be(rd, (size_t)1 << (info - 24));
    if (n < shortest[info - 24])
        rd->failed = true;
    return n;
}

static void string_write(struct buf *out, enum cbor_major major, struct slice bytes)
{
    head_write(out, major, (uint32_t)bytes.size);
    buf_append_slice(out, bytes);
}

static struct slice string_read(struct reader *rd, enum cbor_major major)
{
    uint32_t size = head_read(rd, major);
    return reader_slice(rd, size);
}

/* What the evidence says of itself. */
static uint32_t tag_of(struct slice evidence)
{
    if (bundle_is(evidence))
        return RATLS_CBOR_TAG_VENDOR;
    if (evidence.size >= 4 && memcmp(evidence.bytes, EVIDENCE_MAGIC, 4) == 0)
        return RATLS_CBOR_TAG_SIM;
    return RATLS_CBOR_TAG_QUOTE;
}

int ratls_extension_write(struct slice evidence, struct slice claims, struct buf *out)
{
    head_write(out, CBOR_TAG, tag_of(evidence));
    head_write(out, CBOR_ARRAY, 2);
    string_write(out, CBOR_BYTES, evidence);
    string_write(out, CBOR_BYTES, claims);
    return out->failed ? -ENOMEM : 0;
}

int ratls_extension_parse(struct slice extension, struct slice *ret_evidence,
                          struct slice *ret_claims)
{
    struct reader rd = reader_over(extension);
    if (extension.size > RATLS_EXTENSION_SIZE_MAX)
        return -EBADMSG;
    uint32_t tag = head_read(&rd, CBOR_TAG);
    if (!reader_ok(&rd))
        return -EBADMSG;
    if (tag != RATLS_CBOR_TAG_SIM && tag != RATLS_CBOR_TAG_VENDOR && tag != RATLS_CBOR_TAG_QUOTE)
        return -EOPNOTSUPP;
    uint32_t count = head_read(&rd, CBOR_ARRAY);
    struct slice evidence = string_read(&rd, CBOR_BYTES);
    struct slice claims = string_read(&rd, CBOR_BYTES);
    if (!reader_finished(&rd) || count != 2 || tag_of(evidence) != tag)
        return -EBADMSG;
    *ret_evidence = evidence;
    *ret_claims = claims;
    return 0;
}

/* The hash is a byte string that holds CBOR itself: [algorithm, hash]. */
int ratls_claims_write(const struct ratls_claims *claims, struct buf *out)
{
    SCOPED(buf_done) struct buf hash = {0};
    head_write(&hash, CBOR_ARRAY, 2);
    head_write(&hash, CBOR_UINT, HASH_ALGORITHM_SHA256);
    string_write(&hash, CBOR_BYTES, slice_of(claims->key_hash, sizeof claims->key_hash));
    head_write(out, CBOR_MAP, 2);
    string_write(out, CBOR_TEXT, slice_of_text("pubkey-hash"));
    string_write(out, CBOR_BYTES, buf_slice(&hash));
    string_write(out, CBOR_TEXT, slice_of_text("nonce"));
    string_write(out, CBOR_BYTES, slice_of(claims->nonce, sizeof claims->nonce));
    return out->failed || hash.failed ? -ENOMEM : 0;
}

static int hash_parse(struct slice bytes, uint8_t ret_hash[SHA256_SIZE])
{
    struct reader rd = reader_over(bytes);
    uint32_t parts = head_read(&rd, CBOR_ARRAY);
    uint32_t algorithm = head_read(&rd, CBOR_UINT);
    struct slice hash = string_read(&rd, CBOR_BYTES);
    if (!reader_finished(&rd) || parts != 2 || algorithm != HASH_ALGORITHM_SHA256 ||
        hash.size != SHA256_SIZE)
        return -EBADMSG;
    memcpy(ret_hash, hash.bytes, SHA256_SIZE);
    return 0;
}

int ratls_claims_parse(struct slice bytes, struct ratls_claims *ret_claims)
{
    struct reader rd = reader_over(bytes);
    struct ratls_claims claims;
    uint32_t pairs = head_read(&rd, CBOR_MAP);
    struct slice first = string_read(&rd, CBOR_TEXT);
    struct slice hash = string_read(&rd, CBOR_BYTES);
    struct slice second = string_read(&rd, CBOR_TEXT);
    struct slice nonce = string_read(&rd, CBOR_BYTES);
    if (!reader_finished(&rd) || pairs != 2 || !slice_is_text(first, "pubkey-hash") ||
        !slice_is_text(second, "nonce") || nonce.size != RATLS_NONCE_SIZE ||
        hash_parse(hash, claims.key_hash) < 0)
        return -EBADMSG;
    memcpy(claims.nonce, nonce.bytes, RATLS_NONCE_SIZE);
    *ret_claims = claims;
    return 0;
}
