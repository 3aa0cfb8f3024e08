/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/call.h: what the handlers of the API share. A handler returns 0, or a negative code after
 * call_refuse() (or without: then it is the key broker's own failure). */
#ifndef COFFER_KBS_CALL_H
#define COFFER_KBS_CALL_H

#include "kbs/kbs.h"

typedef int call_fn(struct kbs_call *call);

call_fn call_info, call_tenant_add, call_tenant_list;                            /* call_admin.c */
call_fn call_policy_put, call_policy_get, call_policy_check, call_policy_revoke; /* call_policy.c */
call_fn call_secret_reveal, call_secret_give, call_audit;
call_fn call_totp_enroll;                                        /* call_access.c */
call_fn call_backup, call_shares, call_volume_recovery;          /* call_recovery.c */
call_fn call_unlock;                                             /* call_state.c */
call_fn call_result;                                             /* call_result.c */
call_fn call_provision;                                          /* call_provision.c */
call_fn call_volume_open, call_volume_report, call_volume_close; /* call_volume.c */
call_fn call_volume_erase_key, call_volume_erase_drop, call_volume_order, call_volume_ordered,
    call_volume_done; /* call_volume_keys.c */

/* Returns -EACCES. */
int call_refuse(struct kbs_call *call, enum refusal_reason reason, const char *clause,
                const char *expected, const char *seen);
/* REQUEST_INVALID about one member of the request. */
int call_bad_request(struct kbs_call *call, const char *member, const char *expected);

/* A text member of the request, at most `size_max` bytes, without NUL. */
must_check int call_text(struct kbs_call *call, const char *member, size_t size_max,
                         const char **ret_text);
/* The same, as a name (policy_name_is_valid()). */
must_check int call_name(struct kbs_call *call, const char *member, const char **ret_name);
/* The same for a policy's name, with its namespaces. */
must_check int call_policy_name(struct kbs_call *call, const char *member, const char **ret_name);
must_check int call_hex(struct kbs_call *call, const char *member, void *bytes, size_t size);
must_check int call_uint(struct kbs_call *call, const char *member, uint64_t *ret_n);

/* Adds to an object; -ENOMEM. Takes `value`, also NULL. */
must_check int call_put(json_t *object, const char *key, json_t *value);
json_t *call_json_hex(struct slice bytes);
json_t *call_json_base64(struct slice bytes);

/* 0 if the peer is an operator; if it is the owner of `tenant`, which is returned. */
must_check int call_operator(struct kbs_call *call);
must_check int call_owner(struct kbs_call *call, const char *tenant, struct store_tenant *ret);

/* 0 if the peer is a confirmer of the manifest. */
must_check int call_confirmer(struct kbs_call *call);

/* The policy, as stored and parsed, not revoked; or one service of it. */
must_check int call_policy_load(struct kbs_call *call, const char *tenant, const char *name,
                                const char *service, struct policy **ret_policy);
/* The peer has shown evidence of a kind that is believed here at all. */
must_check int call_attested(struct kbs_call *call);
/* The policy, or the service of it, that the members `policy` and `service` name. */
must_check int call_service_load(struct kbs_call *call, const char *tenant,
                                 struct policy **ret_policy);
/* Does the policy let the peer's evidence in? */
must_check int call_appraise(struct kbs_call *call, struct policy *policy);

/* Where something is imported from: that policy, if it exports to `policy` and is the one that the
 * import pins. `exports` finds what the thing's own list says; NULL: no such thing there. */
typedef const struct policy_export *import_exports_fn(const struct policy *from, const char *name,
                                                      unsigned *ret_count, bool *ret_known);
must_check int call_import_load(struct kbs_call *call, const struct policy *policy,
                                const struct policy_import *import, import_exports_fn *exports,
                                struct policy **ret_from);

/* Something that must be agreed with, and by whom. */
struct access_request {
    const char *right;  /* "read", "update", "create": of `access` */
    const char *action; /* what the approvals say */
    const char *tenant, *policy;
    const char *replaces, *hash; /* hexadecimal, or "nothing" */
};
/* The text that approvals sign. */
must_check int access_statement(const struct access_request *request, struct buf *out);
/* Have those agreed whom `right` names (NULL: the owner)? */
must_check int access_check(struct kbs_call *call, const struct access_request *request,
                            const struct policy_approval *right, const struct store_tenant *tenant);
/* -EKEYREJECTED. */
must_check int access_signature_verify(EVP_PKEY *key, struct slice message, struct slice signature);

/* An audit entry in the same transaction. `event` is a format of a JSON object's members. */
must_check int kbs_audit(struct kbs *kbs, const char *event, const char *tenant, const char *policy,
                         const char *detail);

/* The policy that a volume is imported from; *ret_from stays NULL for our own. */
must_check int volume_source(struct kbs_call *call, const struct policy *policy,
                             const struct policy_volume *volume, struct policy **ret_from);

/* A volume that the peer's session may speak of: the member `id`. call_volume.c */
struct volume_call {
    struct store_session session;
    uint8_t id[STORE_VOLUME_ID_SIZE];
    char name[64];
    struct lease lease;
};
must_check int volume_call_load(struct kbs_call *call, struct volume_call *ret);

/* The erase keys and the open order of a volume, for its new owner: members `erase_keys` (of `keys`)
 * and `order`. call_volume_keys.c */
must_check int volume_keys_put(struct kbs_call *call, const uint8_t id[STORE_VOLUME_ID_SIZE],
                               json_t *entry);
must_check int volume_order_put(struct kbs_call *call, const uint8_t id[STORE_VOLUME_ID_SIZE],
                                json_t *entry);

struct lease_times kbs_lease_times(const struct kbs *kbs); /* call_volume.c */
/* Members epoch, sequence and tag. */
/* The head, and for how long nobody else is let in. */
must_check int call_put_lease(const struct kbs *kbs, json_t *object, const struct lease *lease);

/* How new the state is, as others remember it: object with commits, sequence and hash. */
must_check int call_put_state(struct kbs_call *call, const char *key);
/* Does the member `witness`, if there is one, know a newer state than ours? Then we are an old copy:
 * everything is locked from here on. */
must_check int call_witness(struct kbs_call *call);

/* The value of a secret: found, imported, or generated and kept. In call_secret.c. */
must_check int secret_value(struct kbs_call *call, const struct policy *policy, const char *name,
                            struct buf *ret_value);
/* 0 if `value` is of that kind; -EINVAL. */
must_check int secret_check(const struct policy_secret *secret, struct slice value);

#endif
