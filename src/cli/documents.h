/* SPDX-License-Identifier: Apache-2.0 */
/* cli/documents.h: the policy that document servers run under, and what an owner does with it. */
#ifndef COFFER_CLI_DOCUMENTS_H
#define COFFER_CLI_DOCUMENTS_H

#include "cli/kbs_client.h"

#define DOCUMENTS_POLICY "documents"
#define DOCUMENTS_USER "admin"

/* The policy's text for `tenant`, with the measurement of the document server at `program`. */
must_check int documents_policy(const char *tenant, const char *program, struct buf *out,
                                struct error *e);

/* As owner: puts that policy and asks for the first password. 0 with the password; -EALREADY: it
 * was shown before (the policy is in place). */
must_check int documents_accept(const struct kbs_client *owner, const char *tenant,
                                struct slice policy, struct buf *ret_password, struct error *e);

/* As owner: makes a new first password and asks for it. It holds from the server's next start on. */
must_check int documents_password_new(const struct kbs_client *owner, const char *tenant,
                                      struct buf *ret_password, struct error *e);

#endif
