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
    M(EVIDENCE_CHAIN, "EVIDENCE_CHAIN", "the platform's certificates do not lead to its vendor",   \
      "the platform's certificates are of no vendor's, or have expired: provision it again")       \
    M(EVIDENCE_PLATFORM, "EVIDENCE_PLATFORM", "the vendor's evidence contradicts itself",          \
      "`coffer attest verify FILE --collateral DIR` says which check failed")                      \
    M(LAUNCHER_BINDING, "LAUNCHER_BINDING", "the machine's report does not name this launcher",    \
      "somebody passes on a report of another machine; look at the machine it came from")          \
    M(PLATFORM_REVOKED, "PLATFORM_REVOKED", "the vendor has revoked this platform",                \
      "use another machine: nothing that this one says can be believed")                           \
    M(COLLATERAL_MISSING, "COLLATERAL_MISSING",                                                    \
      "the key broker has no statement of the vendor about this platform",                         \
      "fetch it into the key broker's collateral directory: `coffer attest collateral`")           \
    M(COLLATERAL_EXPIRED, "COLLATERAL_EXPIRED", "the vendor's statements are too old, or too new", \
      "refresh them: `coffer attest collateral --refresh`; check the key broker's clock")          \
    M(TCB_STATUS, "TCB_STATUS_REFUSED", "the platform's security status is not tolerated",         \
      "update the platform, or name the status in `platform.tcb.statuses`")                        \
    M(TCB_ADVISORY, "TCB_ADVISORY_REFUSED", "security advisories of the platform are open",        \
      "update the platform, or name them in `platform.tcb.advisories`")                            \
    M(TCB_OLD, "TCB_TOO_OLD", "the platform's versions are too old",                               \
      "update the platform, or lower the bound in the policy's `platform`")                        \
    M(IMAGE_UNPINNED, "IMAGE_UNPINNED", "the policy does not say which virtual machine image",     \
      "name it: for SEV-SNP `platform.measurements`, for TDX also `rtmr1` and `rtmr2`")            \
    M(IMAGE, "IMAGE_REFUSED", "this virtual machine image is not allowed",                         \
      "use an image that the policy names, or add this one to `platform.measurements`")            \
    M(RTMR, "RTMR_REFUSED", "this machine booted something else",                                  \
      "compare its boot log (`coffer attest verify --event-log`), or add the value to the policy") \
    M(IMAGE_SIGNER, "IMAGE_SIGNER_REFUSED", "this image's signer is not allowed",                  \
      "use an image signed by a key that `platform.id_keys` and `author_keys` name")               \
    M(HOST_DATA, "HOST_DATA_REFUSED", "the machine was started with another configuration",        \
      "start it with the data that `platform.host_data` or `config_id` names")                     \
    M(CHIP, "PLATFORM_REFUSED", "this machine is not allowed",                                     \
      "use a machine that the policy names, or add its id to `platform.chips`")                    \
    M(TD_ATTRIBUTES, "TD_ATTRIBUTES_REFUSED", "this trust domain's attributes are not allowed",    \
      "start it with SEPT_VE_DISABLE and without a service TD, or tolerate that in the policy")    \
    M(VMPL, "VMPL_REFUSED", "the report comes from a less privileged level",                       \
      "ask for the report at VMPL 0, or raise `platform.vmpl_max`")                                \
    M(MIGRATION, "MIGRATION_REFUSED", "this machine may be migrated by an agent",                  \
      "start it without a migration agent, or set `platform.allow_migration: true`")               \
    M(PRODUCT, "PRODUCT_REFUSED", "this enclave is another product of its signer",                 \
      "run the enclave whose ISVPRODID is `program.product`")                                      \
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
    M(SERVICE, "SERVICE_UNKNOWN", "the policy has no such service",                                \
      "name one of the policy's `services`, as POLICY:SERVICE")                                    \
    M(APPROVAL_MISSING, "APPROVAL_MISSING", "not enough of those who must agree have agreed",      \
      "let them sign with `coffer policy approve`, and put the policy with their approvals")       \
    M(APPROVAL_INVALID, "APPROVAL_INVALID", "an approval is for something else, or not signed",    \
      "an approval is good for one change from one state: let it be signed again")                 \
    M(TOTP, "TOTP_REFUSED", "this one-time code is not good",                                      \
      "show the newest code, each only once; enroll with `coffer policy totp`")                    \
    M(IMPORT_CHANGED, "IMPORT_CHANGED", "the policy that is imported from has changed",            \
      "look at what has changed, and name its new hash in `import.hash`")                          \
    M(NOT_EXPORTED, "NOT_EXPORTED", "what is imported is not exported to this policy",             \
      "its owner lists this policy in its `export`")                                               \
    M(VOLUME, "VOLUME_UNKNOWN", "the policy has no such volume", "check the policy's `volumes`")   \
    M(VOLUME_HELD, "VOLUME_HELD", "another process owns the volume",                               \
      "wait: its lease ends at the latest after the time given, or when it closes")                \
    M(VOLUME_FENCED, "VOLUME_FENCED", "a newer owner has opened the volume",                       \
      "stop: this process must not write any more")                                                \
    M(VOLUME_ROLLBACK, "VOLUME_ROLLBACK", "the report is older than what is known",                \
      "this state of the volume is old; look at the storage it came from")                         \
    M(ERASE_KEY_GONE, "ERASE_KEY_GONE", "this erase key has been destroyed, or never was",         \
      "what lay under it was erased for good; look at the storage the volume came from")           \
    M(LOCKED, "LOCKED", "the key broker waits for somebody who knows its newest state",            \
      "a confirmer named in its manifest runs `coffer kbs unlock --head FILE`")                    \
    M(STATE_OLD, "STATE_OLD", "the key broker's state is older than one that was seen before",     \
      "somebody put back an older disk: start it on the newest one, or `coffer kbs unlock "        \
      "--accept`")                                                                                 \
    M(NOT_HOLDER, "NOT_HOLDER", "this key is not the one that the manifest names here",            \
      "give the holders' certificates in the order of the manifest's `holders`")                   \
    M(STANDBY, "STANDBY", "this key broker is the standby",                                        \
      "ask the active one; if that is lost: `coffer kbs promote`")                                 \
    M(PEER_ABSENT, "PEER_ABSENT", "the standby does not agree, so nothing was done",               \
      "ask again; bring the standby back, or promote it: `coffer kbs promote`")                    \
    M(PEER_STALE, "PEER_STALE", "a message of another epoch or role of two key brokers",           \
      "look at both with `coffer kbs info`; the one in the higher epoch is the active one")        \
    M(CONNECTION_OLD, "CONNECTION_OLD",                                                            \
      "this connection was proved too long ago: nothing was done", "connect again, and ask again") \
    M(NOT_CONFIRMER, "NOT_CONFIRMER", "only a confirmer may do this",                              \
      "use a client certificate whose key the manifest names in `confirmers`")                     \
    M(REQUEST, "REQUEST_INVALID", "the request makes no sense", "see docs/kbs-api.md")             \
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
