/* SPDX-License-Identifier: Apache-2.0 */
/* Quotes of real machines with the verdicts that Intel's algorithm gives. */
#include "attest/ccel.h"
#include "attest/dcap/verify.h"

#include "base/hex.h"
#include "vectors.h"

#include <errno.h>

static struct dcap_collateral *collateral_of(const char *folder)
{
    static const char *const names[] = {
        "tcb_info.json", "qe_identity.json",         "tcb_signing_chain.pem",
        "pck_crl.der",   "pck_crl_issuer_chain.pem", "root_ca_crl.der"};
    struct slice files[ARRAY_COUNT(names)];
    struct dcap_collateral *collateral = NULL;
    struct error e = {0};
    char path[PATH_MAX];
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        files[i] = vector_file(path);
    }
    const struct dcap_files all = {files[0], files[1], files[2], files[3], files[4], files[5]};
    CHECK_EQ(dcap_collateral_open(&all, dcap_intel_root, &collateral, &e), 0);
    if (!collateral)
        printf("# %s: %s\n", folder, e.text);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        free((void *)files[i].bytes);
    return collateral;
}

static void hex_check(const struct vector_row *row, const char *column, const void *bytes,
                      size_t size)
{
    char text[2 * 64 + 1];
    hex_encode(slice_of(bytes, size), text);
    CHECK_TEXT(text, vector_value(row, column));
}

static void fields_check(const struct vector_row *row, const struct dcap_quote *quote)
{
    const char *debug = vector_value(row, "debug"), *trailing = vector_value(row, "trailing");
    CHECK_EQ(dcap_quote_debug(quote), strcmp(debug, "1") == 0);
    CHECK_EQ(quote->certification_type, strtol(vector_value(row, "cert_type"), NULL, 10));
    if (*trailing)
        CHECK_EQ(quote->trailing, strtol(trailing, NULL, 10));
    hex_check(row, "report_data", dcap_quote_report_data(quote), DCAP_REPORT_DATA_SIZE);
    if (quote->tee == DCAP_SGX) {
        hex_check(row, "measurement", quote->enclave.mr_enclave, SGX_MEASUREMENT_SIZE);
        hex_check(row, "signer", quote->enclave.mr_signer, SGX_MEASUREMENT_SIZE);
    } else {
        hex_check(row, "measurement", quote->td.mr_td, TDX_MEASUREMENT_SIZE);
    }
}

static void advisories_check(const struct vector_row *row, const struct dcap_verdict *verdict)
{
    char text[1024] = "", date[DCAP_TIME_TEXT_SIZE];
    for (unsigned i = 0; i < verdict->advisory_count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", i ? "," : "", verdict->advisories[i]);
    }
    CHECK_TEXT(text, vector_value(row, "advisories"));
    dcap_time_write(verdict->tcb_date_s, date);
    CHECK_TEXT(date, vector_value(row, "tcb_date"));
}

static void verdict_check(const struct vector_row *row, int r, const struct dcap_verdict *verdict)
{
    const char *expected = vector_value(row, "expected"), *now = vector_value(row, "current_tdx");
    if (strncmp(expected, "error:", 6) == 0) {
        CHECK_EQ(r, -EACCES);
        CHECK_TEXT(dcap_fault_code(verdict->fault), expected + 6);
        CHECK_EQ(verdict->status, TCB_NONE);
        return;
    }
    CHECK_EQ(r, 0);
    if (r < 0)
        printf("# %s\n", dcap_fault_code(verdict->fault));
    if (strcmp(expected, "signature-only") == 0) {
        CHECK_EQ(verdict->status, TCB_NONE);
        return;
    }
    CHECK_TEXT(tcb_status_name(verdict->status), expected);
    CHECK_TEXT(verdict->now == TCB_NONE ? "" : tcb_status_name(verdict->now), now);
    advisories_check(row, verdict);
}

static void row_check(const struct vector_row *row)
{
    struct slice bytes = vector_file(vector_value(row, "file"));
    const char *folder = vector_value(row, "collateral");
    struct dcap_collateral *collateral = *folder ? collateral_of(folder) : NULL;
    struct dcap_quote quote;
    struct dcap_verdict verdict;
    int64_t at_s = X509_ANY_TIME;
    int before = tap_failures_in_test;
    if (*vector_value(row, "verify_at"))
        CHECK_EQ(dcap_time_parse(vector_value(row, "verify_at"), &at_s), 0);
    REQUIRE(dcap_quote_parse(bytes, &quote) == 0);
    fields_check(row, &quote);
    verdict_check(row, dcap_verify(&quote, collateral, dcap_intel_root, at_s, &verdict), &verdict);
    if (tap_failures_in_test > before)
        printf("# in row %s\n", vector_value(row, "id"));
    dcap_collateral_free(collateral);
    free((void *)bytes.bytes);
}

TEST(quotes_of_real_machines_get_the_verdict_of_intels_algorithm)
{
    if (vectors_present("dcap_vectors.tsv"))
        CHECK(vectors_each("dcap_vectors.tsv", row_check) >= 25);
}

/* Every byte that is signed, and every length: one flipped bit is noticed. */
TEST(no_changed_byte_of_a_quote_is_accepted)
{
    if (!vectors_present("dcap_vectors.tsv"))
        return;
    struct slice bytes = vector_file("tdx/google_quote_v5.bin");
    struct dcap_collateral *collateral =
        collateral_of("collateral/tdx-90c06f000000-eval18-20260317");
    struct dcap_quote quote;
    struct dcap_verdict verdict;
    int64_t at_s;
    REQUIRE(collateral && dcap_time_parse("2026-03-17T22:34:05Z", &at_s) == 0);
    REQUIRE(dcap_quote_parse(bytes, &quote) == 0);
    size_t whole = bytes.size - quote.trailing, accepted = 0;
    uint8_t *copy = malloc(bytes.size);
    REQUIRE(copy);
    for (size_t i = 0; i < whole; i += i < 1400 ? 1 : 7) {
        memcpy(copy, bytes.bytes, bytes.size);
        copy[i] ^= (uint8_t)(1u << i % 8);
        if (dcap_quote_parse(slice_of(copy, bytes.size), &quote) == 0 &&
            dcap_verify(&quote, collateral, dcap_intel_root, at_s, &verdict) == 0 && ++accepted)
            printf("# byte %zu of %zu\n", i, whole);
    }
    /* PEM ignores a few things (its labels' newlines); what was signed is still what is read. */
    CHECK(accepted <= 2);
    free(copy);
    dcap_collateral_free(collateral);
    free((void *)bytes.bytes);
}

static const char *const bad_tcb_infos[] = {"CompSvn",
                                            "IntegerOverflow",
                                            "InvalidIssueDate",
                                            "MissingNextUpdate",
                                            "PropertyMissingLevel0",
                                            "PropertyMissingLevel2",
                                            "PropertyWrongTypeLevel0",
                                            "PropertyWrongTypeLevel2",
                                            "TcbType"};
static const char *const bad_identities[] = {"attributes", "id",       "isvprodid",  "miscselect",
                                             "mrsigner",   "tcb_date", "tcb_levels", "version"};

/* The inner object of a document that may be pretty-printed. */
static struct slice inner_object(struct slice text)
{
    const char *from = memchr(text.bytes + 1, '{', text.size - 1);
    REQUIRE(from);
    size_t depth = 0, i = 0;
    do {
        depth += from[i] == '{';
        depth -= from[i] == '}';
    } while (from[i++] && depth > 0);
    return slice_of(from, i);
}

TEST(malformed_documents_are_refused_by_the_parser)
{
    struct error e;
    char path[PATH_MAX];
    if (!vectors_present("dcap_vectors.tsv"))
        return;
    for (size_t i = 0; i < ARRAY_COUNT(bad_tcb_infos); i++) {
        struct dcap_tcb_info info = {0};
        snprintf(path, sizeof path, "malformed/tcbinfo_v2/tcbInfoNegative%s.json",
                 bad_tcb_infos[i]);
        struct slice text = vector_file(path);
        CHECK_EQ(dcap_tcb_info_parse(inner_object(text), &info, &e), -EBADMSG);
        printf("# %s: %s\n", bad_tcb_infos[i], e.text);
        free((void *)text.bytes);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad_identities); i++) {
        struct dcap_identity identity = {0};
        snprintf(path, sizeof path, "malformed/qe_identity_v2/qe_identity_missing_%s.json",
                 bad_identities[i]);
        struct slice text = vector_file(path);
        CHECK_EQ(dcap_identity_parse(inner_object(text), &identity, &e), -EBADMSG);
        printf("# %s: %s\n", bad_identities[i], e.text);
        free((void *)text.bytes);
    }
}

TEST(only_the_signed_bytes_themselves_are_a_signed_document)
{
    struct dcap_signed document;
    if (!vectors_present("dcap_vectors.tsv"))
        return;
    struct slice pretty = vector_file("malformed/mobilecoin_tcb_2022_pretty.json");
    struct slice good = vector_file("collateral/sgx-00606a000000-eval17-20250816/tcb_info.json");
    CHECK_EQ(dcap_signed_parse(pretty, "tcbInfo", &document), -EBADMSG);
    CHECK_EQ(dcap_signed_parse(good, "enclaveIdentity", &document), -EBADMSG);
    CHECK_EQ(dcap_signed_parse(good, "tcbInfo", &document), 0);
    for (size_t size = 0; size + 8 < good.size; size++)
        CHECK_EQ(dcap_signed_parse(slice_of(good.bytes, size), "tcbInfo", &document), -EBADMSG);
    free((void *)pretty.bytes);
    free((void *)good.bytes);
}

TEST(a_boot_log_replays_to_the_registers_of_its_quote)
{
    struct dcap_quote quote;
    struct ccel ccel;
    if (!vectors_present("dcap_vectors.tsv"))
        return;
    struct slice bytes = vector_file("tdx/google_cos113_quote.bin");
    struct slice log = vector_file("ccel/google_cos113_ccel.bin");
    REQUIRE(dcap_quote_parse(bytes, &quote) == 0);
    CHECK_EQ(ccel_replay(log, &ccel), 0);
    CHECK(memcmp(ccel.rtmr, quote.td.rtmr, sizeof ccel.rtmr[0] * 3) == 0);
    CHECK(ccel.events > 20);
    /* A cut log ends in the middle of an event, or explains less. */
    for (size_t size = 0; size < 4096; size++) {
        struct ccel cut = ccel;
        if (ccel_replay(slice_of(log.bytes, size), &cut) == 0)
            CHECK(memcmp(cut.rtmr, ccel.rtmr, sizeof ccel.rtmr) != 0);
    }
    free((void *)bytes.bytes);
    free((void *)log.bytes);
}

TAP_MAIN()
