/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/bundle.h"

#include "base/reader.h"
#include "base/writer.h"

#include <errno.h>

#define LAUNCHER_CONTEXT "coffer launcher key 1"

enum { HEADER_SIZE = 20, KIND_SGX = 4 };

static const uint16_t kinds[TEE_COUNT] = {
    [TEE_TDX] = EVIDENCE_TEE_TDX, [TEE_SNP] = EVIDENCE_TEE_SNP, [TEE_SGX] = KIND_SGX};

bool bundle_is(struct slice bytes)
{
    return bytes.size >= 4 && memcmp(bytes.bytes, BUNDLE_MAGIC, 4) == 0;
}

int bundle_parse(struct slice bytes, struct bundle *ret)
{
    struct reader rd = reader_over(bytes);
    struct bundle b = {.tee = TEE_COUNT};
    struct slice magic = reader_slice(&rd, 4);
    uint16_t version = reader_u16(&rd), kind = reader_u16(&rd);
    uint32_t report = reader_u32(&rd), auxiliary = reader_u32(&rd), process = reader_u32(&rd);
    b.report = reader_slice(&rd, report);
    b.auxiliary = reader_slice(&rd, auxiliary);
    b.process = reader_slice(&rd, process);
    for (unsigned i = TEE_TDX; i < TEE_COUNT; i++)
        if (kinds[i] == kind)
            b.tee = (enum tee)i;
    if (!reader_finished(&rd) || !slice_is_text(magic, BUNDLE_MAGIC) || version != BUNDLE_VERSION ||
        b.tee == TEE_COUNT || report == 0 || report > BUNDLE_PART_SIZE_MAX ||
        auxiliary > BUNDLE_PART_SIZE_MAX || (process != 0 && process != EVIDENCE_RECORD_SIZE))
        return -EBADMSG;
    *ret = b;
    return 0;
}

int bundle_write(const struct bundle *b, struct buf *out)
{
    uint8_t header[HEADER_SIZE];
    struct writer wr = writer_over(header, sizeof header);
    if ((unsigned)b->tee >= TEE_COUNT || kinds[b->tee] == 0 || b->report.size == 0 ||
        b->report.size > BUNDLE_PART_SIZE_MAX || b->auxiliary.size > BUNDLE_PART_SIZE_MAX ||
        (b->process.size != 0 && b->process.size != EVIDENCE_RECORD_SIZE))
        return -EINVAL;
    writer_bytes(&wr, BUNDLE_MAGIC, 4);
    writer_u16(&wr, BUNDLE_VERSION);
    writer_u16(&wr, kinds[b->tee]);
    writer_u32(&wr, (uint32_t)b->report.size);
    writer_u32(&wr, (uint32_t)b->auxiliary.size);
    writer_u32(&wr, (uint32_t)b->process.size);
    buf_append(out, header, sizeof header);
    buf_append_slice(out, b->report);
    buf_append_slice(out, b->auxiliary);
    buf_append_slice(out, b->process);
    return out->failed ? -ENOMEM : 0;
}

int bundle_launcher_data(const uint8_t point[EVIDENCE_POINT_SIZE],
                         uint8_t ret_data[EVIDENCE_REPORT_DATA_SIZE])
{
    const struct slice parts[] = {slice_of_text(LAUNCHER_CONTEXT),
                                  slice_of(point, EVIDENCE_POINT_SIZE)};
    memset(ret_data, 0, EVIDENCE_REPORT_DATA_SIZE);
    return sha256_parts(parts, ARRAY_COUNT(parts), ret_data);
}

/* Bytes 0 to 339: all but the signature. */
static void process_fill(const struct evidence *ev, const uint8_t point[EVIDENCE_POINT_SIZE],
                         uint8_t record[EVIDENCE_RECORD_SIZE])
{
    struct writer wr = writer_over(record, EVIDENCE_RECORD_SIZE);
    writer_bytes(&wr, EVIDENCE_MAGIC, 4);
    writer_u16(&wr, EVIDENCE_VERSION);
    writer_u16(&wr, kinds[ev->tee]);
    writer_u32(&wr, EVIDENCE_RECORD_SIZE);
    writer_u32(&wr, ev->svn);
    writer_u32(&wr, ev->debug ? EVIDENCE_FLAG_DEBUG : 0);
    writer_u32(&wr, 0);
    writer_bytes(&wr, ev->runtime, sizeof ev->runtime);
    writer_bytes(&wr, ev->program, sizeof ev->program);
    writer_bytes(&wr, ev->signer, sizeof ev->signer);
    writer_bytes(&wr, ev->config, sizeof ev->config);
    writer_bytes(&wr, ev->instance, sizeof ev->instance);
    writer_bytes(&wr, ev->report_data, sizeof ev->report_data);
    writer_zeros(&wr, EVIDENCE_RESERVED_SIZE);
    writer_bytes(&wr, point, EVIDENCE_POINT_SIZE);
}

int bundle_process_sign(const struct p256_key *launcher, const struct evidence *identity,
                        struct buf *out)
{
    static const char context[] = EVIDENCE_LAUNCHED_CONTEXT;
    uint8_t record[EVIDENCE_RECORD_SIZE], point[EVIDENCE_POINT_SIZE];
    uint8_t message[sizeof context - 1 + EVIDENCE_SIGNED_SIZE];
    if (identity->tee != TEE_TDX && identity->tee != TEE_SNP)
        return -EINVAL;
    int r = p256_public(launcher, point);
    if (r < 0)
        return r;
    process_fill(identity, point, record);
    memcpy(message, context, sizeof context - 1);
    memcpy(message + sizeof context - 1, record, EVIDENCE_SIGNED_SIZE);
    r = p256_sign(launcher, slice_of(message, sizeof message), record + EVIDENCE_SIGNED_SIZE);
    return r < 0 ? r : buf_append(out, record, sizeof record);
}
