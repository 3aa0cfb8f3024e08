/* SPDX-License-Identifier: Apache-2.0 */
/* Erasing by name: all files at and below a path lose their contents for good, then their names. Uses
 * what volume.h offers and nothing else of the store. */
#include "volume/volume.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRIES = 32, DEPTH_MAX = 128 };

static int files_add(struct volume_files *list, uint64_t ino)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + ENTRIES;
        uint64_t *grown = realloc(list->inos, capacity * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        list->inos = grown;
        list->capacity = capacity;
    }
    list->inos[list->count++] = ino;
    return 0;
}

/* The directory that holds the last name of `path`, and the name; an empty one for the root. */
static int path_parent(struct volume *v, const char *path, uint64_t *ret_dir,
                       struct slice *ret_name)
{
    uint64_t dir = VOLUME_ROOT_INO;
    struct slice name = {0};
    for (;;) {
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        if (len == 0)
            break;
        if (name.size > 0) {
            int r = volume_lookup(v, dir, name, &dir);
            if (r < 0)
                return r;
        }
        name = slice_of(path, len);
        path += len;
    }
    *ret_dir = dir;
    *ret_name = name;
    return 0;
}

static int files_collect(struct volume *v, uint64_t ino, bool below, struct volume_files *list,
                         unsigned depth)
{
    struct volume_entry entries[ENTRIES];
    struct volume_attr a;
    uint64_t cookie = 0;
    int n, r = volume_getattr(v, ino, &a);
    if (r == 0 && S_ISREG(a.mode))
        return files_add(list, ino);
    if (r < 0 || !S_ISDIR(a.mode))
        return r;
    if (!below)
        return -EISDIR;
    if (depth == DEPTH_MAX)
        return -ELOOP;
    while ((n = volume_readdir(v, ino, cookie, entries, ENTRIES)) > 0) {
        for (int i = 0; r == 0 && i < n; i++)
            r = files_collect(v, entries[i].ino, true, list, depth + 1);
        if (r < 0)
            return r;
        cookie = entries[n - 1].cookie;
    }
    return n;
}

int volume_files_find(struct volume *v, uint64_t ino, bool below, struct volume_files *files)
{
    return files_collect(v, ino, below, files, 0);
}

static int name_remove(struct volume *v, uint64_t dir, struct slice name)
{
    struct volume_entry entry;
    struct volume_attr a;
    uint64_t ino;
    int n, r = volume_lookup(v, dir, name, &ino);
    if (r == 0)
        r = volume_getattr(v, ino, &a);
    if (r < 0 || !S_ISDIR(a.mode))
        return r < 0 ? r : volume_unlink(v, dir, name);
    while (r == 0 && (n = volume_readdir(v, ino, 0, &entry, 1)) != 0)
        r = n < 0 ? n : name_remove(v, ino, slice_of(entry.name, entry.name_len));
    return r < 0 ? r : volume_rmdir(v, dir, name);
}

int volume_erase_path(struct volume *v, const char *path)
{
    struct volume_files list = {0};
    struct slice name;
    uint64_t dir, ino = VOLUME_ROOT_INO;
    int r = path_parent(v, path, &dir, &name);
    if (r == 0 && name.size > 0)
        r = volume_lookup(v, dir, name, &ino);
    if (r == 0)
        r = volume_files_find(v, ino, true, &list);
    if (r == 0 && list.count > 0)
        r = volume_erase(v, list.inos, list.count, 0, UINT64_MAX);
    free(list.inos);
    if (r == 0 && name.size > 0)
        r = name_remove(v, dir, name);
    return r == -ENOENT ? 0 : r;
}
