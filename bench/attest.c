/* SPDX-License-Identifier: Apache-2.0 */
/* Verifications per second by kind, with warm collateral, on one core: published evidence of real
 * machines, as a key broker meets it. Without the vectors (COFFER_ATTESTATION_VECTORS, or beside the
 * tree) there is nothing to measure, and that is said. */
#include "attest/dcap/verify.h"
#include "attest/snp/verify.h"
#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *folder(void)
{
    const char *given = getenv("COFFER_ATTESTATION_VECTORS");
    return given ? given : VECTORS_FOLDER;
}

/* A whole file below the folder; an empty slice if it is not there. */
static struct slice file(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder(), name);
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        return (struct slice){0};
    long size = ftell(f);
    rewind(f);
    char *bytes = size > 0 ? malloc((size_t)size + 1) : NULL;
    if (!bytes || fread(bytes, 1, (size_t)size, f) != (size_t)size)
        exit(1);
    bytes[size] = 0;
    fclose(f);
    return slice_of(bytes, (size_t)size);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(void)
{
    const char *text = getenv("BENCH_SECONDS");
    return text && atof(text) > 0 ? atof(text) : 2;
}

static void report(const char *what, double goal_ms, long count, double took)
{
    double ms = took / (double)count * 1000;
    printf("%-28s %7.3f ms   %8.0f a second   goal under %.0f ms: %s\n", what, ms,
           (double)count / took, goal_ms, ms < goal_ms ? "met" : "MISSED");
}

static int quote_bench(const char *what, const char *quote_name, const char *set, int64_t at_s)
{
    char name[256];
    static const char *const files[] = {
        "tcb_info.json", "qe_identity.json",         "tcb_signing_chain.pem",
        "pck_crl.der",   "pck_crl_issuer_chain.pem", "root_ca_crl.der"};
    struct slice b[6], bytes = file(quote_name);
    struct dcap_collateral *collateral = NULL;
    struct dcap_verdict verdict;
    struct error e = {0};
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "collateral/%s/%s", set, files[i]);
        b[i] = file(name);
    }
    const struct dcap_files all = {b[0], b[1], b[2], b[3], b[4], b[5]};
    if (dcap_collateral_open(&all, dcap_intel_root, &collateral, &e) < 0)
        return 1;
    long count = 0;
    double from = now(), until = from + seconds();
    for (; now() < until; count++) {
        struct dcap_quote quote;
        if (dcap_quote_parse(bytes, &quote) < 0 ||
            dcap_verify(&quote, collateral, dcap_intel_root, at_s, &verdict) < 0)
            return 1;
    }
    report(what, 1, count, now() - from);
    dcap_collateral_free(collateral);
    return 0;
}

static int report_bench(const char *what, const char *report_name, const char *vek,
                        const char *product)
{
    static const char *const kinds[] = {"ark", "ask"};
    struct snp_certificates all = {0};
    struct snp_verdict verdict;
    struct slice bytes = file(report_name);
    char name[64];
    if (snp_certificates_add(&all, file(vek)) < 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "roots/%s_%s.der", kinds[i], product);
        if (snp_certificates_add(&all, file(name)) < 0)
            return 1;
    }
    long count = 0;
    double from = now(), until = from + seconds();
    for (; now() < until; count++) {
        struct snp_report parsed;
        if (snp_report_parse(bytes, &parsed) < 0 ||
            snp_verify(&parsed, &all, &snp_amd_roots, X509_ANY_TIME, &verdict) < 0)
            return 1;
    }
    report(what, 2, count, now() - from);
    snp_certificates_done(&all);
    return 0;
}

int main(void)
{
    struct slice present = file("sgx/phala_sgx_quote.bin");
    if (!present.bytes) {
        printf("no vectors in %s: nothing measured\n", folder());
        return 0;
    }
    int failed = quote_bench("SGX quote, version 3", "sgx/phala_sgx_quote.bin",
                             "sgx-00a067110000-eval17-20250620", 1750416966);
    failed |= quote_bench("TDX quote, version 4", "tdx/phala_tdx_quote.bin",
                          "tdx-b0c06f000000-eval17-20250620", 1750415547);
    failed |= quote_bench("TDX quote, version 5", "tdx/google_quote_v5.bin",
                          "tdx-90c06f000000-eval18-20260317", 1773786845);
    failed |= report_bench("SEV-SNP report, Milan", "snp/microsoft_milan_v3_report.bin",
                           "snp/snp3-ms-milan_vcek.der", "milan");
    failed |= report_bench("SEV-SNP report, Turin", "snp/oak_turin_v5_report.bin",
                           "snp/snp5-oak-turin_vcek.der", "turin");
    return failed;
}
