/* SPDX-License-Identifier: Apache-2.0 */
/* Everything a volume shows, as one SHA-256: names, attributes, contents. */
#ifndef COFFER_TESTS_VOLUME_DIGEST_H
#define COFFER_TESTS_VOLUME_DIGEST_H

#include "base/buf.h"
#include "crypto/crypto.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

struct digest {
    uint8_t bytes[SHA256_SIZE];
};

static inline int digest_file(struct volume *v, const struct volume_attr *a, struct buf *out)
{
    uint8_t sum[SHA256_SIZE];
    uint8_t *bytes = malloc(a->size + 1);
    ssize_t n = volume_read(v, a->ino, 0, bytes, a->size);
    int r = n < 0                    ? (int)n
            : (uint64_t)n != a->size ? -EPIPE
                                     : sha256(slice_of(bytes, (size_t)n), sum);
    free(bytes);
    return r < 0 ? r : buf_append(out, sum, sizeof sum);
}

static inline int digest_names(struct volume *v, const struct volume_attr *a, struct buf *out)
{
    char text[4096];
    ssize_t n = volume_listxattr(v, a->ino, text, sizeof text);
    if (n < 0)
        return (int)n;
    buf_append(out, text, (size_t)n);
    for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1) {
        char value[2048];
        ssize_t size = volume_getxattr(v, a->ino, slice_of_text(text + at), value, sizeof value);
        if (size < 0)
            return (int)size;
        buf_append(out, value, (size_t)size);
    }
    if ((a->mode & S_IFMT) != S_IFLNK)
        return 0;
    n = volume_readlink(v, a->ino, text, sizeof text);
    return n < 0 ? (int)n : buf_append(out, text, (size_t)n);
}

static inline int digest_tree(struct volume *v, uint64_t ino, struct buf *out)
{
    struct volume_attr a;
    struct volume_entry entry;
    int r = volume_getattr(v, ino, &a);
    if (r < 0)
        return r;
    buf_printf(out, "%llu %o %u %u %u %llu %lld %lld\n", (unsigned long long)ino, a.mode, a.uid,
               a.gid, a.nlink, (unsigned long long)a.size, (long long)a.mtime_ns,
               (long long)a.ctime_ns);
    r = digest_names(v, &a, out);
    if (r == 0 && (a.mode & S_IFMT) == S_IFREG)
        r = digest_file(v, &a, out);
    if ((a.mode & S_IFMT) != S_IFDIR)
        return r;
    uint64_t cookie = 0;
    while (r == 0 && (r = volume_readdir(v, ino, cookie, &entry, 1)) == 1) {
        cookie = entry.cookie;
        buf_printf(out, "%s:%u:", entry.name, entry.type);
        r = digest_tree(v, entry.ino, out);
    }
    return r;
}

static inline void digest_snapshots(struct volume *v, struct buf *out)
{
    struct volume_snapshot list[16];
    int count = volume_snapshot_list(v, list, 16);
    for (int i = 0; i < count && i < 16; i++)
        buf_printf(out, "snapshot %s %llu\n", list[i].name, (unsigned long long)list[i].sequence);
}

/* What can be read below the root; without the list of snapshots, the same in a snapshot. */
static inline int digest_contents(struct volume *v, struct digest *ret_digest)
{
    struct buf out = {0};
    int r = digest_tree(v, VOLUME_ROOT_INO, &out);
    if (r == 0)
        r = out.failed ? -ENOMEM : sha256(buf_slice(&out), ret_digest->bytes);
    buf_done(&out);
    return r;
}

static inline int digest_volume(struct volume *v, struct digest *ret_digest)
{
    struct buf out = {0};
    int r = digest_tree(v, VOLUME_ROOT_INO, &out);
    digest_snapshots(v, &out);
    if (r == 0)
        r = out.failed ? -ENOMEM : sha256(buf_slice(&out), ret_digest->bytes);
    buf_done(&out);
    return r;
}

static inline bool digest_equals(const struct digest *a, const struct digest *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* One random change. Results do not matter: an error is an outcome like another. */
static inline void random_change(struct volume *v, struct random *rn, size_t size_max)
{
    static const struct volume_attr kinds[] = {{.mode = S_IFREG | 0600},
                                               {.mode = S_IFREG | 0644, .uid = 5},
                                               {.mode = S_IFDIR | 0700},
                                               {.mode = S_IFLNK | 0777}};
    uint64_t dirs[2] = {VOLUME_ROOT_INO, VOLUME_ROOT_INO}, ino = 0, made;
    char name[2][8];
    uint8_t bytes[70000];
    for (int i = 0; i < 2; i++) {
        uint64_t sub;
        (void)snprintf(name[i], sizeof name[i], "d%d", (int)random_below(rn, 2));
        if (random_below(rn, 2) && volume_lookup(v, VOLUME_ROOT_INO, name_of(name[i]), &sub) == 0)
            dirs[i] = sub;
        (void)snprintf(name[i], sizeof name[i], "%c%d", "fd"[random_below(rn, 8) == 0],
                       (int)random_below(rn, 6));
    }
    int r = volume_lookup(v, dirs[0], name_of(name[0]), &ino);
    uint64_t kind = random_below(rn, 24), offset = random_below(rn, 3 * size_max);
    size_t size = (size_t)random_below(rn, random_below(rn, 4) ? size_max / 20 + 1 : size_max) + 1;
    struct volume_attr attr = {.size = offset, .mode = 0640, .mtime_ns = (int64_t)kind};
    memset(bytes, (int)random_next(rn), MIN(size, sizeof bytes));
    if (r == -ENOENT) {
        r = volume_make(v, dirs[0], name_of(name[0]),
                        &kinds[name[0][0] == 'd' ? 2
                               : kind == 0       ? 3
                                                 : kind & 1],
                        slice_of_text("target"), &made);
    } else if (kind < 10) {
        r = (int)volume_write(v, ino, random_below(rn, 3) ? offset : offset & ~(uint64_t)4095,
                              bytes, MIN(size, sizeof bytes));
    } else if (kind < 12) {
        r = (int)volume_append(v, ino, bytes, MIN(size, sizeof bytes), NULL);
    } else if (kind < 14) {
        r = volume_setattr(v, ino, VOLUME_ATTR_SIZE, &attr);
    } else if (kind < 15) {
        r = volume_setattr(v, ino, VOLUME_ATTR_MODE | VOLUME_ATTR_MTIME, &attr);
    } else if (kind < 17) {
        r = volume_rename(v, dirs[0], name_of(name[0]), dirs[1], name_of(name[1]), 0);
    } else if (kind < 18) {
        r = volume_link(v, ino, dirs[1], name_of(name[1]));
    } else if (kind < 20) {
        r = volume_allocate(v, ino, 3, offset, size); /* punch, keeping the size */
    } else if (kind < 21) {
        r = volume_setxattr(v, ino, name_of("user.x"), slice_of(bytes, MIN(size, (size_t)900)), 0);
    } else if (name[0][0] == 'd') {
        r = volume_rmdir(v, dirs[0], name_of(name[0]));
    } else {
        r = volume_unlink(v, dirs[0], name_of(name[0]));
    }
    (void)r;
}

static inline void print_damage(void *ctx, const char *what)
{
    (void)ctx;
    printf("# damage: %s\n", what);
}

static const struct volume_tuning SMALL = {.segment_size = 96 << 10,
                                           .checkpoint_size = 3000,
                                           .checkpoint_count = 12,
                                           .garbage_size = 64 << 10};

#endif
