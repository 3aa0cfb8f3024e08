/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/dcap/quote.h"

#include "base/reader.h"

#include <errno.h>

#define HEADER_SIZE 48
#define QUOTE_SIZE_MIN 1020
#define KEY_TYPE_ECDSA_P256 2
#define TEE_TYPE_SGX 0x00u
#define TEE_TYPE_TDX 0x81u
#define CERTIFICATION_QE_REPORT 6 /* versions 4 and 5 wrap the rest in it */
#define CERTIFICATION_MAX 5
#define SIGNATURE_SIZE 64
#define SGX_FLAG_DEBUG 0x02
#define TD_FLAG_DEBUG 0x01

/* Body types of version 5. The fourth (885 bytes) is of a newer module and not known here. */
enum body { BODY_ENCLAVE = 1, BODY_TD_1_0 = 2, BODY_TD_1_5 = 3 };

static const uint8_t intel_qe_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                            0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

static const size_t body_sizes[] = {
    [BODY_ENCLAVE] = SGX_REPORT_SIZE, [BODY_TD_1_0] = 584, [BODY_TD_1_5] = 648};

static void enclave_read(struct slice bytes, struct sgx_report *report)
{
    struct reader rd = reader_over(bytes);
    reader_copy(&rd, report->cpu_svn, sizeof report->cpu_svn);
    report->misc_select = reader_u32(&rd);
    (void)reader_take(&rd, 28);
    reader_copy(&rd, report->attributes, sizeof report->attributes);
    reader_copy(&rd, report->mr_enclave, sizeof report->mr_enclave);
    (void)reader_take(&rd, 32);
    reader_copy(&rd, report->mr_signer, sizeof report->mr_signer);
    (void)reader_take(&rd, 96);
    report->isv_prod_id = reader_u16(&rd);
    report->isv_svn = reader_u16(&rd);
    (void)reader_take(&rd, 60);
    reader_copy(&rd, report->report_data, sizeof report->report_data);
}

static void td_read(struct slice bytes, struct td_report *td)
{
    struct reader rd = reader_over(bytes);
    reader_copy(&rd, td->tee_tcb_svn, sizeof td->tee_tcb_svn);
    reader_copy(&rd, td->mr_seam, sizeof td->mr_seam);
    reader_copy(&rd, td->mr_signer_seam, sizeof td->mr_signer_seam);
    reader_copy(&rd, td->seam_attributes, sizeof td->seam_attributes);
    reader_copy(&rd, td->td_attributes, sizeof td->td_attributes);
    reader_copy(&rd, td->xfam, sizeof td->xfam);
    reader_copy(&rd, td->mr_td, sizeof td->mr_td);
    reader_copy(&rd, td->mr_config_id, sizeof td->mr_config_id);
    reader_copy(&rd, td->mr_owner, sizeof td->mr_owner);
    reader_copy(&rd, td->mr_owner_config, sizeof td->mr_owner_config);
    reader_copy(&rd, td->rtmr, sizeof td->rtmr);
    reader_copy(&rd, td->report_data, sizeof td->report_data);
    td->has_now = bytes.size == body_sizes[BODY_TD_1_5];
    if (!td->has_now)
        return;
    reader_copy(&rd, td->tee_tcb_svn_now, sizeof td->tee_tcb_svn_now);
    reader_copy(&rd, td->mr_service_td, sizeof td->mr_service_td);
}

/* Header and the body's kind: -EOPNOTSUPP for what is not known, before anything is interpreted. */
static int head_read(struct reader *rd, struct dcap_quote *quote, unsigned *ret_body)
{
    quote->version = reader_u16(rd);
    unsigned key_type = reader_u16(rd);
    uint32_t tee = reader_u32(rd);
    (void)reader_take(rd, 4);
    struct slice vendor = reader_slice(rd, sizeof intel_qe_vendor);
    (void)reader_take(rd, 20);
    if (!reader_ok(rd))
        return -EBADMSG;
    if (quote->version < 3 || quote->version > 5 || key_type != KEY_TYPE_ECDSA_P256 ||
        (tee != TEE_TYPE_SGX && tee != TEE_TYPE_TDX) ||
        !slice_equals(vendor, slice_of(intel_qe_vendor, sizeof intel_qe_vendor)))
        return -EOPNOTSUPP;
    quote->tee = tee == TEE_TYPE_TDX ? DCAP_TDX : DCAP_SGX;
    if (quote->version == 3 && quote->tee != DCAP_SGX)
        return -EOPNOTSUPP;
    *ret_body = quote->tee == DCAP_TDX ? BODY_TD_1_0 : BODY_ENCLAVE;
    return 0;
}

/* Version 5 says itself which body follows; the kind must be one of the TEE that the header names. */
static int body_kind_read(struct reader *rd, enum dcap_tee tee, unsigned *ret_body)
{
    unsigned body = reader_u16(rd);
    uint32_t size = reader_u32(rd);
    if (!reader_ok(rd))
        return -EBADMSG;
    if (body < BODY_ENCLAVE || body > BODY_TD_1_5)
        return -EOPNOTSUPP;
    if (size != body_sizes[body] || (body == BODY_ENCLAVE) != (tee == DCAP_SGX))
        return -EBADMSG;
    *ret_body = body;
    return 0;
}

/* The quoting enclave's report and what certifies the key it is signed with. */
static void certification_read(struct reader *rd, struct dcap_quote *quote)
{
    quote->qe_report = reader_slice(rd, SGX_REPORT_SIZE);
    quote->qe_signature = reader_take(rd, SIGNATURE_SIZE);
    quote->qe_authentication = reader_slice(rd, reader_u16(rd));
    quote->certification_type = reader_u16(rd);
    quote->certification = reader_slice(rd, reader_u32(rd));
}

static int signature_read(struct slice data, struct dcap_quote *quote)
{
    struct reader rd = reader_over(data);
    quote->signature = reader_take(&rd, SIGNATURE_SIZE);
    quote->attestation_key = reader_take(&rd, SIGNATURE_SIZE);
    if (quote->version == 3) {
        certification_read(&rd, quote);
    } else {
        unsigned type = reader_u16(&rd);
        struct reader inner = reader_over(reader_slice(&rd, reader_u32(&rd)));
        certification_read(&inner, quote);
        if (type != CERTIFICATION_QE_REPORT || !reader_finished(&inner))
            return -EBADMSG;
    }
    if (!reader_finished(&rd) || quote->certification_type < 1 ||
        quote->certification_type > CERTIFICATION_MAX)
        return -EBADMSG;
    return 0;
}

int dcap_quote_parse(struct slice bytes, struct dcap_quote *ret_quote)
{
    struct dcap_quote quote = {0};
    struct reader rd = reader_over(bytes);
    unsigned kind = 0;
    int r = bytes.size < HEADER_SIZE ? -EBADMSG : head_read(&rd, &quote, &kind);
    if (r == 0 && quote.version == 5)
        r = body_kind_read(&rd, quote.tee, &kind);
    if (r < 0)
        return r;
    struct slice body = reader_slice(&rd, body_sizes[kind]);
    if (!reader_ok(&rd) || bytes.size < QUOTE_SIZE_MIN)
        return -EBADMSG;
    quote.signed_part = slice_of(bytes.bytes, (size_t)(rd.at - bytes.bytes));
    struct slice signature = reader_slice(&rd, reader_u32(&rd));
    if (!reader_ok(&rd))
        return -EBADMSG;
    r = signature_read(signature, &quote);
    if (r < 0)
        return r;
    if (quote.tee == DCAP_SGX)
        enclave_read(body, &quote.enclave);
    else
        td_read(body, &quote.td);
    enclave_read(quote.qe_report, &quote.qe);
    quote.trailing = reader_left(&rd);
    *ret_quote = quote;
    return 0;
}

bool dcap_quote_debug(const struct dcap_quote *quote)
{
    return quote->tee == DCAP_SGX ? quote->enclave.attributes[0] & SGX_FLAG_DEBUG
                                  : quote->td.td_attributes[0] & TD_FLAG_DEBUG;
}

const uint8_t *dcap_quote_report_data(const struct dcap_quote *quote)
{
    return quote->tee == DCAP_SGX ? quote->enclave.report_data : quote->td.report_data;
}
