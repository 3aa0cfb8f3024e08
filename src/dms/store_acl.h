/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_acl.h: access lists as a whole: the entries of a node, and whether those of the folders
 * above count too. What they give is decided in cmis/access.c. As store.h: one thread, -errno. */
#ifndef COFFER_DMS_STORE_ACL_H
#define COFFER_DMS_STORE_ACL_H

#include "dms/store.h"

#define ACL_ENTRIES_MAX 256

struct acl_entry {
    const char *principal;  /* "anyone", a user's name, or "group:NAME" */
    const char *permission; /* "read", "write" or "all" */
};

/* The node's own entries, or with `inherited` those that it has from above. Texts live during the
 * call. */
typedef int acl_fn(void *arg, const struct acl_entry *entry);
must_check int acl_walk(struct store *store, const struct node *node, bool inherited, acl_fn *fn,
                        void *arg);
/* Whether those above count; never for the root. */
bool acl_inherits(const struct node *node);
/* Replaces the own entries. -ENXIO: there is no such principal; -EINVAL: no such permission, or
 * more than ACL_ENTRIES_MAX. */
must_check int acl_set(struct store *store, const struct actor *actor, const struct node *node,
                       bool inherits, const struct acl_entry *entries, size_t count);

#endif
