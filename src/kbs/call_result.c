/* SPDX-License-Identifier: Apache-2.0 */
/* What the key broker found, as a signed statement for other relying parties: an EAT attestation result
 * (EAR: draft-ietf-rats-ear) as a JSON Web Token. The numbers of the trustworthiness vector are those of
 * draft-ietf-rats-ar4si: 2 to 31 affirm, 32 to 95 warn, 96 to 127 contraindicate. */
#include "kbs/call.h"
#include "kbs/jwt.h"

#include "base/hex.h"

#include <errno.h>
#include <stdio.h>

#define EAR_PROFILE "tag:github.com,2023:veraison/ear"

enum {
    AFFIRMS = 2,
    WARNS = 32,
    CONTRADICTS = 96,
    UNRECOGNISED = 97,
    RESULT_VALID_S = 300,
    NONCE_TEXT_MAX = 128,
    CONTEXT_SIZE = 300,
};

static int hardware_of(const struct evidence *ev)
{
    if (ev->tee == TEE_SIM)
        return UNRECOGNISED;
    /* AMD's versions are the policy's to judge: what it let in is as good as it wants. */
    return ev->tee == TEE_SNP || ev->platform.tcb == TCB_UP_TO_DATE ? AFFIRMS : WARNS;
}

static int memory_of(const struct evidence *ev)
{
    return ev->tee == TEE_SIM || ev->debug ? CONTRADICTS : AFFIRMS;
}

static const char *status_of(const int *claims, size_t count)
{
    int worst = 0;
    for (size_t i = 0; i < count; i++)
        worst = claims[i] > worst ? claims[i] : worst;
    return worst >= CONTRADICTS ? "contraindicated" : worst >= WARNS ? "warning" : "affirming";
}

static json_t *submodule(const struct evidence *ev, const char *policy_id)
{
    char program[2 * EVIDENCE_DIGEST_SIZE + 1], runtime[2 * EVIDENCE_DIGEST_SIZE + 1],
        image[2 * EVIDENCE_MEASUREMENT_SIZE + 1];
    const int claims[] = {hardware_of(ev), AFFIRMS, memory_of(ev)};
    hex_encode(slice_of(ev->program, sizeof ev->program), program);
    hex_encode(slice_of(ev->runtime, sizeof ev->runtime), runtime);
    hex_encode(slice_of(ev->platform.measurement, sizeof ev->platform.measurement), image);
    json_t *coffer =
        json_pack("{s:s, s:b, s:s, s:s, s:i}", "tee", tee_name(ev->tee), "debug", ev->debug,
                  "program", program, "runtime", runtime, "svn", (int)ev->svn);
    if (coffer && ev->platform.present) {
        json_object_set_new(coffer, "image", json_string(image));
        if (ev->tee != TEE_SNP)
            json_object_set_new(coffer, "tcb_status",
                                json_string(tcb_status_name(ev->platform.tcb)));
    }
    return json_pack("{s:s, s:{s:i, s:i, s:i}, s:s, s:o*}", "ear.status",
                     status_of(claims, ARRAY_COUNT(claims)), "ear.trustworthiness-vector",
                     "hardware", claims[0], "executables", claims[1], "runtime-opaque", claims[2],
                     "ear.appraisal-policy-id", policy_id, "coffer.evidence", coffer);
}

static int result_sign(struct kbs_call *call, const struct policy *policy, const char *nonce)
{
    SCOPED(buf_done) struct buf token = {0};
    char policy_id[CONTEXT_SIZE], key[2 * SHA256_SIZE + 1];
    int64_t now = call->kbs->now_s();
    snprintf(policy_id, sizeof policy_id, "coffer:%s/%s%s%s", policy->tenant, policy->name,
             policy->service ? ":" : "", policy->service ? policy->service : "");
    hex_encode(slice_of(call->peer->key_hash, SHA256_SIZE), key);
    json_t *claims = json_pack(
        "{s:s, s:I, s:I, s:{s:s, s:s}, s:s*, s:{s:s}, s:{s:o*}}", "eat_profile", EAR_PROFILE, "iat",
        (json_int_t)now, "exp", (json_int_t)(now + RESULT_VALID_S), "ear.verifier-id", "developer",
        "Coffer", "build", call->kbs->manifest->domain, "eat_nonce", nonce, "cnf", "x5t-spki#S256",
        key, "submods", "coffer", submodule(&call->peer->evidence, policy_id));
    int r =
        claims ? jwt_sign(p256_pkey(call->kbs->audit_key), "JWT", NULL, claims, &token) : -ENOMEM;
    json_decref(claims);
    if (r == 0)
        r = call_put(call->out, "ear", json_stringn((const char *)token.bytes, token.size));
    return r < 0 ? r
                 : kbs_audit(call->kbs, "attestation result", policy->tenant, policy->name,
                             tee_name(call->peer->evidence.tee));
}

/* For who has evidence that a policy lets in: `tenant`, `policy`, and a relying party's `nonce`. */
int call_result(struct kbs_call *call)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    const char *tenant, *nonce = NULL;
    int r = call_attested(call);
    if (r == 0)
        r = call_name(call, "tenant", &tenant);
    if (r == 0)
        r = call_service_load(call, tenant, &policy);
    if (r == 0)
        r = call_appraise(call, policy);
    if (r == 0 && json_object_get(call->in, "nonce"))
        r = call_text(call, "nonce", NONCE_TEXT_MAX, &nonce);
    return r != 0 ? r : result_sign(call, policy, nonce);
}
