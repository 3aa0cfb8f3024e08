/* SPDX-License-Identifier: Apache-2.0 */
/* attest/refusal.h: why something was refused, in words a person can act on and in a code that
 * never changes its meaning. The owner and the log get all of it; a peer gets what it may know:
 * code, clause, what it showed itself and what to do, but not what would have been accepted. */
#ifndef COFFER_ATTEST_REFUSAL_H
#define COFFER_ATTEST_REFUSAL_H

#include "base/buf.h"
#include "base/error.h"

/* M(id, code, message, what to do) */
#define REFUSALS(M)                                                                                \
    M(EVIDENCE_ABSENT, "EVIDENCE_ABSENT", "the peer presented no evidence",                        \
      "connect with an attested runtime; a client certificate alone is not enough here")           \
    M(EVIDENCE_MALFORMED, "EVIDENCE_MALFORMED", "the evidence cannot be read",                     \
      "use a runtime of the same release as the key broker")                                       \
    M(EVIDENCE_KIND, "EVIDENCE_KIND_UNKNOWN", "this kind of evidence is not known here",           \
      "use a TEE that this key broker verifies, or upgrade the key broker")                        \
    M(EVIDENCE_SIGNATURE, "EVIDENCE_SIGNATURE", "the evidence is not signed by its device",        \
      "somebody has changed the evidence; look at the machine it came from")                       \
    M(EVIDENCE_BINDING, "EVIDENCE_BINDING", "the evidence is not bound to this connection's key",  \
      "somebody passes on evidence of another process; look at the machine it came from")          \
    M(EVIDENCE_STALE, "EVIDENCE_STALE", "the evidence does not answer this connection's nonce",    \
      "evidence is good for one handshake; connect again")                                         \
    M(TEE, "TEE_REFUSED", "this kind of TEE is not allowed",                                       \
      "run on a TEE that the policy names, or add it to the policy's `tee`")                       \
    M(DEBUG, "DEBUG_REFUSED", "the process can be debugged by its host",                           \
      "run without debug, or set `allow_debug: true` in the policy")                               \
    M(DEVICE, "DEVICE_REFUSED", "this simulated device is not trusted",                            \
      "add the device to the key broker's manifest (`sim_devices`), or use the same device file")  \
    M(RUNTIME, "RUNTIME_REFUSED", "this runtime's measurement is not allowed",                     \
      "use a runtime that the policy names, or add this measurement to `runtime.measurements`")    \
    M(PROGRAM, "PROGRAM_REFUSED", "this program's measurement is not allowed",                     \
      "run the program that the policy names, or add this measurement to `program.measurements`")  \
    M(SIGNER, "SIGNER_REFUSED", "this program's signer is not allowed",                            \
      "run a program signed by a signer that the policy names")                                    \
    M(CONFIG, "CONFIG_REFUSED", "it was started with another manifest",                            \
      "start it with the expected manifest, or accept the new one")                                \
    M(SVN, "SVN_TOO_LOW", "the program's security version is too old",                             \
      "upgrade the program, or lower `program.svn_min` in the policy")                             \
    M(TENANT, "TENANT_UNKNOWN", "there is no such tenant",                                         \
      "check the name; the operator reserves it with `coffer tenant add`")                         \
    M(POLICY, "POLICY_UNKNOWN", "there is no such policy",                                         \
      "check the name; the owner puts it with `coffer policy put`")                                \
    M(POLICY_REVOKED, "POLICY_REVOKED", "the owner has revoked this policy",                       \
      "the owner may put a new policy that replaces it")                                           \
    M(POLICY_INVALID, "POLICY_INVALID", "the policy cannot be accepted",                           \
      "correct the line named and put the policy again")                                           \
    M(POLICY_CONFLICT, "POLICY_CONFLICT", "the policy has changed since it was read",              \
      "read the policy again, apply the change to it, and name its hash in `replaces`")            \
    M(POLICY_SIGNATURE, "POLICY_SIGNATURE", "the policy is not signed by its owner",               \
      "sign exactly the bytes that are put, with the key whose certificate owns the tenant")       \
    M(TENANT_TAKEN, "TENANT_TAKEN", "this name is taken", "choose another name")                   \
    M(NOT_OPERATOR, "NOT_OPERATOR", "only an operator may do this",                                \
      "use a client certificate whose key the key broker's manifest names in `operators`")         \
    M(NOT_OWNER, "NOT_OWNER", "only the owner may do this",                                        \
      "use the client certificate with which the name was reserved")                               \
    M(SESSION, "SESSION_INVALID", "this session certificate is not good",                          \
      "attest again: session certificates are short-lived and bound to one policy")                \
    M(SECRET_MISSING, "SECRET_MISSING", "a secret that the policy needs was never given",          \
      "the owner gives it with `coffer policy secret`")                                            \
    M(SECRET_SPENT, "SECRET_SPENT", "this secret has been shown once and is not shown again",      \
      "if it was not you who saw it, change it now")                                               \
    M(VOLUME, "VOLUME_UNKNOWN", "the policy has no such volume", "check the policy's `volumes`")   \
    M(VOLUME_HELD, "VOLUME_HELD", "another process owns the volume",                               \
      "wait: its lease ends at the latest after the time given, or when it closes")                \
    M(VOLUME_FENCED, "VOLUME_FENCED", "a newer owner has opened the volume",                       \
      "stop: this process must not write any more")                                                \
    M(VOLUME_ROLLBACK, "VOLUME_ROLLBACK", "the report is older than what is known",                \
      "this state of the volume is old; look at the storage it came from")                         \
    M(REQUEST, "REQUEST_INVALID", "the request makes no sense", "see docs/policy.md for the API")  \
    M(LIMIT, "LIMIT_REACHED", "a limit has been reached", "remove something, or ask the operator") \
    M(INTERNAL, "INTERNAL", "the key broker failed", "see the key broker's log")

#define REFUSAL_ID(id, code, message, remedy) REFUSAL_##id,
enum refusal_reason { REFUSAL_NONE, REFUSALS(REFUSAL_ID) REFUSAL_COUNT };
#undef REFUSAL_ID

#define REFUSAL_VALUE_SIZE 160

/* Plain; starts as {0}. */
struct refusal {
    enum refusal_reason reason;
    char clause[64]; /* "program.measurements"; empty: none */
    unsigned line;   /* of the clause in its document; 0: none */
    char expected[REFUSAL_VALUE_SIZE];
    char seen[REFUSAL_VALUE_SIZE];
};

const char *refusal_code(enum refusal_reason reason);
const char *refusal_message(enum refusal_reason reason);
const char *refusal_remedy(enum refusal_reason reason);

/* Fills `refusal` (may be NULL) and returns -EACCES. Texts are cut to their room; NULL: none. */
int refusal_set(struct refusal *refusal, enum refusal_reason reason, const char *clause,
                unsigned line, const char *expected, const char *seen);

/* All of it as an error text. Returns -EACCES. */
int refusal_error(const struct refusal *refusal, struct error *e);

#endif
