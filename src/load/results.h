/* SPDX-License-Identifier: Apache-2.0 */
/* load/results.h: what was measured, and the report about it as text and JSON. */
#ifndef COFFER_LOAD_RESULTS_H
#define COFFER_LOAD_RESULTS_H

#include "base/buf.h"
#include "load/histogram.h"
#include "load/options.h"
#include "load/workload.h"

enum load_error {
    LOAD_ERROR_CONNECT,     /* TCP refused or unreachable */
    LOAD_ERROR_TLS,         /* the handshake failed, the certificate included */
    LOAD_ERROR_CLOSED,      /* the connection ended in the middle */
    LOAD_ERROR_TIMEOUT,     /* no complete answer in time */
    LOAD_ERROR_HTTP,        /* not HTTP */
    LOAD_ERROR_STATUS,      /* an answer that is no success */
    LOAD_ERROR_CONTENT,     /* a wrong document: always fails the run */
    LOAD_ERROR_NOT_STARTED, /* still waiting for its turn when the run was over */
    LOAD_ERROR_COUNT,
};

extern const char *const load_error_names[LOAD_ERROR_COUNT];

struct results {
    /* ns, of requests answered well, and of those that ran out of time: leaving out the slowest
     * would flatter. */
    struct histogram latency[OPERATION_COUNT][WORKLOAD_SIZES];
    struct histogram all; /* of all operations */
    uint64_t answered;
    uint64_t failed;
    uint64_t unready; /* clients that could not be made ready: their requests did not start */
    uint64_t errors[LOAD_ERROR_COUNT];
    uint64_t statuses[600];
    struct histogram start_up; /* ns, per tenant: connecting to first byte of the first answer */
    struct histogram handshake;
    uint64_t handshakes, resumed, reconnects;
    uint64_t bytes_up, bytes_down; /* of documents */
    int64_t elapsed_ns;            /* of the measured part */
    unsigned size_count;
    uint64_t sizes[WORKLOAD_SIZES];
};

must_check int results_init(struct results *r, const struct workload *w);
void results_done(struct results *r);

/* Whether the run as a whole was good, by options->errors_max; a wrong document never is. */
bool results_are_good(const struct results *r, const struct load_options *options);

/* 0 or -ENOMEM. */
must_check int results_text(const struct results *r, const struct load_options *options,
                            struct buf *out);
must_check int results_json(const struct results *r, const struct load_options *options,
                            struct buf *out);

#endif
