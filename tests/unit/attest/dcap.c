/* SPDX-License-Identifier: Apache-2.0 */
/* What no published quote shows: each single thing that can be wrong, in a world of our own. */
#include "dcap_world.h"

#include <errno.h>

/* How far it comes: -1 the collateral is not accepted, else the fault. */
static int judged(const struct knobs *knobs, struct dcap_verdict *ret_verdict)
{
    SCOPED(dcap_collateral_freep) struct dcap_collateral *collateral = NULL;
    struct world w;
    struct dcap_quote quote;
    struct error e = {0};
    world_make(&w, knobs);
    const struct dcap_files files = {buf_slice(&w.tcb_info),        buf_slice(&w.identity),
                                     buf_slice(&w.signer_chain),    buf_slice(&w.pck_crl),
                                     buf_slice(&w.authority_chain), buf_slice(&w.root_crl)};
    int result = -1;
    REQUIRE(dcap_quote_parse(buf_slice(&w.quote), &quote) == 0);
    if (dcap_collateral_open(&files, w.root_hash, &collateral, &e) == 0) {
        int r = dcap_verify(&quote, collateral, w.root_hash, WORLD_NOW_S, ret_verdict);
        CHECK_EQ(r, ret_verdict->fault ? -EACCES : 0);
        CHECK_EQ(ret_verdict->status == TCB_NONE, ret_verdict->fault != DCAP_FAULT_NONE);
        result = (int)ret_verdict->fault;
    } else {
        CHECK(e.text[0] != 0);
    }
    ret_verdict->advisory_count = 0; /* they borrow from the collateral */
    world_done(&w);
    return result;
}

TEST(a_good_world_of_each_kind_is_up_to_date)
{
    static const struct knobs kinds[] = {{0}, {.td = true}, {.td = true, .td_1_5 = true}};
    struct dcap_verdict v = {0};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        CHECK_EQ(judged(&kinds[i], &v), DCAP_FAULT_NONE);
        CHECK_EQ(v.status, TCB_UP_TO_DATE);
        CHECK_EQ(v.evaluation_number, 18);
        CHECK_EQ(v.now, kinds[i].td_1_5 ? TCB_UP_TO_DATE : TCB_NONE);
    }
}

#define KNOB(member, fault)               \
    {                                     \
#member, {.member = true }, fault \
    }
#define TD_KNOB(member, fault)                        \
    {                                                 \
#member, {.td = true, .member = true }, fault \
    }
static const struct {
    const char *name;
    struct knobs knobs;
    int fault; /* -1: the collateral is refused */
} wrongs[] = {
    KNOB(revoke_pck, DCAP_FAULT_PCK_REVOKED),
    KNOB(revoke_authority, DCAP_FAULT_PCK_REVOKED),
    KNOB(revoke_signer, DCAP_FAULT_PCK_REVOKED),
    KNOB(pck_expired, DCAP_FAULT_PCK_EXPIRED),
    KNOB(pck_future, DCAP_FAULT_PCK_NOT_YET_VALID),
    KNOB(authority_expired, DCAP_FAULT_PCK_EXPIRED),
    KNOB(signer_expired, DCAP_FAULT_COLLATERAL_EXPIRED),
    KNOB(tcb_info_old, DCAP_FAULT_COLLATERAL_EXPIRED),
    KNOB(tcb_info_future, DCAP_FAULT_COLLATERAL_NOT_YET_VALID),
    KNOB(identity_old, DCAP_FAULT_COLLATERAL_EXPIRED),
    KNOB(pck_crl_old, DCAP_FAULT_COLLATERAL_EXPIRED),
    KNOB(pck_crl_future, DCAP_FAULT_COLLATERAL_NOT_YET_VALID),
    KNOB(root_crl_old, DCAP_FAULT_COLLATERAL_EXPIRED),
    KNOB(pck_crl_by_stranger, -1),
    KNOB(pck_crl_of_root, -1),
    KNOB(tcb_info_by_stranger, -1),
    KNOB(identity_by_stranger, -1),
    KNOB(signer_other_name, -1),
    KNOB(authority_by_stranger, -1),
    KNOB(authority_not_ca, -1),
    KNOB(root_stranger, -1),
    KNOB(root_forbids_authorities, -1),
    KNOB(pck_by_stranger, DCAP_FAULT_PCK_CHAIN),
    KNOB(pck_other_name, DCAP_FAULT_PCK_CHAIN),
    KNOB(pck_without_extension, DCAP_FAULT_PCK_EXTENSION),
    KNOB(no_chain, DCAP_FAULT_NO_PCK_CHAIN),
    KNOB(other_fmspc, DCAP_FAULT_TCB_INFO_MISMATCH),
    KNOB(other_pce_id, DCAP_FAULT_TCB_INFO_MISMATCH),
    KNOB(other_tee, DCAP_FAULT_TCB_INFO_MISMATCH),
    KNOB(identity_other_tee, DCAP_FAULT_TCB_INFO_MISMATCH),
    KNOB(qe_debug, DCAP_FAULT_QE_IDENTITY_MISMATCH),
    KNOB(qe_other_signer, DCAP_FAULT_QE_IDENTITY_MISMATCH),
    KNOB(qe_other_product, DCAP_FAULT_QE_IDENTITY_MISMATCH),
    KNOB(qe_other_attributes, DCAP_FAULT_QE_IDENTITY_MISMATCH),
    KNOB(qe_old, DCAP_FAULT_QE_NOT_SUPPORTED),
    KNOB(qe_report_by_stranger, DCAP_FAULT_QE_SIGNATURE),
    KNOB(unbound, DCAP_FAULT_QE_BINDING),
    KNOB(binding_tail, DCAP_FAULT_QE_BINDING),
    KNOB(quote_by_stranger, DCAP_FAULT_QUOTE_SIGNATURE),
    KNOB(platform_old, DCAP_FAULT_TCB_NOT_SUPPORTED),
    KNOB(pce_old, DCAP_FAULT_TCB_NOT_SUPPORTED),
    TD_KNOB(module_old, DCAP_FAULT_TDX_MODULE_NOT_SUPPORTED),
    TD_KNOB(module_unknown, DCAP_FAULT_TDX_MODULE_NOT_SUPPORTED),
    TD_KNOB(module_other_signer, DCAP_FAULT_TDX_MODULE_MISMATCH),
    TD_KNOB(module_attributes, DCAP_FAULT_TDX_MODULE_MISMATCH),
};

TEST(each_single_wrong_is_refused_by_its_own_name)
{
    struct dcap_verdict v = {0};
    for (size_t i = 0; i < ARRAY_COUNT(wrongs); i++) {
        int before = tap_failures_in_test;
        CHECK_EQ(judged(&wrongs[i].knobs, &v), wrongs[i].fault);
        if (tap_failures_in_test > before)
            printf("# with %s: %s\n", wrongs[i].name, dcap_fault_code(v.fault));
    }
}

/* Platform, quoting enclave, module, and what becomes of them together. */
static const struct {
    const char *platform, *qe, *module, *together;
} sums[] = {
    {"SWHardeningNeeded", NULL, NULL, "SWHardeningNeeded"},
    {"ConfigurationNeeded", NULL, NULL, "ConfigurationNeeded"},
    {"ConfigurationAndSWHardeningNeeded", NULL, NULL, "ConfigurationAndSWHardeningNeeded"},
    {"OutOfDate", NULL, NULL, "OutOfDate"},
    {"OutOfDateConfigurationNeeded", NULL, NULL, "OutOfDateConfigurationNeeded"},
    {"Revoked", NULL, NULL, "Revoked"},
    {NULL, "OutOfDate", NULL, "OutOfDate"},
    {NULL, NULL, "OutOfDate", "OutOfDate"},
    {NULL, "Revoked", NULL, "Revoked"},
    {NULL, NULL, "Revoked", "Revoked"},
    {"OutOfDate", "Revoked", NULL, "Revoked"},
    {"SWHardeningNeeded", "OutOfDate", NULL, "OutOfDate"},
    {"ConfigurationNeeded", "OutOfDate", NULL, "OutOfDateConfigurationNeeded"},
    {"ConfigurationAndSWHardeningNeeded", NULL, "OutOfDate", "OutOfDateConfigurationNeeded"},
    {"OutOfDateConfigurationNeeded", "OutOfDate", "OutOfDate", "OutOfDateConfigurationNeeded"},
};

TEST(a_platform_is_as_good_as_its_worst_part)
{
    struct dcap_verdict v = {0};
    for (size_t i = 0; i < ARRAY_COUNT(sums); i++) {
        const struct knobs knobs = {.td = true,
                                    .platform_status = sums[i].platform,
                                    .qe_status = sums[i].qe,
                                    .module_status = sums[i].module};
        CHECK_EQ(judged(&knobs, &v), DCAP_FAULT_NONE);
        CHECK_TEXT(tcb_status_name(v.status), sums[i].together);
    }
}

/* Launched under old components, running under new ones. */
static const struct {
    const char *launch, *now, *together;
} launches[] = {
    {"OutOfDate", "UpToDate", "TDRelaunchAdvised"},
    {"OutOfDate", "SWHardeningNeeded", "TDRelaunchAdvised"},
    {"OutOfDate", "ConfigurationNeeded", "TDRelaunchAdvisedConfigurationNeeded"},
    {"OutOfDateConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
     "TDRelaunchAdvisedConfigurationNeeded"},
    {"OutOfDate", "OutOfDate", "OutOfDate"},
    {"UpToDate", "OutOfDate", "UpToDate"},
    {"Revoked", "UpToDate", "Revoked"},
    {"UpToDate", "Revoked", "Revoked"},
};

TEST(a_module_updated_under_a_running_domain_asks_for_a_relaunch)
{
    struct dcap_verdict v = {0};
    for (size_t i = 0; i < ARRAY_COUNT(launches); i++) {
        const struct knobs knobs = {.td = true,
                                    .td_1_5 = true,
                                    .platform_status = launches[i].launch,
                                    .now_status = launches[i].now};
        CHECK_EQ(judged(&knobs, &v), DCAP_FAULT_NONE);
        CHECK_TEXT(tcb_status_name(v.status), launches[i].together);
        CHECK_TEXT(tcb_status_name(v.now), launches[i].now);
    }
}

TEST(a_status_that_is_not_known_is_no_status)
{
    static const struct knobs unknown[] = {{.platform_status = "Fine"},
                                           {.platform_status = "TDRelaunchAdvised"},
                                           {.qe_status = "SWHardeningNeeded"},
                                           {.td = true, .module_status = "ConfigurationNeeded"}};
    struct dcap_verdict v = {0};
    for (size_t i = 0; i < ARRAY_COUNT(unknown); i++)
        CHECK_EQ(judged(&unknown[i], &v), -1);
}

TEST(without_collateral_nothing_is_said_about_how_good_it_is)
{
    const struct knobs knobs = {.platform_status = "Revoked"};
    struct world w;
    struct dcap_quote quote;
    struct dcap_verdict v = {0};
    world_make(&w, &knobs);
    REQUIRE(dcap_quote_parse(buf_slice(&w.quote), &quote) == 0);
    CHECK_EQ(dcap_verify(&quote, NULL, w.root_hash, WORLD_NOW_S, &v), 0);
    CHECK_EQ(v.status, TCB_NONE);
    CHECK_EQ(dcap_verify(&quote, NULL, dcap_intel_root, WORLD_NOW_S, &v), -EACCES);
    CHECK_EQ(v.fault, DCAP_FAULT_PCK_CHAIN);
    world_done(&w);
}

TEST(every_cut_of_a_quote_is_refused)
{
    static const struct knobs kinds[] = {{0}, {.td = true}, {.td = true, .td_1_5 = true}};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct world w;
        struct dcap_quote quote;
        world_make(&w, &kinds[i]);
        for (size_t size = 0; size < w.quote.size; size++)
            CHECK_EQ(dcap_quote_parse(slice_of(w.quote.bytes, size), &quote), -EBADMSG);
        world_done(&w);
    }
}

TEST(times_are_of_one_form_and_come_back)
{
    static const char *const good[] = {"1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z",
                                       "2026-03-17T22:34:05Z", "2100-12-31T00:00:00Z"};
    static const char *const bad[] = {"",
                                      "2026-03-17T22:34:05",
                                      "2026-03-17 22:34:05Z",
                                      "2026-02-29T00:00:00Z",
                                      "2100-02-29T00:00:00Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-01-00T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:60:00Z",
                                      "2026-01-01T00:00:00ZZ",
                                      "1969-12-31T23:59:59Z",
                                      "2026-1 -01T00:00:00Z"};
    char text[DCAP_TIME_TEXT_SIZE];
    int64_t s = -1;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        CHECK_EQ(dcap_time_parse(good[i], &s), 0);
        dcap_time_write(s, text);
        CHECK_TEXT(text, good[i]);
    }
    CHECK_EQ(dcap_time_parse("2026-03-17T22:34:05Z", &s), 0);
    CHECK_EQ(s, 1773786845);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(dcap_time_parse(bad[i], &s), -EBADMSG);
}

TAP_MAIN()
