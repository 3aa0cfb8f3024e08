/* SPDX-License-Identifier: Apache-2.0 */
/* load/workload.h: what a client asks for next and whether the answer is right. Knows the document
 * server's REST and SOAP interface, and no socket. Not safe on several threads at once. */
#ifndef COFFER_LOAD_WORKLOAD_H
#define COFFER_LOAD_WORKLOAD_H

#include "base/buf.h"
#include "base/macros.h"
#include "load/options.h"
#include "load/response.h"

#define WORKLOAD_DOCUMENTS_MAX 16 /* that a client remembers */
#define WORKLOAD_ID_LEN_MAX 64
#define WORKLOAD_SIZES 3

enum operation {
    OPERATION_UPLOAD,
    OPERATION_DOWNLOAD,
    OPERATION_SOAP_STORE,
    OPERATION_SOAP_GET,
    OPERATION_METADATA,
    OPERATION_LIST,
    OPERATION_SEARCH,
    OPERATION_DELETE,
    OPERATION_PURGE,
    OPERATION_MAKE_FOLDER,   /* before the measured part */
    OPERATION_REMOVE_FOLDER, /* after it */
    OPERATION_COUNT,
};

extern const char *const operation_names[OPERATION_COUNT];
bool operation_has_size(enum operation operation);

struct document {
    char id[WORKLOAD_ID_LEN_MAX + 1];
    uint64_t seed;
    unsigned size_class; /* index into workload.sizes */
    uint64_t number;     /* in its name */
};

/* What all clients share. */
struct workload {
    enum load_profile profile;
    uint64_t sizes[WORKLOAD_SIZES];
    unsigned size_count;
    uint64_t run; /* distinguishes this run's names from other runs' */
};

void workload_init(struct workload *w, const struct load_options *options, uint64_t run);

/* One client's memory. Starts as {.number = n, .random = seed}. */
struct workload_client {
    uint64_t number;
    uint64_t random;
    uint64_t made;                         /* documents named so far */
    char folder[WORKLOAD_ID_LEN_MAX + 1];  /* where its documents go; "": not made yet */
    char trashed[WORKLOAD_ID_LEN_MAX + 1]; /* to be purged next; "": nothing */
    struct document documents[WORKLOAD_DOCUMENTS_MAX];
    size_t document_count;
};

/* A request: `head`, then content, then `tail`. Starts as {0}. */
struct request {
    enum operation operation;
    unsigned size_class;
    struct buf head;
    uint64_t content_seed;
    uint64_t content_size;
    struct buf tail;
    bool compare;             /* the answer's body is the content */
    struct document document; /* what it is about */
};

void request_done(struct request *q);
static inline uint64_t request_size(const struct request *q)
{
    return q->head.size + q->content_size + q->tail.size;
}
/* Copies bytes of the whole request from `offset` on; returns how many, at most `size`. */
size_t request_read(const struct request *q, uint64_t offset, void *bytes, size_t size);

/* Fills `q` with a request by the profile. The client has a folder. */
void workload_next(const struct workload *w, struct workload_client *client,
                   const struct load_tenant *tenant, struct request *q);

/* Fills `q` with the next step of making ready, or of leaving nothing behind; false: none left. */
must_check bool workload_prepare(const struct workload *w, struct workload_client *client,
                                 const struct load_tenant *tenant, struct request *q);
bool workload_is_ready(const struct workload *w, const struct workload_client *client);
must_check bool workload_remove(struct workload_client *client, const struct load_tenant *tenant,
                                struct request *q);

/* Judges a complete answer and remembers what it teaches. 0; -EREMOTEIO: a status that is not
 * success; -EBADMSG: the answer is not what was asked for. */
must_check int workload_judge(const struct workload *w, struct workload_client *client,
                              const struct request *q, const struct response *response);

#endif
