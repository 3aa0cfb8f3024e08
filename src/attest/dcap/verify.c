/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/dcap/verify.h"

#include "attest/dcap/collateral.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#define CERTIFICATION_PEM_CHAIN 5
#define PCK_CHAIN_COUNT 3 /* platform, authority, root */
#define SGX_FLAG_DEBUG 0x02

const uint8_t dcap_intel_root[SHA256_SIZE] = {
    0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91, 0x86, 0x06, 0x8a, 0x7f, 0xc1,
    0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35, 0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e};

static const struct {
    const char *code, *message;
} faults[] = {
#define DCAP_FAULT_ROW(id, code, message) [DCAP_FAULT_##id] = {code, message},
    DCAP_FAULTS(DCAP_FAULT_ROW)
#undef DCAP_FAULT_ROW
};

const char *dcap_fault_code(enum dcap_fault fault)
{
    return fault > DCAP_FAULT_NONE && fault < DCAP_FAULT_COUNT ? faults[fault].code : "NONE";
}

const char *dcap_fault_message(enum dcap_fault fault)
{
    return fault > DCAP_FAULT_NONE && fault < DCAP_FAULT_COUNT ? faults[fault].message : "";
}

static enum dcap_fault dates_judge(const struct x509_chain *chain, int64_t at_s)
{
    for (int i = 0; i < chain->count; i++) {
        int r = x509_valid_at(chain->certificate[i], at_s);
        if (r != 0)
            return r == -EAGAIN ? DCAP_FAULT_PCK_NOT_YET_VALID : DCAP_FAULT_PCK_EXPIRED;
    }
    return DCAP_FAULT_NONE;
}

/* Real quotes have the platform's certificate first, the others in either order. */
static void chain_order(struct x509_chain *chain)
{
    X509 **c = chain->certificate;
    if (chain->count != PCK_CHAIN_COUNT || x509_named(c[1], "Intel SGX Root CA") < 0)
        return;
    X509 *root = c[1];
    c[1] = c[2];
    c[2] = root;
}

/* The platform's certificate, one of the two authorities, the pinned root. */
static enum dcap_fault chain_judge(const struct x509_chain *chain, const uint8_t root[SHA256_SIZE],
                                   int64_t at_s)
{
    uint8_t hash[SHA256_SIZE];
    X509 *const *c = chain->certificate;
    if (chain->count != PCK_CHAIN_COUNT || x509_key_hash(c[2], hash) < 0 ||
        memcmp(hash, root, sizeof hash) != 0 || x509_issued(c[2], c[2]) < 0 ||
        x509_issued(c[1], c[2]) < 0 || x509_issued(c[0], c[1]) < 0 ||
        x509_named(c[2], "Intel SGX Root CA") < 0 ||
        x509_named(c[0], "Intel SGX PCK Certificate") < 0 ||
        (x509_named(c[1], "Intel SGX PCK Platform CA") < 0 &&
         x509_named(c[1], "Intel SGX PCK Processor CA") < 0))
        return DCAP_FAULT_PCK_CHAIN;
    return dates_judge(chain, at_s);
}

static enum dcap_fault pck_judge(X509 *certificate, struct dcap_pck *ret_pck)
{
    struct slice extension;
    if (x509_extension(certificate, DCAP_PCK_OID, &extension) < 0 ||
        dcap_pck_parse(extension, ret_pck) < 0)
        return DCAP_FAULT_PCK_EXTENSION;
    return DCAP_FAULT_NONE;
}

/* Report data of the quoting enclave: SHA-256 of key and authentication data, then zeros. */
static bool is_bound(const struct dcap_quote *quote)
{
    uint8_t expected[DCAP_REPORT_DATA_SIZE] = {0};
    const struct slice parts[] = {slice_of(quote->attestation_key, 64), quote->qe_authentication};
    return sha256_parts(parts, ARRAY_COUNT(parts), expected) == 0 &&
           memcmp(expected, quote->qe.report_data, sizeof expected) == 0;
}

static enum dcap_fault signatures_judge(const struct dcap_quote *quote, X509 *certificate)
{
    uint8_t point[P256_PUBLIC_SIZE] = {0x04};
    memcpy(point + 1, quote->attestation_key, sizeof point - 1);
    if (dcap_signed_by(certificate, quote->qe_report, quote->qe_signature) < 0)
        return DCAP_FAULT_QE_SIGNATURE;
    if (!is_bound(quote))
        return DCAP_FAULT_QE_BINDING;
    if (p256_verify(point, quote->signed_part, quote->signature) != 0)
        return DCAP_FAULT_QUOTE_SIGNATURE;
    return DCAP_FAULT_NONE;
}

static bool is_of_platform(const struct dcap_collateral *c, enum dcap_tee tee,
                           const struct dcap_pck *pck)
{
    return c->tcb_info.tee == tee && c->identity.tee == tee &&
           memcmp(c->tcb_info.fmspc, pck->fmspc, sizeof pck->fmspc) == 0 &&
           memcmp(c->tcb_info.pce_id, pck->pce_id, sizeof pck->pce_id) == 0;
}

static enum dcap_fault revocation_judge(const struct dcap_collateral *c,
                                        const struct x509_chain *chain)
{
    int platform = x509_not_revoked(chain->certificate[0], c->pck_crl);
    int authority = x509_not_revoked(chain->certificate[1], c->root_crl);
    if (platform == -EINVAL || authority == -EINVAL)
        return DCAP_FAULT_TCB_INFO_MISMATCH; /* the list of the other authority */
    return platform < 0 || authority < 0 ? DCAP_FAULT_PCK_REVOKED : DCAP_FAULT_NONE;
}

static int advisory_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void advisories_add(struct dcap_verdict *v, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list) && v->advisory_count < DCAP_ADVISORIES_MAX; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        bool known = false;
        for (unsigned k = 0; k < v->advisory_count; k++)
            known |= strcmp(v->advisories[k], name) == 0;
        if (!known)
            v->advisories[v->advisory_count++] = name;
    }
    qsort(v->advisories, v->advisory_count, sizeof v->advisories[0], advisory_compare);
}

/* A level takes part in the verdict: its date, its advisories. */
static void level_note(struct dcap_verdict *v, const struct tcb_level *level)
{
    if (level->date_s != 0 && (v->tcb_date_s == 0 || level->date_s < v->tcb_date_s))
        v->tcb_date_s = level->date_s;
    advisories_add(v, level->advisories);
}

struct judgement {
    const struct dcap_quote *quote;
    const struct dcap_collateral *collateral;
    struct dcap_verdict *verdict;
    struct tcb_level qe;
};

static enum dcap_fault qe_judge(struct judgement *j)
{
    const struct sgx_report *qe = &j->quote->qe;
    if (dcap_identity_match(&j->collateral->identity, qe) < 0 ||
        (qe->attributes[0] & SGX_FLAG_DEBUG))
        return DCAP_FAULT_QE_IDENTITY_MISMATCH;
    if (dcap_identity_level(&j->collateral->identity, qe->isv_svn, &j->qe) < 0)
        return DCAP_FAULT_QE_NOT_SUPPORTED;
    level_note(j->verdict, &j->qe);
    return DCAP_FAULT_NONE;
}

/* Platform and, for a trust domain, module with the given versions. `note`: count for the verdict. */
static enum dcap_fault platform_judge(struct judgement *j, const uint8_t *td_svn, bool note,
                                      enum tcb_status *ret_status)
{
    const struct dcap_tcb_info *info = &j->collateral->tcb_info;
    struct tcb_level platform, module = {.status = TCB_UP_TO_DATE};
    if (td_svn) {
        int r = dcap_module_level(info, &j->quote->td, td_svn, &module);
        if (r < 0)
            return r == -EKEYREJECTED ? DCAP_FAULT_TDX_MODULE_MISMATCH
                                      : DCAP_FAULT_TDX_MODULE_NOT_SUPPORTED;
    }
    if (dcap_platform_level(info, &j->verdict->pck, td_svn, &platform) < 0)
        return DCAP_FAULT_TCB_NOT_SUPPORTED;
    if (note) {
        level_note(j->verdict, &platform);
        level_note(j->verdict, &module);
    }
    *ret_status = tcb_status_with(tcb_status_with(platform.status, module.status), j->qe.status);
    return DCAP_FAULT_NONE;
}

/* A module updated under a running trust domain: what was measured at its launch is out of date,
 * what runs now is not. */
static enum tcb_status relaunch_or(enum tcb_status launch, enum tcb_status now)
{
    if (launch != TCB_OUT_OF_DATE && launch != TCB_OUT_OF_DATE_CONFIGURATION_NEEDED)
        return launch;
    if (now == TCB_UP_TO_DATE || now == TCB_SW_HARDENING_NEEDED)
        return TCB_TD_RELAUNCH_ADVISED;
    if (now == TCB_CONFIGURATION_NEEDED || now == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED)
        return TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
    return launch;
}

static enum dcap_fault tcb_judge(struct judgement *j)
{
    const struct td_report *td = &j->quote->td;
    bool is_td = j->quote->tee == DCAP_TDX;
    enum tcb_status launch;
    enum dcap_fault fault = qe_judge(j);
    if (!fault)
        fault = platform_judge(j, is_td ? td->tee_tcb_svn : NULL, true, &launch);
    if (!fault && is_td && td->has_now)
        fault = platform_judge(j, td->tee_tcb_svn_now, false, &j->verdict->now);
    if (fault)
        return fault;
    if (j->verdict->now == TCB_REVOKED)
        launch = TCB_REVOKED;
    j->verdict->status = relaunch_or(launch, j->verdict->now);
    j->verdict->evaluation_number = j->collateral->tcb_info.evaluation_number;
    return DCAP_FAULT_NONE;
}

static enum dcap_fault collateral_judge(struct judgement *j, const struct x509_chain *chain,
                                        int64_t at_s)
{
    if (!is_of_platform(j->collateral, j->quote->tee, &j->verdict->pck))
        return DCAP_FAULT_TCB_INFO_MISMATCH;
    enum dcap_fault fault = dcap_collateral_judge(j->collateral, at_s);
    if (!fault)
        fault = revocation_judge(j->collateral, chain);
    return fault ? fault : tcb_judge(j);
}

int dcap_verify(const struct dcap_quote *quote, const struct dcap_collateral *collateral,
                const uint8_t root[SHA256_SIZE], int64_t at_s, struct dcap_verdict *ret_verdict)
{
    SCOPED(x509_chain_done) struct x509_chain chain = {0};
    *ret_verdict = (struct dcap_verdict){0};
    struct judgement j = {quote, collateral, ret_verdict, {0}};
    enum dcap_fault fault = DCAP_FAULT_NONE;
    if (quote->certification_type != CERTIFICATION_PEM_CHAIN)
        fault = DCAP_FAULT_NO_PCK_CHAIN;
    else if (x509_chain_read(quote->certification, &chain) < 0)
        fault = DCAP_FAULT_PCK_CHAIN;
    chain_order(&chain);
    if (!fault)
        fault = chain_judge(&chain, root, at_s);
    if (!fault)
        fault = pck_judge(chain.certificate[0], &ret_verdict->pck);
    if (!fault)
        fault = signatures_judge(quote, chain.certificate[0]);
    if (!fault && collateral)
        fault = collateral_judge(&j, &chain, at_s);
    ret_verdict->fault = fault;
    if (!fault)
        return 0;
    ret_verdict->status = TCB_NONE;
    return -EACCES;
}
