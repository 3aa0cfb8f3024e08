/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/purge.h"

#include <errno.h>
#include <string.h>

enum { LEVELS_MAX = 64, ENTRIES = 16 }; /* a pattern has fewer names than that */

/* The directories from the root down to the one of the name; of a deep one only the first are kept. */
struct way {
    uint64_t inos[LEVELS_MAX];
    size_t depth;
};

static int way_find(struct volume *v, uint64_t dir, struct way *ret)
{
    uint64_t last[LEVELS_MAX], ino = dir; /* a ring: what was seen last is nearest to the root */
    size_t depth = 0;
    for (;;) {
        last[depth++ % LEVELS_MAX] = ino;
        if (ino == VOLUME_ROOT_INO)
            break;
        int r = volume_parent(v, ino, &ino);
        if (r < 0)
            return r;
    }
    ret->depth = depth;
    for (size_t level = 0; level < MIN(depth, (size_t)LEVELS_MAX); level++)
        ret->inos[level] = last[(depth - 1 - level) % LEVELS_MAX];
    return 0;
}

/* '*' and '?' within one name; the last star is tried again, so the work is bounded by the product. */
static bool name_fits(struct slice pattern, struct slice name)
{
    const uint8_t *p = pattern.bytes, *n = name.bytes;
    size_t at = 0, i = 0, star = SIZE_MAX, star_i = 0;
    while (i < name.size) {
        if (at < pattern.size && p[at] == '*') {
            star = at++;
            star_i = i;
        } else if (at < pattern.size && (p[at] == '?' || p[at] == n[i])) {
            at++;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = ++star_i;
        } else {
            return false;
        }
    }
    while (at < pattern.size && p[at] == '*')
        at++;
    return at == pattern.size;
}

static bool is_literal(struct slice pattern)
{
    return !memchr(pattern.bytes, '*', pattern.size) && !memchr(pattern.bytes, '?', pattern.size);
}

/* Does the pattern's name fit the one that `child` has in `dir`? */
static int child_fits(struct volume *v, uint64_t dir, uint64_t child, struct slice pattern)
{
    struct volume_entry entries[ENTRIES];
    uint64_t cookie = 0, ino;
    int n;
    if (is_literal(pattern)) {
        n = volume_lookup(v, dir, pattern, &ino);
        return n == -ENOENT || n == -ENAMETOOLONG ? 0 : n < 0 ? n : ino == child;
    }
    if (pattern.size == 1 && pattern.bytes[0] == '*')
        return 1;
    while ((n = volume_readdir(v, dir, cookie, entries, ENTRIES)) > 0) {
        for (int i = 0; i < n; i++)
            if (entries[i].ino == child)
                return name_fits(pattern, slice_of(entries[i].name, entries[i].name_len));
        cookie = entries[n - 1].cookie;
    }
    return n;
}

static struct slice component_next(const char **at)
{
    *at += strspn(*at, "/");
    size_t len = strcspn(*at, "/");
    struct slice name = slice_of(*at, len);
    *at += len;
    return name;
}

static int pattern_names(struct volume *v, const char *pattern, const struct way *way,
                         struct slice name)
{
    for (size_t level = 0; level < LEVELS_MAX; level++) {
        struct slice component = component_next(&pattern);
        if (component.size == 2 && memcmp(component.bytes, "**", 2) == 0)
            return level <= way->depth - 1;
        bool is_last = *pattern == '\0', is_name = level == way->depth - 1;
        if (is_last || is_name)
            return is_last && is_name && name_fits(component, name);
        if (level + 1 == LEVELS_MAX)
            break;
        int r = child_fits(v, way->inos[level], way->inos[level + 1], component);
        if (r <= 0)
            return r;
    }
    return 0;
}

int purge_mark(struct volume *volume, char *const *patterns, uint64_t dir, struct slice name)
{
    struct way way;
    if (!patterns || !*patterns)
        return 0;
    int r = way_find(volume, dir, &way);
    if (r < 0)
        return r == -ENOENT ? 0 : r; /* a directory that is gone itself: nothing is in it */
    for (; r == 0 && *patterns; patterns++)
        r = pattern_names(volume, *patterns, &way, name);
    return r <= 0 ? r : volume_erase_at_end(volume, dir, name);
}
