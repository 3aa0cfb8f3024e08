/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer policy try`, and made-up evidence for `coffer policy test`: the same judgement as the key
 * broker's, with what is at hand. */
#include "attest/dcap/collateral.h"
#include "attest/vendor.h"
#include "base/hex.h"
#include "cli/attest_file.h"
#include "cli/owner_keys.h"
#include "cli/policy.h"
#include "policy/yaml_tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SETS_MAX = 64, EVIDENCE_MAX = 1 << 20 };

int policy_refusal_known(const char *code)
{
    for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
        if (strcmp(code, refusal_code((enum refusal_reason)i)) == 0)
            return 0;
    return -ENOENT;
}

static int hex_claim(const struct yaml_node *map, const char *key, const char *prefix, uint8_t *to,
                     size_t size, struct error *e)
{
    const struct yaml_node *n = yaml_get(map, key);
    const char *text = NULL;
    size_t len = strlen(prefix);
    int r = yaml_text(n, 200, key, &text, e);
    if (r < 0 || !text)
        return r;
    if (strncmp(text, prefix, len) != 0 || hex_decode(slice_of_text(text + len), to, size) < 0)
        return yaml_error(n, e, "'%s' must be %s and %zu hexadecimal digits", key, prefix,
                          2 * size);
    return 0;
}

static int advisories_claim(const struct yaml_node *list, struct evidence_platform *p,
                            struct error *e)
{
    int r = list ? yaml_expect(list, YAML_LIST, "advisories", e) : 0;
    for (const struct yaml_node *n = r == 0 && list ? list->first : NULL; n && r == 0;
         n = n->next) {
        r = yaml_expect(n, YAML_SCALAR, "advisories", e);
        if (r == 0 &&
            (p->advisory_count == EVIDENCE_ADVISORIES_MAX || !advisory_name_is_valid(n->text)))
            r = yaml_error(n, e, "'%.40s' is no name of an advisory", n->text);
        if (r == 0)
            snprintf(p->advisories[p->advisory_count++], EVIDENCE_ADVISORY_SIZE, "%s", n->text);
    }
    return r;
}

int policy_claims_platform(const struct yaml_node *map, struct evidence *ret, struct error *e)
{
    static const char *const keys[] = {"measurement", "rtmr0",      "rtmr1", "rtmr2",
                                       "rtmr3",       "chip",       "vmpl",  "tcb",
                                       "migration",   "advisories", NULL};
    struct evidence_platform *p = &ret->platform;
    const struct yaml_node *tcb = yaml_get(map, "tcb");
    uint64_t vmpl = 0;
    p->tcb = TCB_UP_TO_DATE;
    p->chip_size = ret->tee == TEE_SNP ? EVIDENCE_CHIP_SIZE : 16;
    if (!map)
        return 0;
    int r = yaml_expect_keys(map, keys, "platform", e);
    if (r == 0)
        r = hex_claim(map, "measurement", "sha384:", p->measurement, sizeof p->measurement, e);
    for (unsigned i = 0; r == 0 && i < EVIDENCE_RTMRS; i++)
        r = hex_claim(map, keys[1 + i], "sha384:", p->rtmr[i], sizeof p->rtmr[i], e);
    if (r == 0)
        r = hex_claim(map, "chip", "", p->chip, p->chip_size, e);
    if (r == 0)
        r = yaml_uint(yaml_get(map, "vmpl"), 0, 3, "vmpl", &vmpl, e);
    if (r == 0)
        r = yaml_bool(yaml_get(map, "migration"), "migration", &p->migration, e);
    if (r == 0 && tcb && tcb_status_parse(tcb->kind == YAML_SCALAR ? tcb->text : "", &p->tcb) < 0)
        r = yaml_error(tcb, e, "'tcb' must be the name of a TCB status");
    p->vmpl = (unsigned)vmpl;
    return r < 0 ? r : advisories_claim(yaml_get(map, "advisories"), p, e);
}

/* ---- real evidence ---- */

struct try_sources {
    struct vendor_sources vendor;
    struct dcap_collateral *sets[SETS_MAX];
    unsigned set_count;
    struct snp_certificates amd;
    int64_t at_s;
};

static void sources_done(struct try_sources *s)
{
    for (unsigned i = 0; i < s->set_count; i++)
        dcap_collateral_free(s->sets[i]);
    snp_certificates_done(&s->amd);
}

/* A folder is one set of Intel's, or certificates of AMD's. */
static int folder_load(struct try_sources *s, const char *folder, struct error *e)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.4000s/tcb_info.json", folder);
    if (access(path, F_OK) < 0)
        return attest_folder_snp(folder, &s->amd, e);
    if (s->set_count == SETS_MAX)
        return error_set(e, -E2BIG, "more than %d sets of collateral", SETS_MAX);
    int r = attest_folder_dcap(folder, &s->sets[s->set_count], e);
    if (r == 0)
        s->set_count++;
    return r;
}

static int sources_load(struct try_sources *s, const char *dir, struct error *e)
{
    DIR *listing = opendir(dir);
    struct dirent *entry;
    int r =
        listing ? folder_load(s, dir, e) : error_set(e, -errno, "cannot read the folder '%s'", dir);
    while (r == 0 && (entry = readdir(listing))) {
        char path[PATH_MAX];
        struct stat st;
        snprintf(path, sizeof path, "%.3000s/%.255s", dir, entry->d_name);
        /* A set below that cannot be used is one less: others may do. */
        struct error ignored = {0};
        if (entry->d_name[0] != '.' && stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
            folder_load(s, path, &ignored) < 0)
            fprintf(stderr, "coffer policy: left out: %s\n", ignored.text);
    }
    if (listing)
        closedir(listing);
    return r;
}

static const struct dcap_collateral *set_find(void *ctx, const struct vendor_platform *platform)
{
    struct try_sources *s = ctx;
    const struct dcap_collateral *best = NULL;
    bool best_good = false;
    for (unsigned i = 0; i < s->set_count; i++) {
        const struct dcap_collateral *one = s->sets[i];
        if (!dcap_collateral_fits(one, platform->tee, platform->fmspc, platform->processor_ca))
            continue;
        bool good = dcap_collateral_judge(one, s->at_s) == DCAP_FAULT_NONE;
        if (!best || (good && !best_good) ||
            (good == best_good && dcap_collateral_newer(one, best))) {
            best = one;
            best_good = good;
        }
    }
    return best;
}

static int certificates_add(void *ctx, const struct snp_report *report,
                            struct snp_certificates *all)
{
    struct try_sources *s = ctx;
    (void)report;
    return snp_certificates_share(&s->amd, all);
}

static int64_t time_at(void *ctx)
{
    const struct try_sources *s = ctx;
    return s->at_s;
}

static int evidence_of(const struct policy_options *o, struct evidence *ret,
                       struct refusal *refusal, struct error *e)
{
    SCOPED(sources_done)
    struct try_sources s = {.vendor = {.intel_root = dcap_intel_root,
                                       .amd_roots = &snp_amd_roots,
                                       .dcap = set_find,
                                       .snp = certificates_add,
                                       .now_s = time_at}};
    SCOPED(buf_done) struct buf record = {0};
    s.vendor.ctx = &s;
    int r = attest_time_of(o->at, &s.at_s, e);
    if (r == 0)
        r = attest_record_read(o->evidence, EVIDENCE_MAX, &record, e);
    if (r == 0 && o->collateral)
        r = sources_load(&s, o->collateral, e);
    if (r < 0)
        return r;
    r = evidence_verify(buf_slice(&record), ret);
    if (r == -EOPNOTSUPP || r == -EBADMSG)
        r = vendor_verify(&s.vendor, buf_slice(&record), ret, refusal);
    if (r == -EKEYREJECTED)
        return refusal_set(refusal, REFUSAL_EVIDENCE_SIGNATURE, "evidence", 0, NULL, NULL);
    return r;
}

static void refusal_print(const struct refusal *f, const char *path)
{
    printf("refused: %s: %s\n", refusal_code(f->reason), refusal_message(f->reason));
    if (f->clause[0] && f->line)
        printf("clause   %s, %s line %u\n", f->clause, path, f->line);
    else if (f->clause[0])
        printf("clause   %s\n", f->clause);
    if (f->expected[0])
        printf("expected %s\n", f->expected);
    if (f->seen[0])
        printf("seen     %s\n", f->seen);
    printf("to do    %s\n", refusal_remedy(f->reason));
}

int policy_try(const struct policy_options *o, const char *path, struct error *e)
{
    SCOPED(buf_done) struct buf text = {0};
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct evidence ev = {0};
    struct refusal refusal = {0};
    int r = policy_file_read(path, &text, e);
    if (r == 0)
        r = policy_parse_service(buf_slice(&text), o->service, &policy, e);
    if (r < 0)
        return error_prefix(e, r == -EINVAL ? -EBADMSG : r, "'%s'", path);
    if (!policy->service && policy->service_count > 0)
        return error_set(e, -EINVAL, "'%s' has services: name one with --service", path);
    r = evidence_of(o, &ev, &refusal, e);
    if (r < 0 && r != -EACCES)
        return r;
    if (r == 0) {
        /* Which simulated devices are believed is the key broker's manifest's to say. */
        memcpy(policy->who.device.digest[0], ev.device, sizeof ev.device);
        policy->who.device.count = 1;
        r = appraise(&policy->who, &ev, &refusal);
    }
    if (r == 0)
        puts(ev.tee == TEE_SIM ? "allowed, by a key broker that trusts its simulated device"
                               : "allowed");
    else
        refusal_print(&refusal, path);
    return r == 0 ? 0 : 1;
}
