/* SPDX-License-Identifier: Apache-2.0 */
/* cli/audit.h: a key broker's audit log as a file, and what can be said of it without the key broker.
 *
 * The file has one JSON object a line: first {"coffer_audit": 1, "audit_key": HEX}, then the entries
 * {"sequence", "time_s", "event", "hash", "signature"}, and last {"state": HEAD}: the key broker's
 * signed word of how far the log went when it was written. docs/audit.md has the rest. */
#ifndef COFFER_CLI_AUDIT_H
#define COFFER_CLI_AUDIT_H

#include "cli/kbs_client.h"

/* Exit codes of `coffer audit verify`. */
#define AUDIT_CLEAN 0
#define AUDIT_UNREADABLE 1
#define AUDIT_TRUNCATED 3
#define AUDIT_GAP 4
#define AUDIT_ROLLED_BACK 5
#define AUDIT_FORGED 6

/* Writes the whole log to a file. 0 or -errno with a text. */
must_check int audit_fetch(const struct kbs_client *client, const char *path, struct error *e);

/* Prints a verdict and returns its exit code, or -errno with a text. `key` (NULL: the file's own) and
 * `head_path` (NULL: none) are what the reader knows from elsewhere. */
must_check int audit_verify(const char *path, const char *key, const char *head_path,
                            struct error *e);

#endif
