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
#define POLICY_NAMES_MAX 8
#define POLICY_NAME_SIZE_MAX 40
#define POLICY_SECRET_SIZE_MAX 4096u

enum policy_volume_mode { POLICY_VOLUME_NONE, POLICY_VOLUME_PERIODIC, POLICY_VOLUME_STRICT };

struct policy_volume {
    const char *name;
    const char *mount; /* absolute, normalised */
    enum policy_volume_mode mode;
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

enum policy_secret_kind {
    POLICY_SECRET_ASCII,
    POLICY_SECRET_BINARY,
    POLICY_SECRET_PRIVATE_KEY,
    POLICY_SECRET_CERTIFICATE,
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
    uint64_t size;           /* of a generated ascii or binary one */
    bool reveal_once;        /* the owner may read it, once */
    const char *from_policy; /* for IMPORT */
    const char *from_secret; /* for IMPORT */
    const char *key;         /* for a generated CERTIFICATE: name of its private key's secret */
    const char *dns[POLICY_NAMES_MAX]; /* for a generated CERTIFICATE */
    unsigned dns_count;
    unsigned line;
};

struct policy_secret_file {
    const char *path;
    const char *secret;
    uint32_t mode;
};

struct policy_variable {
    const char *name;
    const char *value; /* may hold ${secret.NAME} */
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
    bool explain; /* refusals may be named on standard error, which the host reads */
    struct policy_secret secrets[POLICY_SECRETS_MAX];
    unsigned secret_count;
    struct policy_secret_file secret_files[POLICY_SECRET_FILES_MAX];
    unsigned secret_file_count;
};

/* 0, or -EINVAL with "line N: ..." in `e`, -EFBIG, -ENOMEM. Released by policy_free(). */
must_check int policy_parse(struct slice yaml, struct policy **ret_policy, struct error *e);
/* The same for a policy file without a key broker: tenant, name, tee and program may be left out
 * (NULL, all, any), the command as well (argument_count 0), and there are no secrets. */
must_check int policy_parse_local(struct slice yaml, struct policy **ret_policy, struct error *e);
void policy_free(struct policy *policy);
void policy_freep(struct policy **policy);

/* Names of tenants, policies, volumes: [a-z0-9] and inner '-', at most 40. */
bool policy_name_is_valid(const char *name);

const struct policy_secret *policy_secret_find(const struct policy *policy, const char *name);
const struct policy_volume *policy_volume_find(const struct policy *policy, const char *name);

/* Splits a value at its first ${secret.NAME}: the text before, NAME (copied into `name`), and the
 * text after. 0; -ENOENT: none left; -EINVAL: "${" that is none. */
must_check int policy_reference_next(const char *text, struct slice *ret_before,
                                     char name[POLICY_NAME_SIZE_MAX + 1], const char **ret_after);

#endif
