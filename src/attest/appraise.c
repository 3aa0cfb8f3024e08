/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/appraise.h"

#include "base/hex.h"

#include <errno.h>
#include <stdio.h>

/* "sha256:HEX" of as many as fit, then how many more. */
static void digests_text(const struct who_digests *set, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < set->count; i++) {
        char hex[2 * EVIDENCE_DIGEST_SIZE + 1];
        hex_encode(slice_of(set->digest[i], EVIDENCE_DIGEST_SIZE), hex);
        if (at + sizeof hex + 24 > size) {
            snprintf(text + at, size - at, " and %u more", set->count - i);
            return;
        }
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? " " : "", hex);
    }
}

static int digests_match(const struct who_digests *set, const uint8_t *seen,
                         enum refusal_reason reason, const char *clause, struct refusal *ret)
{
    char expected[REFUSAL_VALUE_SIZE], hex[2 * EVIDENCE_DIGEST_SIZE + 1];
    for (unsigned i = 0; i < set->count; i++)
        if (memcmp(set->digest[i], seen, EVIDENCE_DIGEST_SIZE) == 0)
            return 0;
    digests_text(set, expected, sizeof expected);
    hex_encode(slice_of(seen, EVIDENCE_DIGEST_SIZE), hex);
    return refusal_set(ret, reason, clause, set->line, expected, hex);
}

static int digests_appraise(const struct who_digests *set, const uint8_t *seen,
                            enum refusal_reason reason, const char *clause, struct refusal *ret)
{
    return set->count == 0 ? 0 : digests_match(set, seen, reason, clause, ret);
}

static int tee_appraise(const struct who *who, const struct evidence *ev, struct refusal *ret)
{
    char expected[64] = "";
    if ((unsigned)ev->tee < TEE_COUNT && (who->tees & 1u << ev->tee) != 0)
        return 0;
    for (unsigned i = 0; i < TEE_COUNT; i++)
        if ((who->tees & 1u << i) != 0)
            snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s%s",
                     expected[0] ? ", " : "", tee_name((enum tee)i));
    return refusal_set(ret, REFUSAL_TEE, "tee", who->tees_line, expected, tee_name(ev->tee));
}

static int svn_appraise(const struct who *who, const struct evidence *ev, struct refusal *ret)
{
    char expected[32], seen[32];
    if (ev->svn >= who->svn_min)
        return 0;
    snprintf(expected, sizeof expected, "at least %u", who->svn_min);
    snprintf(seen, sizeof seen, "%u", ev->svn);
    return refusal_set(ret, REFUSAL_SVN, "program.svn_min", who->svn_min_line, expected, seen);
}

static int product_appraise(const struct who *who, const struct evidence *ev, struct refusal *ret)
{
    char expected[32], seen[32];
    if (ev->tee != TEE_SGX || !who->product_line || who->product == ev->product)
        return 0;
    snprintf(expected, sizeof expected, "%d", who->product);
    snprintf(seen, sizeof seen, "%u", ev->product);
    return refusal_set(ret, REFUSAL_PRODUCT, "program.product", who->product_line, expected, seen);
}

/* One tier: the report speaks for the whole machine and for no program in it. Two: it speaks for a
 * launcher, which starts whatever it is asked to; so a policy must say what. */
static int program_named(const struct who *who, const struct evidence *ev, struct refusal *ret)
{
    if (!ev->platform.launched || who->program.count > 0 || who->signer.count > 0)
        return 0;
    return refusal_set(ret, REFUSAL_PROGRAM, "program.measurements", 0, "at least one",
                       "none in the policy");
}

int appraise(const struct who *who, const struct evidence *ev, struct refusal *ret)
{
    int r = tee_appraise(who, ev, ret);
    /* Anybody can make a simulated device: an empty list believes none, unlike the other lists. */
    if (r == 0 && ev->tee == TEE_SIM)
        r = digests_match(&who->device, ev->device, REFUSAL_DEVICE, "sim_devices", ret);
    if (r == 0 && ev->debug && !who->allow_debug)
        r = refusal_set(ret, REFUSAL_DEBUG, "allow_debug", who->allow_debug_line, "false", "debug");
    if (r == 0)
        r = digests_appraise(&who->runtime, ev->runtime, REFUSAL_RUNTIME, "runtime.measurements",
                             ret);
    if (r == 0)
        r = digests_appraise(&who->program, ev->program, REFUSAL_PROGRAM, "program.measurements",
                             ret);
    if (r == 0)
        r = digests_appraise(&who->signer, ev->signer, REFUSAL_SIGNER, "program.signers", ret);
    if (r == 0)
        r = digests_appraise(&who->config, ev->config, REFUSAL_CONFIG, "program.config", ret);
    if (r == 0)
        r = product_appraise(who, ev, ret);
    if (r == 0)
        r = svn_appraise(who, ev, ret);
    if (r == 0)
        r = program_named(who, ev, ret);
    if (r == 0)
        r = appraise_platform(&who->platform, ev, ret);
    return r;
}
