/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/evidence.h"

#include "crypto/crypto.h"
#include "sample.h"

#include <errno.h>

static const uint8_t g_report_data[REPORT_DATA_SIZE] = {9, 8, 7};

static void record_sample(struct buf *ret_record)
{
    struct sim_identity id = sample_identity();
    sample_device_set(&id);
    REQUIRE(sim_device_evidence(g_report_data, ret_record, NULL) == 0);
}

/* A record whose fields were changed and which its device signed again. */
static void record_resign(struct buf *record, const struct p256_key *key)
{
    uint8_t bytes[sizeof EVIDENCE_SIGNED_CONTEXT - 1 + EVIDENCE_SIGNED_SIZE];
    REQUIRE(p256_public(key, record->bytes + 275) == 0);
    memcpy(bytes, EVIDENCE_SIGNED_CONTEXT, sizeof EVIDENCE_SIGNED_CONTEXT - 1);
    memcpy(bytes + sizeof EVIDENCE_SIGNED_CONTEXT - 1, record->bytes, EVIDENCE_SIGNED_SIZE);
    REQUIRE(p256_sign(key, slice_of(bytes, sizeof bytes), record->bytes + EVIDENCE_SIGNED_SIZE) ==
            0);
}

TEST(genuine_evidence_says_what_its_process_is)
{
    struct sim_identity id = sample_identity();
    struct buf record = {0};
    struct evidence ev;
    uint8_t point[EVIDENCE_POINT_SIZE], device[SHA256_SIZE];
    record_sample(&record);
    CHECK_EQ(evidence_verify(buf_slice(&record), &ev), 0);
    CHECK_EQ(ev.tee, TEE_SIM);
    CHECK_EQ(ev.svn, 3);
    CHECK_EQ(ev.debug, false);
    CHECK(memcmp(ev.runtime, id.runtime, 32) == 0);
    CHECK(memcmp(ev.program, id.program, 32) == 0);
    CHECK(memcmp(ev.signer, id.signer, 32) == 0);
    CHECK(memcmp(ev.config, id.config, 32) == 0);
    CHECK(memcmp(ev.instance, id.instance, 16) == 0);
    CHECK(memcmp(ev.report_data, g_report_data, 64) == 0);
    REQUIRE(sim_device_public(point, NULL) == 0);
    REQUIRE(sha256(slice_of(point, sizeof point), device) == 0);
    CHECK(memcmp(ev.device, device, 32) == 0);
    buf_done(&record);
}

TEST(every_changed_bit_is_refused)
{
    struct buf record = {0};
    struct evidence ev;
    record_sample(&record);
    for (size_t i = 0; i < record.size; i++) {
        uint8_t bit = (uint8_t)(1u << (i % 8));
        record.bytes[i] ^= bit;
        CHECK(evidence_verify(buf_slice(&record), &ev) < 0);
        record.bytes[i] ^= bit;
    }
    CHECK_EQ(evidence_verify(buf_slice(&record), &ev), 0);
    buf_done(&record);
}

TEST(every_truncation_and_a_trailing_byte_are_malformed)
{
    struct buf record = {0};
    struct evidence ev;
    record_sample(&record);
    for (size_t size = 0; size < record.size; size++)
        CHECK_EQ(evidence_verify(slice_of(record.bytes, size), &ev), -EBADMSG);
    buf_append_byte(&record, 0);
    CHECK_EQ(evidence_verify(buf_slice(&record), &ev), -EBADMSG);
    buf_done(&record);
}

TEST(an_unknown_kind_or_version_is_refused_as_such)
{
    struct buf record = {0};
    struct evidence ev;
    record_sample(&record);
    record.bytes[6] = 2;
    CHECK_EQ(evidence_verify(buf_slice(&record), &ev), -EOPNOTSUPP);
    record.bytes[6] = 1;
    record.bytes[4] = 2;
    CHECK_EQ(evidence_verify(buf_slice(&record), &ev), -EOPNOTSUPP);
    buf_done(&record);
}

TEST(unknown_flags_and_used_reserves_are_malformed_even_if_signed)
{
    static const size_t must_be_zero[] = {17, 19, 20, 23, 232, 274};
    SCOPED(p256_freep) struct p256_key *key = NULL;
    struct buf record = {0};
    struct evidence ev;
    record_sample(&record);
    REQUIRE(p256_generate(&key) == 0);
    record_resign(&record, key);
    CHECK_EQ(evidence_verify(buf_slice(&record), &ev), 0);
    for (size_t i = 0; i < ARRAY_COUNT(must_be_zero); i++) {
        record.bytes[must_be_zero[i]] = 0x80;
        record_resign(&record, key);
        CHECK_EQ(evidence_verify(buf_slice(&record), &ev), -EBADMSG);
        record.bytes[must_be_zero[i]] = 0;
    }
    record.bytes[16] = EVIDENCE_FLAG_DEBUG;
    record_resign(&record, key);
    CHECK_EQ(evidence_verify(buf_slice(&record), &ev), 0);
    CHECK_EQ(ev.debug, true);
    buf_done(&record);
}

TEST(a_signature_of_another_key_is_rejected)
{
    SCOPED(p256_freep) struct p256_key *key = NULL;
    struct buf record = {0}, other = {0};
    struct evidence ev;
    record_sample(&record);
    REQUIRE(p256_generate(&key) == 0);
    buf_append_slice(&other, buf_slice(&record));
    record_resign(&other, key);
    memcpy(record.bytes + EVIDENCE_SIGNED_SIZE, other.bytes + EVIDENCE_SIGNED_SIZE, 64);
    CHECK_EQ(evidence_verify(buf_slice(&record), &ev), -EKEYREJECTED);
    buf_done(&record);
    buf_done(&other);
}

TEST(tee_names_parse_to_what_they_name)
{
    enum tee tee;
    for (unsigned i = 0; i < TEE_COUNT; i++) {
        CHECK_EQ(tee_parse(slice_of_text(tee_name((enum tee)i)), &tee), 0);
        CHECK_EQ(tee, i);
    }
    CHECK_EQ(tee_parse(slice_of_text("SIM"), &tee), -EINVAL);
}

TAP_MAIN()
