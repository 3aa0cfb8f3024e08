/* SPDX-License-Identifier: Apache-2.0 */
/* Paths inside a volume. */
#include "cli/volume_cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { LINKS_MAX = 40 };

struct walk {
    struct volume *v;
    uint64_t ino;
    unsigned links; /* followed so far */
};

static int walk_path(struct walk *walk, const char *path, bool follow);

static int walk_link(struct walk *walk, uint64_t dir, uint64_t link, bool follow)
{
    char target[PATH_MAX];
    if (++walk->links > LINKS_MAX)
        return -ELOOP;
    ssize_t n = volume_readlink(walk->v, link, target, sizeof target - 1);
    if (n < 0)
        return (int)n;
    target[n] = '\0';
    walk->ino = target[0] == '/' ? VOLUME_ROOT_INO : dir;
    return walk_path(walk, target, follow);
}

static int walk_name(struct walk *walk, struct slice name, bool follow)
{
    struct volume_attr a;
    uint64_t dir = walk->ino, ino;
    if (slice_is_text(name, "."))
        return 0;
    if (slice_is_text(name, ".."))
        return volume_parent(walk->v, dir, &walk->ino);
    int r = volume_lookup(walk->v, dir, name, &ino);
    if (r == 0)
        r = volume_getattr(walk->v, ino, &a);
    if (r < 0)
        return r;
    walk->ino = ino;
    return S_ISLNK(a.mode) && follow ? walk_link(walk, dir, ino, true) : 0;
}

static int walk_path(struct walk *walk, const char *path, bool follow)
{
    int r = 0;
    while (r == 0 && *path) {
        size_t len = strcspn(path, "/");
        const char *rest = path + len + strspn(path + len, "/");
        if (len > 0)
            r = walk_name(walk, slice_of(path, len), follow || *rest || path[len] == '/');
        path = rest;
    }
    return r;
}

int volume_path_find(struct volume *v, const char *path, bool follow, uint64_t *ret_ino)
{
    struct walk walk = {.v = v, .ino = VOLUME_ROOT_INO};
    int r = walk_path(&walk, path, follow);
    *ret_ino = walk.ino;
    return r;
}

int volume_path_parent(struct volume *v, const char *path, uint64_t *ret_dir,
                       struct slice *ret_name)
{
    char head[PATH_MAX];
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    struct slice name = slice_of(path + start, end - start);
    if (name.size == 0 || slice_is_text(name, ".") || slice_is_text(name, ".."))
        return -EINVAL;
    if (start >= sizeof head)
        return -ENAMETOOLONG;
    memcpy(head, path, start);
    head[start] = '\0';
    *ret_name = name;
    return volume_path_find(v, head, true, ret_dir);
}

/* Also of the control characters U+0080 to U+009F, which terminals obey too: U+009B is ESC and '['. */
static bool steers(const unsigned char *c, const unsigned char *start)
{
    bool second = c > start && c[-1] == 0xc2 && c[0] >= 0x80 && c[0] < 0xa0;
    return c[0] < 0x20 || c[0] == 0x7f || second || (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0);
}

void volume_name_print(FILE *to, const char *name)
{
    const unsigned char *start = (const unsigned char *)name;
    for (const unsigned char *c = start; *c; c++) {
        if (steers(c, start) || *c == '\\')
            fprintf(to, "\\x%02x", *c);
        else
            fputc(*c, to);
    }
}
