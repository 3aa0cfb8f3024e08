/* SPDX-License-Identifier: Apache-2.0 */
/* dms/out/http_out.h: one request to a server outside, by libcurl. Goes only where the order says: one
 * origin, no redirects, no proxies, no other protocol, TLS 1.2 or later with the peer's certificate and name
 * verified; the answer and the time are bounded. Blocks, so it is used by processes of their own (out/main.c),
 * never by the document server itself, which links no libcurl. */
#ifndef COFFER_DMS_OUT_HTTP_OUT_H
#define COFFER_DMS_OUT_HTTP_OUT_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

#define HTTP_OUT_URL_MAX 4096
#define HTTP_OUT_SIZE_MAX ((size_t)16 << 20)
#define HTTP_OUT_TIME_MAX_MS 120000

struct http_out_order {
    const char *method; /* "GET", "POST", "PUT" or "DELETE" */
    const char *url;
    const char *origin;         /* "https://HOST[:PORT]": the only place that `url` may be at */
    const char *address;        /* numeric, in place of asking the resolver; NULL: ask */
    const char *ca_file;        /* PEM; NULL: the system's roots */
    bool plain;                 /* http:// may be, too: the runtime does the TLS, or a test */
    const char *const *headers; /* "Name: value", NULL-ended; NULL: none */
    struct slice body;
    size_t size_max; /* of the answer's body: an error if there is more */
    uint32_t time_ms;
};

struct http_out_answer {
    int status;
    char type[128]; /* Content-Type, "" if there is none or it is longer */
    struct buf body;
};

/* Whether `url` is at `origin` and nothing else is odd about it (no user, no control characters). 0, or
 * -EACCES or -EINVAL with a text that names both. */
must_check int http_out_allowed(const char *url, const char *origin, bool plain, struct error *e);

/* 0 with any status, or -errno and why: -EACCES not allowed, -EINVAL an order that cannot be, -ETIMEDOUT,
 * -EFBIG, -EKEYREJECTED (the peer's certificate), -ECONNREFUSED (not reached), -EIO. Errors name the
 * origin, never a query, a header or a body. The answer is the caller's, empty at first. */
must_check int http_out(const struct http_out_order *order, struct http_out_answer *ret_answer,
                        struct error *e);
void http_out_answer_done(struct http_out_answer *answer);

#endif
