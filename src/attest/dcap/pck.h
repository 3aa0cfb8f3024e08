/* SPDX-License-Identifier: Apache-2.0 */
/* attest/dcap/pck.h: what the certificate of a platform's key says about the platform (extension
 * 1.2.840.113741.1.13.1; Intel SGX PCK Certificate and CRL Profile, section 1.3.5). Pure. */
#ifndef COFFER_ATTEST_DCAP_PCK_H
#define COFFER_ATTEST_DCAP_PCK_H

#include "attest/dcap/quote.h"

#define DCAP_PCK_OID "1.2.840.113741.1.13.1"
#define DCAP_FMSPC_SIZE 6
#define DCAP_PCE_ID_SIZE 2

/* Plain values. The last three are of multi-package platforms; unset otherwise. */
struct dcap_pck {
    uint8_t ppid[16];
    uint8_t components[DCAP_COMPONENTS]; /* the SVN of each */
    uint16_t pce_svn;
    uint8_t cpu_svn[16];
    uint8_t pce_id[DCAP_PCE_ID_SIZE];
    uint8_t fmspc[DCAP_FMSPC_SIZE];
    uint8_t sgx_type; /* 0 standard, 1 scalable, 2 scalable with integrity */
    bool has_configuration, dynamic_platform, cached_keys, smt_enabled;
};

/* 0, or -EBADMSG: a member is missing, twice there, unknown, or not of its exact size. */
must_check int dcap_pck_parse(struct slice extension, struct dcap_pck *ret_pck);

#endif
