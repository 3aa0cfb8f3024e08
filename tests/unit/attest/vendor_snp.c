/* SPDX-License-Identifier: Apache-2.0 */
/* SEV-SNP in two tiers: the machine's report names a launcher, the launcher signs for a process; and
 * what a policy says of such a machine. */
#include "attest/appraise.h"
#include "attest/vendor.h"
#include "snp_world.h"

#include <errno.h>
#include <openssl/x509.h>

static struct snp_world g_world;
static struct p256_key *g_launcher;
static bool g_certificates_known;

static int64_t now_s(void *ctx)
{
    (void)ctx;
    return (int64_t)time(NULL) + 60;
}

static int snp_known(void *ctx, const struct snp_report *report, struct snp_certificates *all)
{
    (void)ctx;
    (void)report;
    for (int i = 0; g_certificates_known && i < g_world.all.count; i++) {
        X509_up_ref(g_world.all.certificate[i]);
        all->certificate[all->count++] = g_world.all.certificate[i];
    }
    return 0;
}

struct changes {
    bool unsigned_process, other_launcher, other_kind, single, unknown_certificates, junk_auxiliary,
        other_version;
};

static struct evidence process_claims(enum tee tee)
{
    struct evidence ev = {.tee = tee, .svn = 4};
    memset(ev.program, 0x22, sizeof ev.program);
    memset(ev.runtime, 0x11, sizeof ev.runtime);
    memset(ev.instance, 0x55, sizeof ev.instance);
    memset(ev.report_data, 0x77, 32);
    return ev;
}

/* The whole record, verified. */
static int verified(struct knobs k, const struct changes *c, struct evidence *ret,
                    struct refusal *refusal)
{
    SCOPED(p256_freep) struct p256_key *stranger = NULL;
    SCOPED(buf_done) struct buf process = {0}, record = {0};
    uint8_t point[EVIDENCE_POINT_SIZE], data[EVIDENCE_REPORT_DATA_SIZE];
    REQUIRE(p256_generate(&g_launcher) == 0 && p256_generate(&stranger) == 0);
    REQUIRE(p256_public(g_launcher, point) == 0 && bundle_launcher_data(point, data) == 0);
    k.report_data = data;
    snp_world_make(&g_world, &k);
    if (c->other_version)
        g_world.report[0] = 100;
    g_certificates_known = !c->unknown_certificates;
    struct evidence claims = process_claims(c->other_kind ? TEE_TDX : TEE_SNP);
    REQUIRE(bundle_process_sign(c->other_launcher ? stranger : g_launcher, &claims, &process) == 0);
    process.bytes[60] ^= c->unsigned_process;
    const struct bundle b = {.tee = TEE_SNP,
                             .report = slice_of(g_world.report, sizeof g_world.report),
                             .auxiliary =
                                 c->junk_auxiliary ? slice_of_text("junk") : (struct slice){0},
                             .process = c->single ? (struct slice){0} : buf_slice(&process)};
    REQUIRE(bundle_write(&b, &record) == 0);
    const struct vendor_sources sources = {
        .amd_roots = &g_world.roots, .snp = snp_known, .now_s = now_s};
    int r = vendor_verify(&sources, buf_slice(&record), ret, refusal);
    snp_world_done(&g_world);
    p256_free(g_launcher);
    return r;
}

static void check_refused(const struct knobs *k, const struct changes *c, const char *code)
{
    struct evidence ev;
    struct refusal refusal = {0};
    CHECK_EQ(verified(*k, c, &ev, &refusal), -EACCES);
    CHECK_TEXT(refusal_code(refusal.reason), code);
}

TEST(a_process_is_known_by_its_launcher_and_that_by_its_machine)
{
    struct evidence ev = {0};
    CHECK_EQ(verified((struct knobs){.image = 9}, &(struct changes){0}, &ev, NULL), 0);
    CHECK_EQ(ev.tee, TEE_SNP);
    CHECK(ev.platform.present && ev.platform.launched && !ev.debug);
    CHECK_EQ(ev.program[0], 0x22);
    CHECK_EQ(ev.report_data[0], 0x77);
    CHECK_EQ(ev.instance[0], 0x55);
    CHECK_EQ(ev.svn, 4);
    CHECK_EQ(ev.platform.measurement[47], 9);
    CHECK_EQ(ev.platform.chip[0], CHIP);
}

TEST(what_the_machine_does_not_vouch_for_is_refused)
{
    const struct knobs k = {0};
    check_refused(&k, &(struct changes){.unsigned_process = true}, "EVIDENCE_SIGNATURE");
    check_refused(&k, &(struct changes){.other_launcher = true}, "LAUNCHER_BINDING");
    check_refused(&k, &(struct changes){.other_kind = true}, "EVIDENCE_MALFORMED");
    check_refused(&k, &(struct changes){.junk_auxiliary = true}, "EVIDENCE_MALFORMED");
    check_refused(&k, &(struct changes){.other_version = true}, "EVIDENCE_KIND_UNKNOWN");
    check_refused(&k, &(struct changes){.unknown_certificates = true}, "COLLATERAL_MISSING");
    check_refused(&(struct knobs){.other_chip = true}, &(struct changes){0}, "EVIDENCE_PLATFORM");
}

TEST(a_report_alone_speaks_for_the_machine_and_for_no_program)
{
    static const uint8_t zeros[32];
    struct evidence ev = {0};
    CHECK_EQ(verified((struct knobs){0}, &(struct changes){.single = true}, &ev, NULL), 0);
    CHECK(!ev.platform.launched);
    CHECK(memcmp(ev.program, zeros, sizeof zeros) == 0);
}

static struct who who_sample(void)
{
    struct who who = {.tees = 1u << TEE_SNP};
    memset(who.program.digest[0], 0x22, 32);
    who.program.count = 1;
    memset(who.platform.measurement.digest[0], 9, EVIDENCE_MEASUREMENT_SIZE);
    who.platform.measurement.count = 1;
    return who;
}

static void check_judged(const struct who *who, struct knobs k, const char *code)
{
    struct evidence ev = {0};
    struct refusal refusal = {0};
    k.image = k.image ? k.image : 9;
    REQUIRE(verified(k, &(struct changes){0}, &ev, NULL) == 0);
    int r = appraise(who, &ev, &refusal);
    CHECK_EQ(r, code ? -EACCES : 0);
    CHECK_TEXT(refusal_code(refusal.reason), code ? code : "NONE");
}

TEST(a_policy_says_which_image_chip_and_level)
{
    struct who who = who_sample();
    check_judged(&who, (struct knobs){0}, NULL);
    check_judged(&who, (struct knobs){.image = 8}, "IMAGE_REFUSED");
    check_judged(&who, (struct knobs){.debug = true}, "DEBUG_REFUSED");
    check_judged(&who, (struct knobs){.migration = true}, "MIGRATION_REFUSED");
    check_judged(&who, (struct knobs){.vmpl = 1}, "VMPL_REFUSED");
    who.allow_debug = who.platform.allow_migration = true;
    who.platform.vmpl_max = 1;
    check_judged(&who, (struct knobs){.vmpl = 1, .debug = true, .migration = true}, NULL);
    memset(who.platform.chips.id[0], CHIP, SNP_CHIP_ID_SIZE);
    who.platform.chips.size[0] = SNP_CHIP_ID_SIZE;
    who.platform.chips.count = 1;
    check_judged(&who, (struct knobs){0}, NULL);
    who.platform.chips.id[0][5]++;
    check_judged(&who, (struct knobs){0}, "PLATFORM_REFUSED");
    who.platform.chips.count = 0;
    who.platform.snp_min[EVIDENCE_SNP_BOOT_LOADER] = 1;
    check_judged(&who, (struct knobs){0}, NULL);
    who.platform.snp_min[EVIDENCE_SNP_MICROCODE] = 1;
    check_judged(&who, (struct knobs){0}, "TCB_TOO_OLD");
    who = who_sample();
    who.platform.require_revocation = true;
    check_judged(&who, (struct knobs){0}, "COLLATERAL_MISSING");
    who = who_sample();
    who.platform.id_key.count = 1;
    memset(who.platform.id_key.digest[0], 1, EVIDENCE_MEASUREMENT_SIZE);
    check_judged(&who, (struct knobs){0}, "IMAGE_SIGNER_REFUSED");
    who = who_sample();
    who.platform.host_data.count = 1;
    who.platform.host_data.digest[0][0] = 1;
    check_judged(&who, (struct knobs){0}, "HOST_DATA_REFUSED");
}

TEST(a_policy_that_names_no_image_or_no_program_lets_nothing_run)
{
    struct who who = who_sample();
    who.platform.measurement.count = 0;
    check_judged(&who, (struct knobs){0}, "IMAGE_UNPINNED");
    who = who_sample();
    who.program.count = 0;
    check_judged(&who, (struct knobs){0}, "PROGRAM_REFUSED");
}

TEST(every_truncation_of_a_bundle_is_malformed)
{
    SCOPED(buf_done) struct buf record = {0};
    const struct bundle b = {.tee = TEE_SNP, .report = slice_of_text("report")};
    struct bundle again;
    REQUIRE(bundle_write(&b, &record) == 0);
    CHECK_EQ(bundle_parse(buf_slice(&record), &again), 0);
    for (size_t size = 0; size < record.size; size++)
        CHECK_EQ(bundle_parse(slice_of(record.bytes, size), &again), -EBADMSG);
    buf_append_byte(&record, 0);
    CHECK_EQ(bundle_parse(buf_slice(&record), &again), -EBADMSG);
    CHECK_EQ(bundle_write(&(struct bundle){.tee = TEE_SIM, .report = b.report}, &record), -EINVAL);
}

TAP_MAIN()
