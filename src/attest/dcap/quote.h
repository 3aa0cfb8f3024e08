/* SPDX-License-Identifier: Apache-2.0 */
/* attest/dcap/quote.h: the bytes of an Intel quote as fields, nothing believed yet. No I/O.
 *
 * Formats: Intel SGX ECDSA quote library reference, appendix A.4 (version 3); Intel TDX DCAP quoting
 * library API, appendices A.3 and A.4 (versions 4 and 5). Integers are little-endian. */
#ifndef COFFER_ATTEST_DCAP_QUOTE_H
#define COFFER_ATTEST_DCAP_QUOTE_H

#include "base/macros.h"
#include "base/slice.h"

#define DCAP_REPORT_DATA_SIZE 64
#define DCAP_COMPONENTS 16
#define SGX_REPORT_SIZE 384
#define SGX_MEASUREMENT_SIZE 32
#define TDX_MEASUREMENT_SIZE 48
#define TDX_RTMRS 4

enum dcap_tee { DCAP_SGX, DCAP_TDX };

/* An enclave's report body: of the guest enclave of an SGX quote, and of every quoting enclave. */
struct sgx_report {
    uint8_t cpu_svn[16];
    uint32_t misc_select;
    uint8_t attributes[16]; /* flags, then XFRM */
    uint8_t mr_enclave[SGX_MEASUREMENT_SIZE], mr_signer[SGX_MEASUREMENT_SIZE];
    uint16_t isv_prod_id, isv_svn;
    uint8_t report_data[DCAP_REPORT_DATA_SIZE];
};

/* A trust domain's report body. */
struct td_report {
    uint8_t tee_tcb_svn[DCAP_COMPONENTS]; /* of the launch */
    uint8_t mr_seam[TDX_MEASUREMENT_SIZE], mr_signer_seam[TDX_MEASUREMENT_SIZE];
    uint8_t seam_attributes[8], td_attributes[8], xfam[8];
    uint8_t mr_td[TDX_MEASUREMENT_SIZE], mr_config_id[TDX_MEASUREMENT_SIZE];
    uint8_t mr_owner[TDX_MEASUREMENT_SIZE], mr_owner_config[TDX_MEASUREMENT_SIZE];
    uint8_t rtmr[TDX_RTMRS][TDX_MEASUREMENT_SIZE];
    uint8_t report_data[DCAP_REPORT_DATA_SIZE];
    bool has_now; /* TDX 1.5: the next two are there */
    uint8_t tee_tcb_svn_now[DCAP_COMPONENTS];
    uint8_t mr_service_td[TDX_MEASUREMENT_SIZE];
};

/* Plain values; the slices borrow from the quote. */
struct dcap_quote {
    unsigned version;
    enum dcap_tee tee;
    struct sgx_report enclave; /* of an SGX quote */
    struct td_report td;       /* of a TDX quote */
    struct slice signed_part;  /* what `signature` is over: header and body */
    const uint8_t *signature;  /* r || s, by `attestation_key` (x || y) */
    const uint8_t *attestation_key;
    struct sgx_report qe;   /* the quoting enclave */
    struct slice qe_report; /* its bytes, signed with the platform's key */
    const uint8_t *qe_signature;
    struct slice qe_authentication;
    unsigned certification_type; /* 5: a PEM chain */
    struct slice certification;  /* whatever that type says */
    size_t trailing;             /* bytes behind the quote, which mean nothing */
};

/* 0; -EBADMSG malformed; -EOPNOTSUPP a version, key type, TEE or body that is not known here. On
 * failure *ret_quote is untouched. */
must_check int dcap_quote_parse(struct slice bytes, struct dcap_quote *ret_quote);

/* The debug bit: of the enclave's attributes, or of the trust domain's. */
bool dcap_quote_debug(const struct dcap_quote *quote);
const uint8_t *dcap_quote_report_data(const struct dcap_quote *quote);

#endif
