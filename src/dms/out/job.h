/* SPDX-License-Identifier: Apache-2.0 */
/* dms/out/job.h: what coffer-dms-out is asked for: a JSON object on its standard input, the answer as a
 * JSON object on its standard output. One job per process. */
#ifndef COFFER_DMS_OUT_JOB_H
#define COFFER_DMS_OUT_JOB_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

/* A kind of job: 0 and *ret_answer (the caller's), or -errno and why. */
typedef int job_fn(const json_t *job, json_t **ret_answer, struct error *e);

/* {method, url, origin, address?, ca_file?, plain?, headers?: ["Name: value"], body?, size_max?,
 * time_ms?} -> {status, type, body} with the answer's body in base64. */
job_fn job_fetch;

/* OpenID Connect: what the provider says of itself and, with a code, who has signed in there.
 * {issuer, client_id, client_secret?, redirect_uri, ca_file?, address?, origins: [], algorithms: [],
 * max_age_s?, userinfo?, metadata?, jwks?, now_s, exchange?: {code, verifier, nonce}}
 * -> {metadata, jwks, claims?}. What is in `metadata` and `jwks` already is not asked for again, but for
 * keys when the token's is not among them. -EPERM: the provider does not take the code; -EKEYREJECTED,
 * -ENOKEY, -EBADMSG, -EACCES, -EFBIG: what it says cannot be believed; others: it was not reached. */
job_fn job_openid;

/* The value of a member that is text, or `fallback` where it is missing; *ok becomes false if it is
 * something else or has a NUL. */
const char *job_text(const json_t *job, const char *name, const char *fallback, bool *ok);
int64_t job_int(const json_t *job, const char *name, int64_t fallback, bool *ok);

static inline void json_donep(json_t **json)
{
    json_decref(*json);
}

#endif
