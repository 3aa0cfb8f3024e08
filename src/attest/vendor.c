/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/vendor.h"

#include "base/hex.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/x509.h>
#include <stdio.h>

#define TD_ATTRIBUTE_SEPT_VE_DISABLE 0x10 /* bit 28, in byte 3 */

static int refuse(struct refusal *ret, enum refusal_reason reason, const char *seen)
{
    return refusal_set(ret, reason, "evidence", 0, NULL, seen);
}

/* One of the codes of dcap/verify.h and snp/verify.h as one that people look up; what it was in
 * detail stays in `seen`. */
static int dcap_refuse(struct refusal *ret, enum dcap_fault fault)
{
    enum refusal_reason reason = REFUSAL_EVIDENCE_PLATFORM;
    char seen[REFUSAL_VALUE_SIZE];
    switch (fault) {
    case DCAP_FAULT_PCK_CHAIN:
    case DCAP_FAULT_NO_PCK_CHAIN:
    case DCAP_FAULT_PCK_EXPIRED:
    case DCAP_FAULT_PCK_NOT_YET_VALID:
        reason = REFUSAL_EVIDENCE_CHAIN;
        break;
    case DCAP_FAULT_PCK_REVOKED:
        reason = REFUSAL_PLATFORM_REVOKED;
        break;
    case DCAP_FAULT_QE_SIGNATURE:
    case DCAP_FAULT_QE_BINDING:
    case DCAP_FAULT_QUOTE_SIGNATURE:
        reason = REFUSAL_EVIDENCE_SIGNATURE;
        break;
    case DCAP_FAULT_COLLATERAL_EXPIRED:
    case DCAP_FAULT_COLLATERAL_NOT_YET_VALID:
        reason = REFUSAL_COLLATERAL_EXPIRED;
        break;
    case DCAP_FAULT_TCB_INFO_MISMATCH:
        reason = REFUSAL_COLLATERAL_MISSING;
        break;
    default:
        break;
    }
    snprintf(seen, sizeof seen, "%s: %s", dcap_fault_code(fault), dcap_fault_message(fault));
    return refuse(ret, reason, seen);
}

static int snp_refuse(struct refusal *ret, enum snp_fault fault)
{
    enum refusal_reason reason = REFUSAL_EVIDENCE_PLATFORM;
    char seen[REFUSAL_VALUE_SIZE];
    switch (fault) {
    case SNP_FAULT_NO_VEK:
        reason = REFUSAL_COLLATERAL_MISSING;
        break;
    case SNP_FAULT_VEK_CHAIN:
    case SNP_FAULT_VEK_EXPIRED:
    case SNP_FAULT_VEK_NOT_YET_VALID:
        reason = REFUSAL_EVIDENCE_CHAIN;
        break;
    case SNP_FAULT_VEK_REVOKED:
        reason = REFUSAL_PLATFORM_REVOKED;
        break;
    case SNP_FAULT_REPORT_SIGNATURE:
        reason = REFUSAL_EVIDENCE_SIGNATURE;
        break;
    case SNP_FAULT_CRL:
        reason = REFUSAL_COLLATERAL_EXPIRED;
        break;
    default:
        break;
    }
    snprintf(seen, sizeof seen, "%s: %s", snp_fault_code(fault), snp_fault_message(fault));
    return refuse(ret, reason, seen);
}

/* Which collateral to look for, from a certificate that nobody has believed yet. */
int vendor_platform_of(const struct dcap_quote *quote, struct vendor_platform *ret)
{
    SCOPED(x509_chain_done) struct x509_chain chain = {0};
    struct slice extension;
    struct dcap_pck pck;
    *ret = (struct vendor_platform){.tee = quote->tee};
    if (quote->certification_type != 5 || x509_chain_read(quote->certification, &chain) < 0 ||
        chain.count < 2 || x509_extension(chain.certificate[0], DCAP_PCK_OID, &extension) < 0 ||
        dcap_pck_parse(extension, &pck) < 0)
        return -ENODATA;
    memcpy(ret->fmspc, pck.fmspc, sizeof ret->fmspc);
    for (int i = 1; i < chain.count; i++)
        if (x509_named(chain.certificate[i], "Intel SGX PCK Processor CA") == 0)
            ret->processor_ca = true;
    return 0;
}

static int collateral_missing(const struct vendor_platform *p, struct refusal *ret)
{
    char hex[2 * DCAP_FMSPC_SIZE + 1], seen[REFUSAL_VALUE_SIZE];
    hex_encode(slice_of(p->fmspc, sizeof p->fmspc), hex);
    snprintf(seen, sizeof seen, "platform: --tee %s --fmspc %s --ca %s",
             p->tee == DCAP_TDX ? "tdx" : "sgx", hex, p->processor_ca ? "processor" : "platform");
    return refuse(ret, REFUSAL_COLLATERAL_MISSING, seen);
}

static void verdict_take(const struct dcap_verdict *v, struct evidence_platform *p)
{
    p->tcb = v->status;
    p->tcb_date_s = v->tcb_date_s;
    p->evaluation = v->evaluation_number;
    memcpy(p->chip, v->pck.ppid, sizeof v->pck.ppid);
    p->chip_size = sizeof v->pck.ppid;
    for (unsigned i = 0; i < v->advisory_count; i++) {
        if (p->advisory_count == EVIDENCE_ADVISORIES_MAX ||
            strlen(v->advisories[i]) >= EVIDENCE_ADVISORY_SIZE) {
            p->advisories_cut = true; /* a policy that names all it tolerates cannot name this */
            return;
        }
        snprintf(p->advisories[p->advisory_count++], EVIDENCE_ADVISORY_SIZE, "%s",
                 v->advisories[i]);
    }
}

static void quote_take(const struct dcap_quote *quote, struct evidence *ev)
{
    struct evidence_platform *p = &ev->platform;
    ev->debug = dcap_quote_debug(quote);
    memcpy(ev->report_data, dcap_quote_report_data(quote), sizeof ev->report_data);
    if (quote->tee == DCAP_SGX) {
        ev->tee = TEE_SGX;
        ev->svn = quote->enclave.isv_svn;
        ev->product = quote->enclave.isv_prod_id;
        memcpy(ev->program, quote->enclave.mr_enclave, sizeof ev->program);
        memcpy(ev->signer, quote->enclave.mr_signer, sizeof ev->signer);
        return;
    }
    ev->tee = TEE_TDX;
    memcpy(p->measurement, quote->td.mr_td, sizeof p->measurement);
    memcpy(p->rtmr, quote->td.rtmr, sizeof p->rtmr);
    memcpy(p->config_id, quote->td.mr_config_id, sizeof p->config_id);
    memcpy(p->service_td, quote->td.mr_service_td, sizeof p->service_td);
    p->sept_ve = !(quote->td.td_attributes[3] & TD_ATTRIBUTE_SEPT_VE_DISABLE);
}

static int quote_verify(const struct vendor_sources *s, struct slice bytes, struct evidence *ev,
                        struct refusal *ret)
{
    struct vendor_platform platform;
    struct dcap_quote quote;
    struct dcap_verdict verdict;
    int r = dcap_quote_parse(bytes, &quote);
    if (r < 0)
        return refuse(ret, r == -EOPNOTSUPP ? REFUSAL_EVIDENCE_KIND : REFUSAL_EVIDENCE_MALFORMED,
                      NULL);
    if (vendor_platform_of(&quote, &platform) < 0)
        return dcap_refuse(ret, DCAP_FAULT_NO_PCK_CHAIN);
    const struct dcap_collateral *collateral = s->dcap ? s->dcap(s->ctx, &platform) : NULL;
    /* What is forged is said to be forged, also without collateral. */
    r = dcap_verify(&quote, collateral, s->intel_root, s->now_s(s->ctx), &verdict);
    if (r < 0)
        return r == -EACCES ? dcap_refuse(ret, verdict.fault) : r;
    if (!collateral)
        return collateral_missing(&platform, ret);
    ev->platform.present = true;
    quote_take(&quote, ev);
    verdict_take(&verdict, &ev->platform);
    return 0;
}

static void report_take(const struct snp_report *report, const struct snp_verdict *v,
                        struct evidence *ev)
{
    struct evidence_platform *p = &ev->platform;
    ev->tee = TEE_SNP;
    ev->debug = v->debug;
    ev->svn = report->guest_svn;
    memcpy(ev->report_data, report->report_data, sizeof ev->report_data);
    p->present = true;
    memcpy(p->measurement, report->measurement, sizeof p->measurement);
    memcpy(p->host_data, report->host_data, sizeof p->host_data);
    memcpy(p->id_key, report->id_key_digest, sizeof p->id_key);
    memcpy(p->author_key, report->author_key_digest, sizeof p->author_key);
    memcpy(p->chip, report->chip_id, sizeof p->chip);
    p->chip_size = sizeof report->chip_id;
    p->vmpl = report->vmpl;
    p->migration = v->migration;
    p->revocation_checked = v->crl_checked;
    p->snp_versions[EVIDENCE_SNP_BOOT_LOADER] = v->reported.boot_loader;
    p->snp_versions[EVIDENCE_SNP_TEE] = v->reported.tee;
    p->snp_versions[EVIDENCE_SNP_SNP] = v->reported.snp;
    p->snp_versions[EVIDENCE_SNP_MICROCODE] = v->reported.microcode;
    p->snp_versions[EVIDENCE_SNP_FMC] = v->reported.fmc;
}

static int report_verify(const struct vendor_sources *s, const struct bundle *b,
                         struct evidence *ev, struct refusal *ret)
{
    SCOPED(snp_certificates_done) struct snp_certificates all = {0};
    struct snp_report report;
    struct snp_verdict verdict;
    int r = snp_report_parse(b->report, &report);
    if (r < 0)
        return refuse(ret, r == -EOPNOTSUPP ? REFUSAL_EVIDENCE_KIND : REFUSAL_EVIDENCE_MALFORMED,
                      NULL);
    if (b->auxiliary.size > 0 && snp_certificates_add(&all, b->auxiliary) < 0)
        return refuse(ret, REFUSAL_EVIDENCE_MALFORMED, "the certificates beside the report");
    if (s->snp && s->snp(s->ctx, &report, &all) < 0)
        return refuse(ret, REFUSAL_COLLATERAL_MISSING, "too many certificates are known");
    r = snp_verify(&report, &all, s->amd_roots, s->now_s(s->ctx), &verdict);
    if (r < 0)
        return r == -EACCES ? snp_refuse(ret, verdict.fault) : r;
    report_take(&report, &verdict, ev);
    return 0;
}

/* The second tier: which process it is, by the launcher whose key the report names. */
static int process_verify(struct slice record, struct evidence *ev, struct refusal *ret)
{
    struct evidence process;
    uint8_t point[EVIDENCE_POINT_SIZE], data[EVIDENCE_REPORT_DATA_SIZE];
    int r = evidence_launched_verify(record, ev->tee, &process, point);
    if (r == 0)
        r = bundle_launcher_data(point, data);
    if (r == -EBADMSG)
        return refuse(ret, REFUSAL_EVIDENCE_MALFORMED, "the process's record");
    if (r == -EKEYREJECTED)
        return refuse(ret, REFUSAL_EVIDENCE_SIGNATURE, "the process's record");
    if (r < 0)
        return r;
    if (ct_verify(data, ev->report_data, sizeof data) < 0)
        return refuse(ret, REFUSAL_LAUNCHER_BINDING, NULL);
    process.debug = process.debug || ev->debug;
    process.platform = ev->platform;
    process.platform.launched = true;
    *ev = process;
    return 0;
}

int vendor_verify(const struct vendor_sources *s, struct slice record,
                  struct evidence *ret_evidence, struct refusal *ret)
{
    struct bundle b = {.tee = TEE_COUNT, .report = record};
    struct evidence ev = {0};
    if (bundle_is(record) && bundle_parse(record, &b) < 0)
        return refuse(ret, REFUSAL_EVIDENCE_MALFORMED, NULL);
    int r = b.tee == TEE_SNP ? report_verify(s, &b, &ev, ret) : quote_verify(s, b.report, &ev, ret);
    if (r == 0 && b.tee != TEE_COUNT && ev.tee != b.tee)
        return refuse(ret, REFUSAL_EVIDENCE_MALFORMED, "a quote of another kind");
    if (r == 0 && b.process.size > 0)
        r = process_verify(b.process, &ev, ret);
    if (r == 0)
        *ret_evidence = ev;
    return r;
}

int vendor_verify_fn(void *ctx, struct slice record, struct evidence *ret_evidence,
                     struct refusal *ret_refusal)
{
    return vendor_verify(ctx, record, ret_evidence, ret_refusal);
}
