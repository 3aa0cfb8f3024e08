/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/manifest.h: with what a key broker starts. The hash of the manifest's bytes is part of the
 * key broker's own measurement, so whoever checks its evidence has checked these settings. */
#ifndef COFFER_KBS_MANIFEST_H
#define COFFER_KBS_MANIFEST_H

#include "attest/appraise.h"
#include "base/arena.h"
#include "base/error.h"
#include "crypto/crypto.h"

/* What notices that the state went back to an older one. */
enum freshness {
    FRESHNESS_NONE,  /* nothing: the simulation only */
    FRESHNESS_PEER,  /* a standby that has agreed with every commit */
    FRESHNESS_OWNER, /* starts locked until somebody who knows its newest head confirms it */
};

struct manifest {
    struct arena arena;
    uint8_t hash[SHA256_SIZE];    /* of the bytes */
    const char *domain;           /* tenants are TENANT.DOMAIN */
    unsigned tees;                /* kinds of evidence that are believed at all: 1 << enum tee */
    struct who_digests operators; /* SHA-256 of their SubjectPublicKeyInfo */
    struct who_digests devices;   /* simulated devices */
    bool device_self;             /* also the one that signs our own evidence */
    enum freshness freshness;
    struct who_digests holders; /* of shares of the root key: SHA-256 of their SPKI */
    uint64_t shares_needed;
    struct who_digests confirmers; /* keys that may confirm the head: SHA-256 of their SPKI */
    uint64_t lease_term_ms;
    uint64_t lease_margin_ms;
    uint64_t session_s; /* how long a session key is good */
    uint64_t tenants_max;
};

/* 0, -EINVAL with the line in `e`, -EFBIG, -ENOMEM. */
must_check int manifest_parse(struct slice yaml, struct manifest **ret_manifest, struct error *e);
void manifest_free(struct manifest *manifest);
void manifest_freep(struct manifest **manifest);

#endif
