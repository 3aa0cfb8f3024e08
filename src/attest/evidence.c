/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/evidence.h"

#include "base/reader.h"
#include "crypto/crypto.h"

#include <errno.h>

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

static int sim_parse(struct slice record, struct evidence *ret_evidence,
                     uint8_t ret_point[EVIDENCE_POINT_SIZE],
                     uint8_t ret_signature[EVIDENCE_SIGNATURE_SIZE])
{
    struct reader rd = reader_over(record);
    struct evidence ev = {.tee = TEE_SIM};
    reader_take(&rd, 4 + 2 + 2); /* evidence_verify() has read them */
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

static int sim_verify(struct slice record, struct evidence *ret_evidence)
{
    uint8_t signed_bytes[sizeof EVIDENCE_SIGNED_CONTEXT - 1 + EVIDENCE_SIGNED_SIZE];
    uint8_t point[EVIDENCE_POINT_SIZE], signature[EVIDENCE_SIGNATURE_SIZE];
    struct evidence ev;
    int r = sim_parse(record, &ev, point, signature);
    if (r < 0)
        return r;
    memcpy(signed_bytes, EVIDENCE_SIGNED_CONTEXT, sizeof EVIDENCE_SIGNED_CONTEXT - 1);
    memcpy(signed_bytes + sizeof EVIDENCE_SIGNED_CONTEXT - 1, record.bytes, EVIDENCE_SIGNED_SIZE);
    r = p256_verify(point, slice_of(signed_bytes, sizeof signed_bytes), signature);
    if (r < 0)
        return r == -EBADMSG ? -EKEYREJECTED : r;
    r = sha256(slice_of(point, sizeof point), ev.device);
    if (r == 0)
        *ret_evidence = ev;
    return r;
}

int evidence_verify(struct slice record, struct evidence *ret_evidence)
{
    struct reader rd = reader_over(record);
    struct slice magic = reader_slice(&rd, 4);
    uint16_t version = reader_u16(&rd);
    uint16_t tee = reader_u16(&rd);
    if (!reader_ok(&rd))
        return -EBADMSG;
    if (!slice_is_text(magic, EVIDENCE_MAGIC) || version != EVIDENCE_VERSION ||
        tee != EVIDENCE_TEE_SIM)
        return -EOPNOTSUPP;
    return sim_verify(record, ret_evidence);
}
