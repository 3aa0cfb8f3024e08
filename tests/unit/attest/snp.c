/* SPDX-License-Identifier: Apache-2.0 */
/* What no published report shows: a genuine signature under a certificate of another chip, product or
 * version, in a world of our own that looks like AMD's. */
#include "snp_world.h"

#include <errno.h>

static enum snp_fault judged(const struct knobs *k)
{
    struct snp_world w;
    struct snp_report report;
    struct snp_verdict verdict;
    snp_world_make(&w, k);
    REQUIRE(snp_report_parse(slice_of(w.report, sizeof w.report), &report) == 0);
    int r = snp_verify(&report, &w.all, &w.roots, X509_ANY_TIME, &verdict);
    CHECK_EQ(r, verdict.fault ? -EACCES : 0);
    snp_world_done(&w);
    return verdict.fault;
}

TEST(a_report_of_this_chip_product_and_version_is_genuine)
{
    CHECK_EQ(judged(&(struct knobs){0}), SNP_FAULT_NONE);
}

TEST(a_certificate_of_another_chip_product_or_version_endorses_nothing)
{
    CHECK_EQ(judged(&(struct knobs){.other_chip = true}), SNP_FAULT_CHIP_MISMATCH);
    CHECK_EQ(judged(&(struct knobs){.other_product = true}), SNP_FAULT_PRODUCT_MISMATCH);
    CHECK_EQ(judged(&(struct knobs){.other_tcb = true}), SNP_FAULT_TCB_MISMATCH);
    CHECK_EQ(judged(&(struct knobs){.current_below_reported = true}), SNP_FAULT_TCB_ORDER);
}

/* ---- AMD's revocation lists ---- */

struct list {
    const char *issuer; /* NULL: the world's root */
    bool by_stranger;
    bool revoked;      /* the authority that the chip's certificate is from */
    long from_s, to_s; /* from now; 0, 0: an hour ago to tomorrow */
    bool endless;
};

static X509_CRL *list_make(const struct list *l, EVP_PKEY *root, const X509 *authority)
{
    X509_CRL *crl = X509_CRL_new();
    X509_NAME *name = X509_NAME_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, l->to_s ? l->from_s : -3600);
    ASN1_TIME *to = X509_gmtime_adj(NULL, l->to_s ? l->to_s : 86400);
    EVP_PKEY *stranger = EVP_EC_gen("P-384");
    const char *issuer = l->issuer ? l->issuer : "ARK-Milan";
    REQUIRE(crl && name && from && to && stranger);
    REQUIRE(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)issuer, -1, -1,
                                       0) == 1);
    REQUIRE(X509_CRL_set_version(crl, X509_CRL_VERSION_2) && X509_CRL_set_issuer_name(crl, name) &&
            X509_CRL_set1_lastUpdate(crl, from) &&
            (l->endless || X509_CRL_set1_nextUpdate(crl, to)));
    if (l->revoked) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_dup(X509_get0_serialNumber(authority));
        REQUIRE(entry && X509_REVOKED_set_serialNumber(entry, serial) &&
                X509_REVOKED_set_revocationDate(entry, from) && X509_CRL_add0_revoked(crl, entry));
        ASN1_INTEGER_free(serial);
    }
    REQUIRE(X509_CRL_sort(crl) &&
            X509_CRL_sign(crl, l->by_stranger ? stranger : root, EVP_sha384()) > 0);
    X509_NAME_free(name);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    EVP_PKEY_free(stranger);
    return crl;
}

/* With these lists at hand, read from their bytes as a folder's are. */
static enum snp_fault judged_with(const struct list *lists, size_t count, bool *ret_checked)
{
    struct snp_world w;
    struct snp_report report;
    struct snp_verdict verdict;
    snp_world_make(&w, &(struct knobs){0});
    for (size_t i = 0; i < count; i++) {
        uint8_t *der = NULL;
        X509_CRL *crl = list_make(&lists[i], w.ark, w.all.certificate[1]);
        int size = i2d_X509_CRL(crl, &der);
        REQUIRE(size > 0 && snp_certificates_add(&w.all, slice_of(der, (size_t)size)) == 0);
        OPENSSL_free(der);
        X509_CRL_free(crl);
    }
    CHECK_EQ(w.all.crl_count, (int)count);
    REQUIRE(snp_report_parse(slice_of(w.report, sizeof w.report), &report) == 0);
    int r = snp_verify(&report, &w.all, &w.roots, (int64_t)time(NULL) + 60, &verdict);
    CHECK_EQ(r, verdict.fault ? -EACCES : 0);
    snp_world_done(&w);
    *ret_checked = verdict.crl_checked;
    return verdict.fault;
}

static void check_list(const struct list *list, enum snp_fault fault, bool checked)
{
    bool seen;
    CHECK_EQ(judged_with(list, 1, &seen), fault);
    CHECK_EQ(seen, checked);
}

TEST(a_list_of_the_root_is_looked_at)
{
    bool checked = true;
    CHECK_EQ(judged_with(NULL, 0, &checked), SNP_FAULT_NONE);
    CHECK(!checked);
    check_list(&(struct list){0}, SNP_FAULT_NONE, true);
    check_list(&(struct list){.revoked = true}, SNP_FAULT_VEK_REVOKED, true);
}

TEST(a_list_that_is_not_the_roots_or_not_of_now_is_refused)
{
    check_list(&(struct list){.by_stranger = true}, SNP_FAULT_CRL, false);
    check_list(&(struct list){.by_stranger = true, .revoked = true}, SNP_FAULT_CRL, false);
    check_list(&(struct list){.from_s = -7200, .to_s = -3600}, SNP_FAULT_CRL, false);
    check_list(&(struct list){.from_s = 3600, .to_s = 7200}, SNP_FAULT_CRL, false);
    check_list(&(struct list){.endless = true}, SNP_FAULT_CRL, false);
}

TEST(a_list_of_another_products_root_says_nothing)
{
    bool checked;
    check_list(&(struct list){.issuer = "ARK-Genoa", .revoked = true}, SNP_FAULT_NONE, false);
    const struct list both[] = {{.issuer = "ARK-Genoa"}, {.revoked = true}};
    CHECK_EQ(judged_with(both, 2, &checked), SNP_FAULT_VEK_REVOKED);
    const struct list all[SNP_CRLS_MAX] = {{.issuer = "ARK-Genoa"},
                                           {.issuer = "ARK-Turin"},
                                           {.issuer = "ARK-Genoa"},
                                           {.issuer = "ARK-Turin"},
                                           {0},
                                           {0}};
    CHECK_EQ(judged_with(all, 6, &checked), SNP_FAULT_NONE);
    CHECK(checked);
}

TAP_MAIN()
