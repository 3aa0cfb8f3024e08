/* SPDX-License-Identifier: Apache-2.0 */
/* attest/http_answer.h: the head of an HTTP/1.1 answer with a Content-Length, as the key broker
 * gives them. Reads no other form (no chunks, no trailers): that is refused. */
#ifndef COFFER_ATTEST_HTTP_ANSWER_H
#define COFFER_ATTEST_HTTP_ANSWER_H

#include "base/macros.h"
#include "base/slice.h"

struct http_answer {
    unsigned status;   /* 200..599 */
    size_t size;       /* of head and body together */
    struct slice body; /* borrows from what was parsed */
};

/* 0; -EAGAIN there is more to come; -EBADMSG it will never be an answer. */
must_check int http_answer_parse(struct slice bytes, struct http_answer *ret_answer);

#endif
