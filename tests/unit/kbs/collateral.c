/* SPDX-License-Identifier: Apache-2.0 */
/* Trust domains and enclaves before the key broker: collateral from a directory, evidence inside a
 * certificate, and a policy as its owner writes it. */
#include "attest/appraise.h"
#include "policy/policy.h"
#include "vendor_scene.h"

static void check_refused(const struct scene *s, const char *code)
{
    struct evidence ev;
    struct refusal refusal = {0};
    CHECK_EQ(verified(s, &ev, &refusal), -EACCES);
    CHECK_TEXT(refusal_code(refusal.reason), code);
}

TEST(a_trust_domains_process_proves_itself_in_two_tiers)
{
    struct evidence ev = {0};
    const struct scene s = {.knobs = {.td = true, .image = 5}};
    CHECK_EQ(verified(&s, &ev, NULL), 0);
    CHECK_EQ(ev.tee, TEE_TDX);
    CHECK(ev.platform.launched);
    CHECK_EQ(ev.program[0], 0x22);
    CHECK_EQ(ev.platform.measurement[0], 5);
    CHECK_EQ(ev.platform.rtmr[3][0], 9);
    CHECK_EQ(ev.platform.tcb, TCB_UP_TO_DATE);
}

TEST(an_enclave_proves_itself_by_a_bare_quote_as_others_write_it)
{
    struct evidence ev = {0};
    const struct scene s = {.single = true};
    CHECK_EQ(verified(&s, &ev, NULL), 0);
    CHECK_EQ(ev.tee, TEE_SGX);
    CHECK(!ev.platform.launched && !ev.debug);
    CHECK_EQ(ev.svn, 1);
    CHECK_EQ(ev.product, 1);
}

TEST(each_wrong_has_its_code)
{
    check_refused(&(struct scene){.knobs = {.td = true}, .no_collateral = true},
                  "COLLATERAL_MISSING");
    check_refused(&(struct scene){.knobs = {.td = true, .tcb_info_old = true}},
                  "COLLATERAL_EXPIRED");
    check_refused(&(struct scene){.knobs = {.td = true, .revoke_pck = true}}, "PLATFORM_REVOKED");
    check_refused(&(struct scene){.knobs = {.td = true, .pck_by_stranger = true}},
                  "EVIDENCE_CHAIN");
    check_refused(&(struct scene){.knobs = {.td = true, .no_chain = true}}, "EVIDENCE_CHAIN");
    check_refused(&(struct scene){.knobs = {.td = true, .quote_by_stranger = true}},
                  "EVIDENCE_SIGNATURE");
    check_refused(&(struct scene){.knobs = {.td = true, .module_other_signer = true}},
                  "EVIDENCE_PLATFORM");
    check_refused(&(struct scene){.knobs = {.td = true}, .other_nonce = true}, "EVIDENCE_STALE");
    check_refused(&(struct scene){.knobs = {.td = true}, .other_key = true}, "EVIDENCE_BINDING");
    check_refused(&(struct scene){.single = true, .other_key = true}, "EVIDENCE_BINDING");
    /* Collateral that its signer did not sign is not there. */
    check_refused(&(struct scene){.knobs = {.td = true, .tcb_info_by_stranger = true}},
                  "COLLATERAL_MISSING");
}

#define SHA384(digit) "sha384:" digit digit digit digit digit digit
#define EIGHT(d) d d d d d d d d
#define IMAGE(d) "[" SHA384(EIGHT(d)) "]"
#define PROGRAM "sha256:2222222222222222222222222222222222222222222222222222222222222222"

static void check_policy(const struct scene *s, const char *who, const char *code,
                         const char *clause)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct evidence ev = {0};
    struct refusal refusal = {0};
    struct error e = {0};
    char yaml[4000];
    snprintf(yaml, sizeof yaml,
             "version: 1\ntenant: demo\nname: p\ncommand: {arguments: [server]}\n%s", who);
    if (policy_parse(slice_of_text(yaml), &policy, &e) < 0)
        printf("# %s\n", e.text);
    REQUIRE(policy && verified(s, &ev, NULL) == 0);
    int r = appraise(&policy->who, &ev, &refusal);
    CHECK_EQ(r, code ? -EACCES : 0);
    CHECK_TEXT(refusal_code(refusal.reason), code ? code : "NONE");
    CHECK_TEXT(refusal.clause, clause ? clause : "");
}

#define TD "tee: [tdx]\nprogram: {measurements: [" PROGRAM "]}\n"
#define PINNED                                                                               \
    "platform:\n  measurements: " IMAGE("05") "\n  rtmr1: " IMAGE("07") "\n  rtmr2: " IMAGE( \
        "08") "\n"

TEST(a_policy_judges_the_trust_domain_it_names)
{
    const struct scene s = {.knobs = {.td = true, .image = 5}};
    check_policy(&s, TD PINNED, NULL, NULL);
    check_policy(&s, TD, "IMAGE_UNPINNED", "platform.measurements");
    check_policy(&s, TD "platform:\n  measurements: " IMAGE("05") "\n", "IMAGE_UNPINNED",
                 "platform.rtmr1");
    check_policy(&s, TD "platform:\n  measurements: " IMAGE("05") "\n  rtmr1: " IMAGE("07") "\n",
                 "IMAGE_UNPINNED", "platform.rtmr2");
    check_policy(&s,
                 TD "platform:\n  measurements: " IMAGE("06") "\n  rtmr1: " IMAGE(
                     "07") "\n  rtmr2: " IMAGE("08") "\n",
                 "IMAGE_REFUSED", "platform.measurements");
    check_policy(&s, TD PINNED "  rtmr3: " IMAGE("05") "\n", "RTMR_REFUSED", "platform.rtmr3");
    check_policy(&s, TD PINNED "  rtmr3: " IMAGE("09") "\n", NULL, NULL);
    check_policy(&s, TD PINNED "  config_id: [hex:" EIGHT("010101010101") "]\n",
                 "HOST_DATA_REFUSED", "platform.config_id");
    check_policy(&s, TD PINNED "  chips: [00112233445566778899aabbccddeeff]\n", "PLATFORM_REFUSED",
                 "platform.chips");
    check_policy(&s, "tee: [snp]\nprogram: {measurements: [" PROGRAM "]}\n" PINNED, "TEE_REFUSED",
                 "tee");
    check_policy(&(struct scene){.knobs = {.td = true, .image = 5, .td_debug = true}}, TD PINNED,
                 "DEBUG_REFUSED", "allow_debug");
    check_policy(&(struct scene){.knobs = {.td = true, .image = 5, .td_debug = true}},
                 TD PINNED "allow_debug: true\n", NULL, NULL);
    check_policy(&(struct scene){.knobs = {.td = true, .image = 5, .td_sept_ve = true}}, TD PINNED,
                 "TD_ATTRIBUTES_REFUSED", "platform.allow_sept_ve");
    check_policy(&(struct scene){.knobs = {.td = true, .image = 5, .td_sept_ve = true}},
                 TD PINNED "  allow_sept_ve: true\n", NULL, NULL);
}

TEST(statuses_and_advisories_are_tolerated_by_name)
{
    const struct scene hardening = {
        .knobs = {.td = true, .image = 5, .platform_status = "SWHardeningNeeded"}};
    const struct scene old = {.knobs = {.td = true, .image = 5, .platform_status = "OutOfDate"}};
    const struct scene revoked = {.knobs = {.td = true, .image = 5, .platform_status = "Revoked"}};
    struct evidence ev = {0};
    check_policy(&hardening, TD PINNED, "TCB_STATUS_REFUSED", "platform.tcb.statuses");
    check_policy(&old, TD PINNED "  tcb: {statuses: [UpToDate, SWHardeningNeeded]}\n",
                 "TCB_STATUS_REFUSED", "platform.tcb.statuses");
    check_policy(&revoked, TD PINNED "  tcb: {statuses: [UpToDate, OutOfDate]}\n",
                 "PLATFORM_REVOKED", "platform.tcb.statuses");
    REQUIRE(verified(&hardening, &ev, NULL) == 0);
    const char *statuses = TD PINNED "  tcb: {statuses: [SWHardeningNeeded]}\n";
    check_policy(&hardening, statuses,
                 ev.platform.advisory_count > 0 ? "TCB_ADVISORY_REFUSED" : NULL,
                 ev.platform.advisory_count > 0 ? "platform.tcb.advisories" : NULL);
    char tolerant[3000];
    int n =
        snprintf(tolerant, sizeof tolerant,
                 "%s%s  tcb:\n    statuses: [SWHardeningNeeded]\n    advisories: [", TD, PINNED);
    for (unsigned i = 0; i < ev.platform.advisory_count; i++)
        n += snprintf(tolerant + n, sizeof tolerant - (size_t)n, "%s%s", i ? ", " : "",
                      ev.platform.advisories[i]);
    snprintf(tolerant + n, sizeof tolerant - (size_t)n, "]\n");
    check_policy(&hardening, tolerant, NULL, NULL);
    const struct scene good = {.knobs = {.td = true, .image = 5}};
    check_policy(&good, TD PINNED "  tcb: {evaluation_min: 100000}\n", "TCB_TOO_OLD",
                 "platform.tcb.evaluation_min");
    check_policy(&good, TD PINNED "  tcb: {date_min: 2099-01-01}\n", "TCB_TOO_OLD",
                 "platform.tcb.date_min");
}

#define ZEROS "sha256:0000000000000000000000000000000000000000000000000000000000000000"

TEST(a_policy_judges_the_enclave_it_names)
{
    const struct scene s = {.single = true};
    check_policy(&s, "tee: [sgx]\nprogram: {measurements: [" ZEROS "]}\n", NULL, NULL);
    check_policy(&s, "tee: [sgx]\nprogram: {signers: [" ZEROS "], product: 1, svn_min: 1}\n", NULL,
                 NULL);
    check_policy(&s, "tee: [sgx]\nprogram: {signers: [" ZEROS "], product: 2}\n", "PRODUCT_REFUSED",
                 "program.product");
    check_policy(&s, "tee: [sgx]\nprogram: {signers: [" ZEROS "], svn_min: 2}\n", "SVN_TOO_LOW",
                 "program.svn_min");
    check_policy(&s, "tee: [sgx]\nprogram: {measurements: [" PROGRAM "]}\n", "PROGRAM_REFUSED",
                 "program.measurements");
    check_policy(&(struct scene){.single = true, .knobs = {.enclave_debug = true}},
                 "tee: [sgx]\nprogram: {measurements: [" ZEROS "]}\n", "DEBUG_REFUSED",
                 "allow_debug");
}

TEST(the_directory_is_looked_at_again_when_it_changes)
{
    SCOPED(collateral_freep) struct collateral *collateral = NULL;
    struct world w, old;
    world_make(&w, &(struct knobs){.td = true});
    dir_make();
    REQUIRE(collateral_open(g_dir, w.root_hash, &snp_amd_roots, now_s, &collateral, NULL) == 0);
    CHECK_EQ(collateral_counts(collateral).sets, 0);
    set_put("one", &w);
    collateral_refresh(collateral);
    CHECK_EQ(collateral_counts(collateral).sets, 1);
    world_make(&old, &(struct knobs){.td = true});
    set_put("of-a-stranger", &old);
    collateral_refresh(collateral);
    CHECK_EQ(collateral_counts(collateral).sets, 1);
    CHECK_EQ(collateral_counts(collateral).refused, 1);
    file_put("one", "tcb_info.json", slice_of_text("{}"));
    collateral_refresh(collateral);
    CHECK_EQ(collateral_counts(collateral).sets, 0);
    world_done(&w);
    world_done(&old);
}

TEST(a_directory_that_is_not_there_is_said)
{
    struct collateral *collateral = NULL;
    struct error e = {0};
    CHECK(collateral_open("/nowhere", dcap_intel_root, &snp_amd_roots, now_s, &collateral, &e) < 0);
    CHECK(strstr(e.text, "/nowhere") != NULL);
    REQUIRE(collateral_open(NULL, dcap_intel_root, &snp_amd_roots, now_s, &collateral, &e) == 0);
    collateral_refresh(collateral);
    collateral_free(collateral);
}

TEST(mistakes_in_platform_are_found_with_their_line)
{
    static const char *const wrong[] = {
        "platform: {measurements: []}\n",
        "platform: {measurements: [sha256:00]}\n",
        "platform: {tcb: {statuses: [Fine]}}\n",
        "platform: {tcb: {statuses: [Revoked]}}\n",
        "platform: {tcb: {statuses: []}}\n",
        "platform: {tcb: {advisories: [\"no such name!\"]}}\n",
        "platform: {tcb: {date_min: yesterday}}\n",
        "platform: {chips: [abc]}\n",
        "platform: {snp_min: {fan: 1}}\n",
        "platform: {vmpl_max: 4}\n",
        "platform: {colour: red}\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        SCOPED(policy_freep) struct policy *policy = NULL;
        struct error e = {0};
        char yaml[1000];
        snprintf(yaml, sizeof yaml,
                 "version: 1\ntenant: demo\nname: p\ncommand: {arguments: [server]}\n" TD "%s",
                 wrong[i]);
        CHECK_EQ(policy_parse(slice_of_text(yaml), &policy, &e), -EINVAL);
        if (strncmp(e.text, "line 7", 6) != 0)
            printf("# %s: %s\n", wrong[i], e.text);
        CHECK(strncmp(e.text, "line 7", 6) == 0);
    }
}

TAP_MAIN()
