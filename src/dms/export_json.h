/* SPDX-License-Identifier: Apache-2.0 */
/* dms/export_json.h: the JSON parts of an export (dms/export.h); docs/export.md says what is in them. */
#ifndef COFFER_DMS_EXPORT_JSON_H
#define COFFER_DMS_EXPORT_JSON_H

#include "dms/digest.h"
#include "dms/store.h"

struct export_version {
    int64_t number, content, created_ms;
    char *file; /* the member that has its bytes; NULL: there are none, or they cannot be opened */
    bool damaged;
    bool has_digest;
    uint8_t digest[DIGEST_SIZE]; /* SHA-256 of its bytes */
};

struct export_node {
    struct node node;
    char *path; /* from the root, whose own is ""; NULL: deleted, or in no folder */
    struct export_version *versions;
    size_t version_count;
};
/* The node with the smallest key behind `after`; -ENOENT: that was the last. */
must_check int export_node_next(struct store *store, struct arena *arena, int64_t after,
                                struct export_node *ret);

must_check int export_json_head(struct store *store, int64_t now_ms, struct buf *out);
must_check int export_json_users(struct store *store, int64_t now_ms, struct buf *out);
must_check int export_json_holds(struct store *store, int64_t now_ms, struct buf *out);
must_check int export_json_types(struct store *store, int64_t now_ms, struct buf *out);
must_check int export_json_node(struct store *store, const struct export_node *node,
                                struct buf *out);

/* 1: it is there still; 0: it is not. -errno. */
must_check int export_version_there(struct store *store, int64_t node, int64_t number);

#endif
