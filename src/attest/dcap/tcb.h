/* SPDX-License-Identifier: Apache-2.0 */
/* attest/dcap/tcb.h: Intel's statements about which versions of a platform, a TDX module and a
 * quoting enclave are how good, and what they say about given versions. No I/O, no clock.
 *
 * Formats: Intel SGX and TDX Provisioning Certification Service API, versions 3 and 4, "Get TCB Info"
 * and "Get Enclave Identity". Matching: the same, "TCB Levels"; Intel's quote verification library
 * settles what that text leaves open (components 0 and 1 of a TDX level: dcap_platform_level()). */
#ifndef COFFER_ATTEST_DCAP_TCB_H
#define COFFER_ATTEST_DCAP_TCB_H

#include "attest/dcap/pck.h"
#include "attest/tcb_status.h"
#include "base/error.h"

#define DCAP_DOCUMENT_SIZE_MAX (1u << 20)
#define DCAP_ADVISORIES_MAX 64

/* What is said about one level. The advisories are a JSON array of texts, or NULL. */
struct json_t;
struct tcb_level {
    enum tcb_status status;
    int64_t date_s;
    const struct json_t *advisories;
};

/* A signed document: {"NAME":OBJECT,"signature":"HEX"}, the signature over OBJECT's exact bytes. */
struct dcap_signed {
    struct slice object; /* borrows from the document */
    uint8_t signature[64];
};
/* `name`: "tcbInfo" or "enclaveIdentity". 0 or -EBADMSG. */
must_check int dcap_signed_parse(struct slice document, const char *name,
                                 struct dcap_signed *ret_signed);

/* TCB info, of which platforms of one FMSPC are judged. Opaque parts are in `json`. */
struct dcap_tcb_info {
    struct json_t *json;
    enum dcap_tee tee;
    unsigned version;
    int64_t issued_s, next_s;
    uint8_t fmspc[DCAP_FMSPC_SIZE], pce_id[DCAP_PCE_ID_SIZE];
    uint32_t evaluation_number;
};
/* Strict: every member of every level has been checked when this returns. 0, or -EBADMSG with where
 * in `e`. Released by _done(), which a zeroed one survives. */
must_check int dcap_tcb_info_parse(struct slice object, struct dcap_tcb_info *ret_info,
                                   struct error *e);
void dcap_tcb_info_done(struct dcap_tcb_info *info);

/* The level of a platform, the first in order that is not above it: 0 or -ENOENT. `td_svn` is NULL
 * for SGX. */
must_check int dcap_platform_level(const struct dcap_tcb_info *info, const struct dcap_pck *pck,
                                   const uint8_t *td_svn, struct tcb_level *ret_level);

/* The level of the TDX module of a trust domain: 0; -ENOENT; -EKEYREJECTED a module of another
 * signer or with attributes. A module of version 0 has no levels: UpToDate, without a date. */
must_check int dcap_module_level(const struct dcap_tcb_info *info, const struct td_report *td,
                                 const uint8_t *td_svn, struct tcb_level *ret_level);

/* The identity of a quoting enclave. */
struct dcap_identity {
    struct json_t *json;
    enum dcap_tee tee; /* whose quotes it makes */
    int64_t issued_s, next_s;
    uint32_t evaluation_number;
    uint32_t misc_select, misc_mask;
    uint8_t attributes[16], attributes_mask[16];
    uint8_t mr_signer[SGX_MEASUREMENT_SIZE];
    uint16_t isv_prod_id;
};
must_check int dcap_identity_parse(struct slice object, struct dcap_identity *ret_identity,
                                   struct error *e);
void dcap_identity_done(struct dcap_identity *identity);

/* Is it that enclave? 0 or -EKEYREJECTED. And how good is its version? 0 or -ENOENT. */
must_check int dcap_identity_match(const struct dcap_identity *identity,
                                   const struct sgx_report *qe);
must_check int dcap_identity_level(const struct dcap_identity *identity, uint16_t isv_svn,
                                   struct tcb_level *ret_level);

/* What a platform's status becomes beside that of a module or quoting enclave. */
enum tcb_status tcb_status_with(enum tcb_status platform, enum tcb_status component);

/* "2024-03-13T00:00:00Z" as Unix time, from 1970 on, and back. 0 or -EBADMSG. */
#define DCAP_TIME_TEXT_SIZE 80
must_check int dcap_time_parse(const char *text, int64_t *ret_s);
void dcap_time_write(int64_t s, char text[DCAP_TIME_TEXT_SIZE]);

#endif
