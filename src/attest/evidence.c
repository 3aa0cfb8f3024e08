/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/evidence.h"

#include "base/reader.h"
#include "crypto/crypto.h"

#include <errno.h>

enum { CONTEXT_SIZE_MAX = 32 };

static const char *const tee_names[TEE_COUNT] = {
    [TEE_SIM] = "sim", [TEE_TDX] = "tdx", [TEE_SNP] = "snp", [TEE_SGX] = "sgx"};

const char *tee_name(enum tee tee)
{
    return (unsigned)tee < TEE_COUNT ? tee_names[tee] : "unknown";
}

int tee_parse(struct slice name, enum tee *ret_tee)
{
    for (unsigned i = 0; i < TEE_COUNT; i++) {
        if (slice_is_text(name, tee_names[i])) {
            *ret_tee = (enum tee)i;
            return 0;
        }
    }
    return -EINVAL;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    unsigned any = 0;
    for (size_t i = 0; bytes && i < size; i++)
        any |= bytes[i];
    return any == 0;
}

static int record_parse(struct slice record, enum tee tee, struct evidence *ret_evidence,
                        uint8_t ret_point[EVIDENCE_POINT_SIZE],
                        uint8_t ret_signature[EVIDENCE_SIGNATURE_SIZE])
{
    struct reader rd = reader_over(record);
    struct evidence ev = {.tee = tee};
    reader_take(&rd, 4 + 2 + 2); /* the callers have read them */
    uint32_t size = reader_u32(&rd);
    ev.svn = reader_u32(&rd);
    uint32_t flags = reader_u32(&rd);
    uint32_t zero = reader_u32(&rd);
    ev.debug = (flags & EVIDENCE_FLAG_DEBUG) != 0;
    reader_copy(&rd, ev.runtime, sizeof ev.runtime);
    reader_copy(&rd, ev.program, sizeof ev.program);
    reader_copy(&rd, ev.signer, sizeof ev.signer);
    reader_copy(&rd, ev.config, sizeof ev.config);
    reader_copy(&rd, ev.instance, sizeof ev.instance);
    reader_copy(&rd, ev.report_data, sizeof ev.report_data);
    const uint8_t *reserved = reader_take(&rd, EVIDENCE_RESERVED_SIZE);
    reader_copy(&rd, ret_point, EVIDENCE_POINT_SIZE);
    reader_copy(&rd, ret_signature, EVIDENCE_SIGNATURE_SIZE);
    if (!reader_finished(&rd) || size != EVIDENCE_RECORD_SIZE ||
        (flags & ~EVIDENCE_FLAG_DEBUG) != 0 || zero != 0 ||
        !all_zero(reserved, EVIDENCE_RESERVED_SIZE))
        return -EBADMSG;
    *ret_evidence = ev;
    return 0;
}

/* Parses, and checks the signature over `context` and the record. */
static int record_verify(struct slice record, enum tee tee, const char *context,
                         struct evidence *ret_evidence, uint8_t ret_point[EVIDENCE_POINT_SIZE])
{
    uint8_t signed_bytes[CONTEXT_SIZE_MAX + EVIDENCE_SIGNED_SIZE];
    uint8_t signature[EVIDENCE_SIGNATURE_SIZE];
    struct evidence ev;
    size_t size = strlen(context);
    int r = record_parse(record, tee, &ev, ret_point, signature);
    if (r < 0)
        return r;
    memcpy(signed_bytes, context, size);
    memcpy(signed_bytes + size, record.bytes, EVIDENCE_SIGNED_SIZE);
    r = p256_verify(ret_point, slice_of(signed_bytes, size + EVIDENCE_SIGNED_SIZE), signature);
    if (r < 0)
        return r == -EBADMSG ? -EKEYREJECTED : r;
    r = sha256(slice_of(ret_point, EVIDENCE_POINT_SIZE), ev.device);
    if (r == 0)
        *ret_evidence = ev;
    return r;
}

/* Magic, version and kind: -EBADMSG too short, -EOPNOTSUPP another. */
static int head_check(struct slice record, uint16_t kind)
{
    struct reader rd = reader_over(record);
    struct slice magic = reader_slice(&rd, 4);
    uint16_t version = reader_u16(&rd), tee = reader_u16(&rd);
    if (!reader_ok(&rd))
        return -EBADMSG;
    return slice_is_text(magic, EVIDENCE_MAGIC) && version == EVIDENCE_VERSION && tee == kind
               ? 0
               : -EOPNOTSUPP;
}

int evidence_launched_verify(struct slice record, enum tee tee, struct evidence *ret_evidence,
                             uint8_t ret_point[EVIDENCE_POINT_SIZE])
{
    uint16_t kind = tee == TEE_TDX ? EVIDENCE_TEE_TDX : tee == TEE_SNP ? EVIDENCE_TEE_SNP : 0;
    if (kind == 0 || head_check(record, kind) < 0)
        return -EBADMSG;
    return record_verify(record, tee, EVIDENCE_LAUNCHED_CONTEXT, ret_evidence, ret_point);
}

int evidence_verify(struct slice record, struct evidence *ret_evidence)
{
    uint8_t point[EVIDENCE_POINT_SIZE];
    int r = head_check(record, EVIDENCE_TEE_SIM);
    return r < 0 ? r : record_verify(record, TEE_SIM, EVIDENCE_SIGNED_CONTEXT, ret_evidence, point);
}
