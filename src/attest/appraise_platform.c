/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/appraise_platform.h"

#include "attest/date.h"
#include "attest/tcb_status.h"
#include "base/hex.h"

#include <errno.h>
#include <stdio.h>

static const char *const snp_names[EVIDENCE_SNP_VERSIONS] = {"boot_loader", "tee", "snp",
                                                             "microcode", "fmc"};

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* The values that would do, as many as fit. */
static void hex_list(const uint8_t *values, size_t stride, size_t size, unsigned count, char *text,
                     size_t room)
{
    size_t at = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        char hex[2 * EVIDENCE_CHIP_SIZE + 1];
        hex_encode(slice_of(values + i * stride, size), hex);
        if (at + 2 * size + 24 > room) {
            snprintf(text + at, room - at, " and %u more", count - i);
            return;
        }
        at += (size_t)snprintf(text + at, room - at, "%s%s", i ? " " : "", hex);
    }
}

static int digests_judge(const struct who_digests384 *set, const uint8_t *seen,
                         enum refusal_reason reason, const char *clause, struct refusal *ret)
{
    char expected[REFUSAL_VALUE_SIZE], hex[2 * EVIDENCE_MEASUREMENT_SIZE + 1];
    for (unsigned i = 0; i < set->count; i++)
        if (memcmp(set->digest[i], seen, EVIDENCE_MEASUREMENT_SIZE) == 0)
            return 0;
    if (set->count == 0)
        return 0;
    hex_list(set->digest[0], EVIDENCE_MEASUREMENT_SIZE, EVIDENCE_MEASUREMENT_SIZE, set->count,
             expected, sizeof expected);
    hex_encode(slice_of(seen, EVIDENCE_MEASUREMENT_SIZE), hex);
    return refusal_set(ret, reason, clause, set->line, expected, hex);
}

/* A virtual machine's evidence says nothing as long as nobody says which image: any machine of that
 * kind could name any launcher. TDX measures the firmware alone in MRTD; kernel and command line are
 * in RTMR 1 and 2. */
static int image_named(const struct who_platform *who, const struct evidence *ev,
                       struct refusal *ret)
{
    const char *missing = NULL;
    if (ev->tee == TEE_SGX)
        return 0;
    if (who->measurement.count == 0)
        missing = "platform.measurements";
    else if (ev->tee == TEE_TDX && who->rtmr[1].count == 0)
        missing = "platform.rtmr1";
    else if (ev->tee == TEE_TDX && who->rtmr[2].count == 0)
        missing = "platform.rtmr2";
    if (!missing)
        return 0;
    return refusal_set(ret, REFUSAL_IMAGE_UNPINNED, missing, who->line, "at least one digest",
                       "none in the policy");
}

static int image_judge(const struct who_platform *who, const struct evidence *ev,
                       struct refusal *ret)
{
    static const char *const registers[EVIDENCE_RTMRS] = {"platform.rtmr0", "platform.rtmr1",
                                                          "platform.rtmr2", "platform.rtmr3"};
    const struct evidence_platform *p = &ev->platform;
    uint8_t host_data[EVIDENCE_MEASUREMENT_SIZE] = {0};
    int r = image_named(who, ev, ret);
    if (r < 0 || ev->tee == TEE_SGX)
        return r;
    memcpy(host_data, p->host_data, sizeof p->host_data);
    r = digests_judge(&who->measurement, p->measurement, REFUSAL_IMAGE, "platform.measurements",
                      ret);
    for (unsigned i = 0; r == 0 && i < EVIDENCE_RTMRS && ev->tee == TEE_TDX; i++)
        r = digests_judge(&who->rtmr[i], p->rtmr[i], REFUSAL_RTMR, registers[i], ret);
    if (r == 0 && ev->tee == TEE_TDX)
        r = digests_judge(&who->config_id, p->config_id, REFUSAL_HOST_DATA, "platform.config_id",
                          ret);
    if (r < 0 || ev->tee != TEE_SNP)
        return r;
    r = digests_judge(&who->host_data, host_data, REFUSAL_HOST_DATA, "platform.host_data", ret);
    if (r == 0)
        r = digests_judge(&who->id_key, p->id_key, REFUSAL_IMAGE_SIGNER, "platform.id_keys", ret);
    if (r == 0)
        r = digests_judge(&who->author_key, p->author_key, REFUSAL_IMAGE_SIGNER,
                          "platform.author_keys", ret);
    return r;
}

static int chips_judge(const struct who_platform *who, const struct evidence_platform *p,
                       struct refusal *ret)
{
    char hex[2 * EVIDENCE_CHIP_SIZE + 1], expected[REFUSAL_VALUE_SIZE];
    const struct who_chips *chips = &who->chips;
    for (unsigned i = 0; i < chips->count; i++) {
        /* A shorter id, as Turin has, is followed by zeros in the report. */
        bool same = chips->size[i] <= p->chip_size &&
                    memcmp(chips->id[i], p->chip, chips->size[i]) == 0 &&
                    is_zero(p->chip + chips->size[i], p->chip_size - chips->size[i]);
        if (same && !is_zero(chips->id[i], chips->size[i]))
            return 0;
    }
    if (chips->count == 0)
        return 0;
    hex_list(chips->id[0], EVIDENCE_CHIP_SIZE, chips->size[0], 1, expected, sizeof expected);
    hex_encode(slice_of(p->chip, p->chip_size), hex);
    return refusal_set(ret, REFUSAL_CHIP, "platform.chips", chips->line, expected,
                       is_zero(p->chip, p->chip_size) ? "masked" : hex);
}

static int status_judge(const struct who_platform *who, const struct evidence_platform *p,
                        struct refusal *ret)
{
    unsigned allowed = who->statuses ? who->statuses : 1u << TCB_UP_TO_DATE;
    char expected[REFUSAL_VALUE_SIZE] = "";
    /* Whatever a policy says: a revoked platform proves nothing. */
    if (p->tcb == TCB_REVOKED || p->tcb == TCB_NONE)
        return refusal_set(ret, REFUSAL_PLATFORM_REVOKED, "platform.tcb.statuses",
                           who->statuses_line, NULL, tcb_status_name(p->tcb));
    if (allowed & 1u << p->tcb)
        return 0;
    for (unsigned i = TCB_NONE + 1; i < TCB_STATUS_COUNT; i++)
        if (allowed & 1u << i)
            snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s%s",
                     expected[0] ? ", " : "", tcb_status_name((enum tcb_status)i));
    return refusal_set(ret, REFUSAL_TCB_STATUS, "platform.tcb.statuses", who->statuses_line,
                       expected, tcb_status_name(p->tcb));
}

static bool advisory_is_tolerated(const struct who_platform *who, const char *name)
{
    for (unsigned i = 0; i < who->advisory_count; i++)
        if (strcmp(who->advisories[i], name) == 0)
            return true;
    return false;
}

/* All that are not tolerated are said at once: nobody wants to learn them one by one. What Intel calls
 * up to date needs no tolerance, whatever it lists beside it. */
static int advisories_judge(const struct who_platform *who, const struct evidence_platform *p,
                            struct refusal *ret)
{
    char seen[REFUSAL_VALUE_SIZE] = "";
    if (p->tcb == TCB_UP_TO_DATE)
        return 0;
    for (unsigned i = 0; i < p->advisory_count; i++)
        if (!advisory_is_tolerated(who, p->advisories[i]))
            snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s%s", seen[0] ? " " : "",
                     p->advisories[i]);
    if (p->advisories_cut && !seen[0])
        snprintf(seen, sizeof seen, "more advisories than can be judged");
    return seen[0] ? refusal_set(ret, REFUSAL_TCB_ADVISORY, "platform.tcb.advisories",
                                 who->advisories_line, NULL, seen)
                   : 0;
}

static int age_judge(const struct who_platform *who, const struct evidence_platform *p,
                     struct refusal *ret)
{
    char expected[REFUSAL_VALUE_SIZE], seen[REFUSAL_VALUE_SIZE], date[DATE_TEXT_SIZE];
    if (p->tcb_date_s < who->date_min_s) {
        date_write(who->date_min_s, date);
        snprintf(expected, sizeof expected, "from %s on", date);
        date_write(p->tcb_date_s, seen);
        return refusal_set(ret, REFUSAL_TCB_OLD, "platform.tcb.date_min", who->date_min_line,
                           expected, seen);
    }
    if (p->evaluation >= who->evaluation_min)
        return 0;
    snprintf(expected, sizeof expected, "at least %u", who->evaluation_min);
    snprintf(seen, sizeof seen, "%u", p->evaluation);
    return refusal_set(ret, REFUSAL_TCB_OLD, "platform.tcb.evaluation_min",
                       who->evaluation_min_line, expected, seen);
}

static int intel_judge(const struct who_platform *who, const struct evidence *ev,
                       struct refusal *ret)
{
    const struct evidence_platform *p = &ev->platform;
    int r = status_judge(who, p, ret);
    if (r == 0)
        r = advisories_judge(who, p, ret);
    if (r == 0)
        r = age_judge(who, p, ret);
    if (r < 0 || ev->tee != TEE_TDX)
        return r;
    if (p->sept_ve && !who->allow_sept_ve)
        return refusal_set(ret, REFUSAL_TD_ATTRIBUTES, "platform.allow_sept_ve", who->allow_line,
                           "SEPT_VE_DISABLE set", "not set");
    if (!is_zero(p->service_td, sizeof p->service_td) && who->service_td.count == 0)
        return refusal_set(ret, REFUSAL_TD_ATTRIBUTES, "platform.service_tds", who->line, "none",
                           "a service TD is bound");
    return digests_judge(&who->service_td, p->service_td, REFUSAL_TD_ATTRIBUTES,
                         "platform.service_tds", ret);
}

static int amd_judge(const struct who_platform *who, const struct evidence_platform *p,
                     struct refusal *ret)
{
    char clause[64], expected[32], seen[32];
    for (unsigned i = 0; i < EVIDENCE_SNP_VERSIONS; i++) {
        if (p->snp_versions[i] >= who->snp_min[i])
            continue;
        snprintf(clause, sizeof clause, "platform.snp_min.%s", snp_names[i]);
        snprintf(expected, sizeof expected, "at least %u", who->snp_min[i]);
        snprintf(seen, sizeof seen, "%u", p->snp_versions[i]);
        return refusal_set(ret, REFUSAL_TCB_OLD, clause, who->snp_min_line, expected, seen);
    }
    if (p->vmpl > who->vmpl_max) {
        snprintf(expected, sizeof expected, "at most %u", who->vmpl_max);
        snprintf(seen, sizeof seen, "%u", p->vmpl);
        return refusal_set(ret, REFUSAL_VMPL, "platform.vmpl_max", who->vmpl_max_line, expected,
                           seen);
    }
    if (p->migration && !who->allow_migration)
        return refusal_set(ret, REFUSAL_MIGRATION, "platform.allow_migration", who->allow_line,
                           "false", "migration is allowed");
    if (who->require_revocation && !p->revocation_checked)
        return refusal_set(ret, REFUSAL_COLLATERAL_MISSING, "platform.require_revocation",
                           who->allow_line, NULL, "no revocation list of AMD's is known");
    return 0;
}

int appraise_platform(const struct who_platform *who, const struct evidence *ev,
                      struct refusal *ret)
{
    if (ev->tee == TEE_SIM)
        return 0;
    if (!ev->platform.present)
        return refusal_set(ret, REFUSAL_EVIDENCE_PLATFORM, "platform", who->line, NULL,
                           "evidence without a platform");
    int r = image_judge(who, ev, ret);
    if (r == 0)
        r = chips_judge(who, &ev->platform, ret);
    if (r == 0)
        r = ev->tee == TEE_SNP ? amd_judge(who, &ev->platform, ret) : intel_judge(who, ev, ret);
    return r;
}

bool advisory_name_is_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < EVIDENCE_ADVISORY_SIZE &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == len;
}
