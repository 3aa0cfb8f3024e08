/* SPDX-License-Identifier: Apache-2.0 */
/* load/options.h: the command line of `coffer load run`. Reads only the files it names. */
#ifndef COFFER_LOAD_OPTIONS_H
#define COFFER_LOAD_OPTIONS_H

#include "base/error.h"
#include "base/macros.h"
#include "load/connection.h"

#define LOAD_TENANTS_MAX 20000
#define LOAD_CLIENTS_MAX 19000 /* the hard limit on descriptors, less what the process needs */

enum load_profile { LOAD_MIXED, LOAD_READ, LOAD_WRITE };

struct load_tenant {
    char *name;
    char *server_name;   /* NAME.DOMAIN: SNI and Host */
    char *authorization; /* value of the header, or NULL: none */
};

struct load_options {
    struct endpoint endpoint;
    const char *gateway; /* as given */
    uint64_t client_count;
    int64_t duration_ns;
    uint64_t rate_per_ks; /* 0: closed loop */
    int64_t timeout_ns;
    enum load_profile profile;
    uint64_t document_size; /* 0: the profile's own sizes */
    uint64_t requests_per_connection;
    double errors_max; /* share of requests that may fail */
    uint64_t seed;
    bool keep; /* leave the documents */
    const char *json_path;
    struct load_tenant *tenants;
    size_t tenant_count;
};

/* 0: go. 1: --help was asked for and printed. -EINVAL: `e` says what is wrong. Strings borrow from
 * `argv` (without the command's name; reordered), which must outlive them. */
must_check int load_options_parse(int argc, char **argv, struct load_options *ret_options,
                                  struct error *e);
void load_options_done(struct load_options *options);

/* "250", "2.5" and "max" (closed loop) per second; "500ms", "10s", "2m". -EINVAL otherwise. */
must_check int load_rate_parse(const char *text, uint64_t *ret_rate_per_ks);
must_check int load_duration_parse(const char *text, int64_t *ret_ns);
/* "4096", "64k", "1m", at most 1 GiB. */
must_check int load_size_parse(const char *text, uint64_t *ret_size);

#endif
