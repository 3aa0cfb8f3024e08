/* SPDX-License-Identifier: Apache-2.0 */
/* policy/policy.h: a policy as its owner wrote it: who may run, and with what. Parsing only; nothing
 * here decides or releases anything. docs/policy.md describes the language. Read by the key broker,
 * and by a runtime that is given a policy file. */
#ifndef COFFER_POLICY_POLICY_H
#define COFFER_POLICY_POLICY_H

#include "attest/appraise.h"
#include "base/arena.h"
#include "base/error.h"

#define POLICY_ARGUMENTS_MAX 64
#define POLICY_ENVIRONMENT_MAX 64
#define POLICY_VOLUMES_MAX 8
#define POLICY_FILES_MAX 200
#define POLICY_NETWORK_MAX 64
#define POLICY_SECRETS_MAX 64
#define POLICY_SECRET_FILES_MAX 64
#define POLICY_ALPN_MAX 8
#define POLICY_ALPN_SIZE_MAX 128 /* with commas between */
#define POLICY_NAMES_MAX 8
#define POLICY_EXPORTS_MAX 8
#define POLICY_PURGE_MAX 8
#define POLICY_CLAIMS_MAX 16
#define POLICY_SERVICES_MAX 16
#define POLICY_TOTP_MAX 8
#define POLICY_APPROVALS_MAX 16
#define POLICY_PATH_SIZE_MAX 120
#define POLICY_NAME_SIZE_MAX 40
#define POLICY_SECRET_SIZE_MAX 4096u

enum policy_volume_mode { POLICY_VOLUME_NONE, POLICY_VOLUME_PERIODIC, POLICY_VOLUME_STRICT };

/* Who may import something: that policy, of that tenant or (NULL) of the same one. */
struct policy_export {
    const char *tenant;
    const char *policy;
};

/* Where something comes from; `hash` pins the text of that policy. */
struct policy_import {
    const char *tenant; /* NULL: the same */
    const char *policy;
    const char *name; /* of the secret or volume there */
    bool has_hash;
    uint8_t hash[32];
};

struct policy_volume {
    const char *name;
    const char *mount; /* absolute, normalised */
    enum policy_volume_mode mode;
    struct policy_import import; /* policy NULL: it is ours */
    struct policy_export exports[POLICY_EXPORTS_MAX];
    unsigned export_count;
    /* Patterns of paths from the volume's root: what is deleted there is erased for good. NULL after
     * the last. */
    const char *purge[POLICY_PURGE_MAX + 1];
    unsigned purge_count;
    bool compress; /* when it is made; its sizes then tell of contents */
    unsigned line;
};

enum policy_file_class {
    POLICY_FILE_HOST,
    POLICY_FILE_AUTHENTICATED,
    POLICY_FILE_PRIVATE,
    POLICY_FILE_DENIED,
};

struct policy_file {
    const char *path;
    enum policy_file_class class;
    uint8_t digest[32]; /* for AUTHENTICATED */
    bool read_only;
};

enum policy_net_class {
    POLICY_NET_PLAIN,
    POLICY_NET_TLS,
    POLICY_NET_HANDOVER,
    POLICY_NET_DENIED,
};

enum policy_protocol { POLICY_TCP, POLICY_UDP, POLICY_UNIX };

struct policy_net {
    bool listen;
    enum policy_net_class class;
    enum policy_protocol protocol;
    const char *address; /* NULL: any; UNIX: path, "@NAME", or with a last '/' all below it */
    uint16_t port;       /* 0: any */
    const char *server_name;
    const char *trust; /* PEM */
};

struct policy_variable {
    const char *name;
    const char *value; /* may hold ${secret.NAME} */
};

enum policy_secret_kind {
    POLICY_SECRET_ASCII,
    POLICY_SECRET_BINARY,
    POLICY_SECRET_PRIVATE_KEY,
    POLICY_SECRET_CERTIFICATE,
    POLICY_SECRET_CA,  /* an authority: key and certificate; the key stays with the
                       key broker */
    POLICY_SECRET_JWT, /* a token, signed anew for each start */
};

enum policy_algorithm {
    POLICY_KEY_P256,
    POLICY_KEY_P384,
    POLICY_KEY_ED25519,
    POLICY_KEY_RSA_2048,
    POLICY_KEY_RSA_3072,
    POLICY_KEY_RSA_4096,
};

enum policy_secret_source {
    POLICY_SOURCE_GENERATE, /* by the key broker, at first use */
    POLICY_SOURCE_GIVEN,    /* by the owner */
    POLICY_SOURCE_IMPORT,   /* from another policy of the same tenant */
};

struct policy_secret {
    const char *name;
    enum policy_secret_kind kind;
    enum policy_secret_source source;
    uint64_t size;    /* of a generated ascii or binary one */
    bool reveal_once; /* the owner may read it, once */
    struct policy_import import;
    struct policy_export exports[POLICY_EXPORTS_MAX];
    unsigned export_count;
    enum policy_algorithm algorithm; /* of a generated PRIVATE_KEY or CA */
    const char *key;    /* generated CERTIFICATE, JWT: name of the private key's secret */
    const char *issuer; /* generated CERTIFICATE: name of a CA's secret; NULL: the
                         key broker's */
    const char *dns[POLICY_NAMES_MAX]; /* generated CERTIFICATE */
    unsigned dns_count;
    bool client;         /* generated CERTIFICATE: for clients too */
    uint64_t valid_days; /* generated CERTIFICATE, CA */
    uint64_t renew_days; /* generated CERTIFICATE: made anew at a start with no
                          more than that left */
    uint64_t valid_s;    /* JWT */
    struct policy_variable claims[POLICY_CLAIMS_MAX]; /* JWT */
    unsigned claim_count;
    unsigned line;
};

/* A read-only file in memory: a secret, or a text with references to secrets. */
struct policy_secret_file {
    const char *path;
    const char *secret;  /* NULL: `content` */
    const char *content; /* may hold ${secret.NAME} */
    uint32_t mode;
};

/* Who must agree, nested: one of these holds if its key has signed, its one-time code was shown, or
 * `require` of those below hold. */
enum policy_approval_kind {
    POLICY_APPROVAL_OWNER, /* the tenant's owner */
    POLICY_APPROVAL_KEY,
    POLICY_APPROVAL_TOTP,
    POLICY_APPROVAL_OF,
};

struct policy_approval {
    enum policy_approval_kind kind;
    uint8_t key[32];  /* SHA-256 of SubjectPublicKeyInfo */
    const char *totp; /* name in `totp` */
    unsigned require; /* of those below */
    struct policy_approval *of;
    unsigned of_count;
    unsigned line;
};

/* NULL: the owner alone. `create` is about policies named NAME/... */
struct policy_access {
    struct policy_approval *read, *update, *create;
};

struct policy {
    struct arena arena; /* owns everything below */
    const char *tenant;
    const char *name;
    struct who who; /* device is the key broker's to fill */
    const char *arguments[POLICY_ARGUMENTS_MAX + 1];
    unsigned argument_count;
    struct policy_variable environment[POLICY_ENVIRONMENT_MAX];
    unsigned environment_count;
    const char *directory; /* NULL: "/" */
    struct policy_volume volumes[POLICY_VOLUMES_MAX];
    unsigned volume_count;
    struct policy_file files[POLICY_FILES_MAX];
    unsigned file_count;
    struct policy_net network[POLICY_NETWORK_MAX];
    unsigned network_count;
    const char *tls_names[POLICY_NAMES_MAX]; /* under the tenant's own name; none: just that */
    unsigned tls_name_count;
    const char *tls_client_ca; /* PEM; NULL: clients need no certificate */
    bool tls_allow_1_2;
    const char *tls_alpn[POLICY_ALPN_MAX]; /* protocols, best first; none: what the runtime knows */
    unsigned tls_alpn_count;
    bool explain; /* refusals may be named on standard error, which the host reads */
    struct policy_secret secrets[POLICY_SECRETS_MAX];
    unsigned secret_count;
    struct policy_secret_file secret_files[POLICY_SECRET_FILES_MAX];
    unsigned secret_file_count;
    const char *services[POLICY_SERVICES_MAX]; /* names; none: the policy is one
                                                service itself */
    unsigned service_count;
    const char *service; /* the one that this is the policy of; NULL: none was
                          asked for */
    const char *totp[POLICY_TOTP_MAX];
    unsigned totp_count;
    struct policy_access access;
};

/* The protocols of tls.alpn with commas between; empty: none are named. */
void policy_alpn(const struct policy *policy, char ret_text[POLICY_ALPN_SIZE_MAX]);

/* 0, or -EINVAL with "line N: ..." in `e`, -EFBIG, -ENOMEM. Released by policy_free(). */
must_check int policy_parse(struct slice yaml, struct policy **ret_policy, struct error *e);
/* The policy of one of its services: what the service says in place of what all share. -ENOENT:
 * there is no such service. A policy that has services and none of whose is asked for parses all of
 * them. */
must_check int policy_parse_service(struct slice yaml, const char *service,
                                    struct policy **ret_policy, struct error *e);
/* The same for a policy file without a key broker: tenant, name, tee and program may be left out
 * (NULL, all, any), the command as well (argument_count 0), and there are no secrets. */
must_check int policy_parse_local(struct slice yaml, struct policy **ret_policy, struct error *e);
void policy_free(struct policy *policy);
void policy_freep(struct policy **policy);

/* Names of tenants, volumes, services: [a-z0-9] and inner '-', at most 40. Policies too, and their
 * names may be up to four of those with '/' between them: a policy `a` is the namespace of `a/b`.
 */
bool policy_name_is_valid(const char *name);
bool policy_path_is_valid(const char *path);

const struct policy_secret *policy_secret_find(const struct policy *policy, const char *name);
const struct policy_volume *policy_volume_find(const struct policy *policy, const char *name);

/* Splits a value at its first ${secret.NAME}: the text before, NAME (copied into `name`), and the
 * text after. 0; -ENOENT: none left; -EINVAL: "${" that is none. */
must_check int policy_reference_next(const char *text, struct slice *ret_before,
                                     char name[POLICY_NAME_SIZE_MAX + 1], const char **ret_after);

#endif
