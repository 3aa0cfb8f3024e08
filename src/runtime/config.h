/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/config.h: everything a runtime is told before the program's first instruction: from the
 * command line (`coffer run`), or from the key broker after attestation (runtime/provision/).
 * Plain data; strings and arrays belong to whoever filled it and live as long as the process. */
#ifndef COFFER_RUNTIME_CONFIG_H
#define COFFER_RUNTIME_CONFIG_H

#include "base/error.h"
#include "base/macros.h"
#include "base/secret.h"
#include "base/slice.h"
#include "volume/volume.h"

#define RUNTIME_VOLUMES_MAX 8
#define RUNTIME_FILE_RULES_MAX 256
#define RUNTIME_NET_RULES_MAX 64
#define RUNTIME_SECRET_FILES_MAX 64

/* The longest matching prefix decides (whole path components). */
enum file_class {
    FILE_CLASS_HOST,          /* passed through */
    FILE_CLASS_ENCRYPTED,     /* on the volume `volume` */
    FILE_CLASS_AUTHENTICATED, /* readable by the host, verified by us against `digest` */
    FILE_CLASS_PRIVATE,       /* in memory, gone at exit */
    FILE_CLASS_DENIED,
};

struct runtime_file_rule {
    const char *prefix; /* absolute, normalised */
    enum file_class class;
    unsigned volume;    /* index into volumes, for ENCRYPTED */
    uint8_t digest[32]; /* SHA-256 of the file, for AUTHENTICATED */
    bool read_only;
};

#define RUNTIME_ERASE_PATHS_MAX 256

/* What the volume's owner wants done when it is opened. */
struct runtime_volume_order {
    uint64_t serial;
    bool has_key; /* to have another volume key; it may have it already */
    bool rewrite; /* with everything written anew */
    struct key256 key;
    char *const *erase; /* paths from the volume's root, to be erased for good; NULL-terminated */
    int (*done)(const uint8_t id[VOLUME_ID_SIZE], uint64_t serial);
};

struct runtime_volume {
    const char *name;
    const char *host_dir; /* directory with the segment files */
    struct key256 key;
    uint8_t id[VOLUME_ID_SIZE];
    enum volume_mode mode;
    const struct volume_authority *authority;
    bool create;                        /* make it first if the directory is empty */
    bool compress;                      /* when it is made */
    struct runtime_volume_order *order; /* NULL: nothing */
    char *const *purge; /* vfs/purge.h: what is erased for good when deleted; NULL: nothing */
    struct recovery_volume
        *recovery; /* opened with a recovery key: nothing is kept; NULL: not so */
};

/* TLS identity as PEM. The private key never leaves the process. */
struct runtime_tls {
    struct slice certificate_chain;
    struct slice private_key;
    struct slice client_ca; /* not empty: demand a client certificate under it */
    struct key256 ticket_key;
    bool has_ticket_key;
    uint16_t version_min; /* 0x0304, or 0x0303 if the policy says so */
    const char *alpn;     /* protocols, best first, with commas between; NULL: see tls_context.h */
    const char *certificate_file, *key_file; /* read again when they change; NULL: never */
    /* Gets another certificate and key, as PEM that the caller frees (the key wiped), when two thirds of
     * the certificate's life are over. 0 or -errno, said in *e. NULL: there is nobody to ask. */
    int (*renew)(struct slice *ret_chain, struct slice *ret_key, struct error *e);
};

enum net_class { NET_CLASS_PLAIN, NET_CLASS_TLS, NET_CLASS_HANDOVER, NET_CLASS_DENIED };

enum net_protocol { NET_TCP, NET_UDP, NET_UNIX };

struct runtime_net_rule {
    bool listen; /* else: a destination */
    enum net_class class;
    enum net_protocol protocol;
    const char *address;           /* destination host or address; NULL: any. UNIX: path, "@NAME",
                                    * or with a last '/' all below it */
    uint16_t port;                 /* 0: any */
    const struct runtime_tls *tls; /* for TLS and HANDOVER */
    struct slice trust_pem;        /* for a TLS destination: who may sign its certificate */
    const char *server_name;       /* for a TLS destination; NULL: `address` */
};

/* A secret (or other bytes) that appears as a read-only file in memory. */
struct runtime_secret_file {
    const char *path;
    struct slice bytes;
    uint32_t mode;
};

struct runtime_config {
    char *const *argv; /* argv[0] is the program as the guest sees it */
    char *const *envp;
    const char *program; /* host path of the executable; NULL: search argv[0] in PATH */
    int program_fd;  /* > 0: it is behind this descriptor of ours, and `program` only its name */
    const char *cwd; /* NULL: inherit */
    bool has_policy; /* everything not named is denied; else it is passed to the host */

    struct runtime_volume volumes[RUNTIME_VOLUMES_MAX];
    unsigned volume_count;
    struct runtime_file_rule file_rules[RUNTIME_FILE_RULES_MAX];
    unsigned file_rule_count;
    struct runtime_net_rule net_rules[RUNTIME_NET_RULES_MAX];
    unsigned net_rule_count;
    struct runtime_secret_file secret_files[RUNTIME_SECRET_FILES_MAX];
    unsigned secret_file_count;

    int handover_fd;         /* -1: none; for NET_CLASS_HANDOVER */
    int handover_status_fd;  /* -1: none */
    size_t cache_size;       /* per volume */
    bool trace;              /* `--trace`: one line per system call */
    int trace_fd;            /* 0: on stderr; else the file of `-o` */
    uint64_t trace_calls[8]; /* a bit for each call to show; all 0: every call */
    bool insecure_debug; /* `--insecure__debug`: under a policy too, the host may dump and read */
    bool stats;          /* `--stats`: counters on stderr at exit */
    bool explain;        /* `--explain`: refusals are named on stderr, which the host sees */
    int record_fd;       /* 0: none; else where to tell what the program uses (`--record`) */
};

/* Is anything of the program shielded, so that cryptography is needed from the start? */
static inline bool config_shields(const struct runtime_config *config)
{
    return config->volume_count > 0 || config->file_rule_count > 0 || config->net_rule_count > 0 ||
           config->secret_file_count > 0;
}

/* Takes over the process: opens volumes, arms the interception, loads the program, runs it. Does
 * not return unless something failed before the program's first instruction; then -errno. */
must_check int runtime_run(const struct runtime_config *config, struct error *e);

#endif
