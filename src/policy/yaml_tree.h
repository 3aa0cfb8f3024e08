/* SPDX-License-Identifier: Apache-2.0 */
/* policy/yaml_tree.h: a YAML document as a tree whose nodes know their place. The plain part of
 * YAML only: one document, no anchors, aliases or tags, no key twice. Errors begin with "line N,
 * column M:". */
#ifndef COFFER_POLICY_YAML_TREE_H
#define COFFER_POLICY_YAML_TREE_H

#include "base/arena.h"
#include "base/error.h"

#define YAML_SIZE_MAX ((size_t)256 << 10)
#define YAML_DEPTH_MAX 12
#define YAML_NODES_MAX 8192

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    unsigned line, column;
    const char *key;         /* of this entry in its map; NULL in a list */
    const char *text;        /* of a scalar */
    struct yaml_node *first; /* of a list or map */
    struct yaml_node *next;  /* beside it */
    unsigned count;          /* of a list or map */
};

/* The tree lives in `arena`. 0, -EINVAL (`e` says line and why), -EFBIG, -ENOMEM. */
must_check int yaml_parse(struct slice text, struct arena *arena, struct yaml_node **ret_root,
                          struct error *e);

/* An entry of a map, or NULL; NULL also for a `map` that is NULL or none. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* Its line; 0 for NULL. */
static inline unsigned yaml_line(const struct yaml_node *node)
{
    return node ? node->line : 0;
}

/* Each checks that `node` is what is wanted and within bounds; `what` names it in the error.
 * -EINVAL. */
must_check int yaml_expect(const struct yaml_node *node, enum yaml_kind kind, const char *what,
                           struct error *e);
/* Every key of the map must be one of `keys` (NULL-terminated). */
must_check int yaml_expect_keys(const struct yaml_node *map, const char *const *keys,
                                const char *what, struct error *e);
/* NULL `node`: *ret_value is left as it is. */
must_check int yaml_uint(const struct yaml_node *node, uint64_t min, uint64_t max, const char *what,
                         uint64_t *ret_value, struct error *e);
must_check int yaml_bool(const struct yaml_node *node, const char *what, bool *ret_value,
                         struct error *e);
must_check int yaml_text(const struct yaml_node *node, size_t size_max, const char *what,
                         const char **ret_text, struct error *e);
/* A scalar that is one of `choices` (NULL-terminated): its index. */
must_check int yaml_choice(const struct yaml_node *node, const char *const *choices,
                           const char *what, unsigned *ret_choice, struct error *e);
/* "sha256:" and 64 hexadecimal digits. */
must_check int yaml_digest(const struct yaml_node *node, const char *what, uint8_t ret_digest[32],
                           struct error *e);

/* Something that must be there is not: its error has no place yet. Gives it that of `map`, where it
 * should be. Returns `r`. */
int yaml_locate(const struct yaml_node *map, int r, struct error *e);

/* error_set() with "line N, column M: " in front. */
int yaml_error(const struct yaml_node *node, struct error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
