/* SPDX-License-Identifier: Apache-2.0 */
/* `platform`: which machines and images may run a policy's program. */
#include "policy/policy_internal.h"

#include "attest/date.h"
#include "attest/tcb_status.h"
#include "base/hex.h"

#include <errno.h>
#include <stdio.h>

static int hex_fixed(const struct yaml_node *n, const char *prefix, size_t size, const char *what,
                     uint8_t *ret, struct error *e)
{
    const char *text = NULL;
    int r = yaml_expect(n, YAML_SCALAR, what, e);
    if (r == 0)
        r = yaml_text(n, 200, what, &text, e);
    if (r < 0)
        return r;
    size_t len = strlen(prefix);
    if (strncmp(text, prefix, len) != 0 || hex_decode(slice_of_text(text + len), ret, size) < 0)
        return yaml_error(n, e, "'%s' must be %s and %zu hexadecimal digits", what, prefix,
                          2 * size);
    return 0;
}

static int digests(const struct yaml_node *list, const char *what, const char *prefix, size_t size,
                   struct who_digests384 *ret, struct error *e)
{
    if (!list)
        return 0;
    int r = policy_list(list, WHO_PLATFORM_MAX, what, e);
    if (r == 0 && list->count == 0)
        r = yaml_error(list, e, "'%s' is empty: leave it out, or name one", what);
    ret->line = list->line;
    for (const struct yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next)
        r = hex_fixed(n, prefix, size, what, ret->digest[ret->count++], e);
    return r;
}

/* 64 bytes of AMD's, or 8 on Turin; 16 of Intel's. */
static int chips(const struct yaml_node *list, struct who_chips *ret, struct error *e)
{
    if (!list)
        return 0;
    int r = policy_list(list, WHO_PLATFORM_MAX, "platform.chips", e);
    if (r == 0 && list->count == 0)
        r = yaml_error(list, e, "'platform.chips' is empty: leave it out, or name one");
    ret->line = list->line;
    for (const struct yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next) {
        const char *text = NULL;
        r = yaml_expect(n, YAML_SCALAR, "platform.chips", e);
        if (r == 0)
            r = yaml_text(n, 2 * EVIDENCE_CHIP_SIZE, "platform.chips", &text, e);
        if (r < 0)
            return r;
        size_t size = strlen(text) / 2;
        if ((size != 8 && size != 16 && size != 64) ||
            hex_decode(slice_of_text(text), ret->id[ret->count], size) < 0)
            return yaml_error(n, e,
                              "'platform.chips' has ids of 16, 32 or 128 hexadecimal "
                              "digits");
        ret->size[ret->count++] = size;
    }
    return r;
}

static int statuses(const struct yaml_node *list, struct who_platform *who, struct error *e)
{
    if (!list)
        return 0;
    int r = policy_list(list, TCB_STATUS_COUNT, "platform.tcb.statuses", e);
    if (r == 0 && list->count == 0)
        r = yaml_error(list, e, "'platform.tcb.statuses' is empty: nothing could run");
    who->statuses_line = list->line;
    for (const struct yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next) {
        enum tcb_status status = TCB_NONE;
        r = yaml_expect(n, YAML_SCALAR, "platform.tcb.statuses", e);
        if (r == 0 && tcb_status_parse(n->text, &status) < 0)
            r = yaml_error(n, e,
                           "there is no TCB status '%.40s'; there are UpToDate, "
                           "SWHardeningNeeded, ConfigurationNeeded, OutOfDate and others",
                           n->text);
        if (r == 0 && status == TCB_REVOKED)
            r = yaml_error(n, e, "a revoked platform is never tolerated");
        who->statuses |= 1u << status;
    }
    return r;
}

static int advisories(const struct yaml_node *list, struct who_platform *who, struct error *e)
{
    if (!list)
        return 0;
    int r = policy_list(list, EVIDENCE_ADVISORIES_MAX, "platform.tcb.advisories", e);
    who->advisories_line = list->line;
    for (const struct yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next) {
        r = yaml_expect(n, YAML_SCALAR, "platform.tcb.advisories", e);
        if (r == 0 && !advisory_name_is_valid(n->text))
            r = yaml_error(n, e, "'%.40s' is no name of an advisory, like INTEL-SA-00615", n->text);
        if (r == 0)
            snprintf(who->advisories[who->advisory_count++], EVIDENCE_ADVISORY_SIZE, "%s", n->text);
    }
    return r;
}

/* "2024-03-13". */
static int date(const struct yaml_node *n, const char *what, int64_t *ret_s, struct error *e)
{
    const char *text = NULL;
    int r = yaml_text(n, 10, what, &text, e);
    if (r < 0 || !text)
        return r;
    if (date_parse(text, ret_s) < 0)
        return yaml_error(n, e, "'%s' must be a date like 2024-03-13", what);
    return 0;
}

static int tcb(const struct yaml_node *map, struct who_platform *who, struct error *e)
{
    static const char *const keys[] = {"statuses", "advisories", "date_min", "evaluation_min",
                                       NULL};
    uint64_t evaluation = 0;
    if (!map)
        return 0;
    int r = yaml_expect_keys(map, keys, "platform.tcb", e);
    who->statuses_line = who->advisories_line = map->line;
    if (r == 0)
        r = statuses(yaml_get(map, "statuses"), who, e);
    if (r == 0)
        r = advisories(yaml_get(map, "advisories"), who, e);
    if (r == 0)
        r = date(yaml_get(map, "date_min"), "platform.tcb.date_min", &who->date_min_s, e);
    if (r == 0)
        r = yaml_uint(yaml_get(map, "evaluation_min"), 0, UINT32_MAX, "platform.tcb.evaluation_min",
                      &evaluation, e);
    who->evaluation_min = (uint32_t)evaluation;
    who->date_min_line = yaml_line(yaml_get(map, "date_min"));
    who->evaluation_min_line = yaml_line(yaml_get(map, "evaluation_min"));
    return r;
}

static int snp_min(const struct yaml_node *map, struct who_platform *who, struct error *e)
{
    static const char *const keys[EVIDENCE_SNP_VERSIONS + 1] = {"boot_loader", "tee", "snp",
                                                                "microcode",   "fmc", NULL};
    if (!map)
        return 0;
    int r = yaml_expect_keys(map, keys, "platform.snp_min", e);
    who->snp_min_line = map->line;
    for (unsigned i = 0; r == 0 && i < EVIDENCE_SNP_VERSIONS; i++) {
        uint64_t n = 0;
        r = yaml_uint(yaml_get(map, keys[i]), 0, 255, "platform.snp_min", &n, e);
        who->snp_min[i] = (uint8_t)n;
    }
    return r;
}

static int images(const struct yaml_node *map, struct who_platform *who, struct error *e)
{
    const struct {
        const char *key, *what, *prefix;
        size_t size;
        struct who_digests384 *set;
    } sets[] = {
        {"measurements", "platform.measurements", "sha384:", 48, &who->measurement},
        {"rtmr0", "platform.rtmr0", "sha384:", 48, &who->rtmr[0]},
        {"rtmr1", "platform.rtmr1", "sha384:", 48, &who->rtmr[1]},
        {"rtmr2", "platform.rtmr2", "sha384:", 48, &who->rtmr[2]},
        {"rtmr3", "platform.rtmr3", "sha384:", 48, &who->rtmr[3]},
        {"id_keys", "platform.id_keys", "sha384:", 48, &who->id_key},
        {"author_keys", "platform.author_keys", "sha384:", 48, &who->author_key},
        {"config_id", "platform.config_id", "hex:", 48, &who->config_id},
        {"service_tds", "platform.service_tds", "sha384:", 48, &who->service_td},
        {"host_data", "platform.host_data", "hex:", 32, &who->host_data},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(sets); i++)
        r = digests(yaml_get(map, sets[i].key), sets[i].what, sets[i].prefix, sets[i].size,
                    sets[i].set, e);
    return r;
}

int policy_platform(const struct yaml_node *map, struct who_platform *who, struct error *e)
{
    static const char *const keys[] = {"measurements",
                                       "rtmr0",
                                       "rtmr1",
                                       "rtmr2",
                                       "rtmr3",
                                       "id_keys",
                                       "author_keys",
                                       "config_id",
                                       "service_tds",
                                       "host_data",
                                       "chips",
                                       "tcb",
                                       "snp_min",
                                       "vmpl_max",
                                       "allow_migration",
                                       "allow_sept_ve",
                                       "require_revocation",
                                       NULL};
    uint64_t vmpl = 0;
    if (!map)
        return 0;
    int r = yaml_expect_keys(map, keys, "platform", e);
    who->line = who->allow_line = map->line;
    if (r == 0)
        r = images(map, who, e);
    if (r == 0)
        r = chips(yaml_get(map, "chips"), &who->chips, e);
    if (r == 0)
        r = tcb(yaml_get(map, "tcb"), who, e);
    if (r == 0)
        r = snp_min(yaml_get(map, "snp_min"), who, e);
    if (r == 0)
        r = yaml_uint(yaml_get(map, "vmpl_max"), 0, 3, "platform.vmpl_max", &vmpl, e);
    if (r == 0)
        r = yaml_bool(yaml_get(map, "allow_migration"), "platform.allow_migration",
                      &who->allow_migration, e);
    if (r == 0)
        r = yaml_bool(yaml_get(map, "allow_sept_ve"), "platform.allow_sept_ve", &who->allow_sept_ve,
                      e);
    if (r == 0)
        r = yaml_bool(yaml_get(map, "require_revocation"), "platform.require_revocation",
                      &who->require_revocation, e);
    who->vmpl_max = (unsigned)vmpl;
    who->vmpl_max_line = yaml_line(yaml_get(map, "vmpl_max"));
    return r;
}
