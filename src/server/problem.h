/* SPDX-License-Identifier: Apache-2.0 */
/* server/problem.h: errors as application/problem+json (RFC 9457). */
#ifndef COFFER_SERVER_PROBLEM_H
#define COFFER_SERVER_PROBLEM_H

#include "server/http.h"

/* Answers with a problem. `name` is stable, for programs ("name-exists"; its type is
 * urn:coffer:problem:NAME; NULL: about:blank); `detail` is for people, may be NULL, and says what to
 * do. Never put a secret into it. */
void http_problem(struct http_request *req, int status, const char *name, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));

/* The status for a -errno, and a problem that names it. */
void http_problem_errno(struct http_request *req, int error);

#endif
