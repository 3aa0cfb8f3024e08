/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_partial.h"
#include "base/hex.h"
#include "dms/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "partial"
enum { PATH_SIZE = sizeof FOLDER + PARTIAL_ID_SIZE + 1 };

static void path_of(const char *id, char path[PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, FOLDER "/%.*s", PARTIAL_ID_SIZE, id);
}

static int partial_count(struct store *store, int64_t user, int64_t *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_PARTIAL_COUNT, "i", user);
    if (!stmt || store_step(store, stmt) != 1)
        return -EIO;
    *ret = sqlite3_column_int64(stmt, 0);
    return 0;
}

static int file_make(struct store *store, const char *id)
{
    char path[PATH_SIZE];
    path_of(id, path);
    if (mkdirat(store->dir_fd, FOLDER, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(store->dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    (void)close(fd);
    return 0;
}

int partial_add(struct store *store, const struct partial *partial, int64_t now_s, char *ret_id)
{
    uint8_t bytes[PARTIAL_ID_SIZE / 2];
    char id[PARTIAL_ID_SIZE + 1];
    int64_t count = 0;
    int r = partial_expire(store, now_s);
    if (r == 0)
        r = partial_count(store, partial->user, &count);
    if (r == 0 && count >= PARTIALS_MAX)
        r = -EDQUOT;
    if (r == 0 && getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        r = -EIO;
    if (r < 0)
        return r;
    hex_encode(slice_of(bytes, sizeof bytes), id);
    r = file_make(store, id);
    if (r < 0)
        return r;
    r = store_step_begin(store);
    if (r == 0)
        r = store_step_end(store, store_run(store, STMT_PARTIAL_ADD, "siiiisssi", id, partial->user,
                                            partial->length, partial->parent, partial->document,
                                            partial->name, partial->type, partial->conflict,
                                            partial->expires_s));
    if (r == 0)
        memcpy(ret_id, id, sizeof id);
    return r;
}

int partial_get(struct store *store, struct arena *arena, const char *id, int64_t user,
                int64_t now_s, struct partial *ret)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_PARTIAL_GET, "sii", id, user, now_s);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *ret = (struct partial){
        .id = column_text(stmt, 0, arena),
        .user = sqlite3_column_int64(stmt, 1),
        .length = sqlite3_column_int64(stmt, 2),
        .parent = sqlite3_column_int64(stmt, 3),
        .document = sqlite3_column_int64(stmt, 4),
        .name = column_text(stmt, 5, arena),
        .type = column_text(stmt, 6, arena),
        .conflict = column_text(stmt, 7, arena),
        .expires_s = sqlite3_column_int64(stmt, 8),
        .made = sqlite3_column_int64(stmt, 9),
    };
    return ret->id && ret->name && ret->type && ret->conflict ? 0 : -ENOMEM;
}

static int step_run(struct store *store, int r)
{
    return store_step_end(store, r);
}

int partial_touch(struct store *store, const char *id, int64_t expires_s)
{
    int r = store_step_begin(store);
    return r < 0 ? r : step_run(store, store_run(store, STMT_PARTIAL_TOUCH, "si", id, expires_s));
}

int partial_made(struct store *store, const char *id, int64_t node)
{
    int r = store_step_begin(store);
    return r < 0 ? r : step_run(store, store_run(store, STMT_PARTIAL_MADE, "si", id, node));
}

/* The file goes first: a row without a file is an upload that has nothing yet. */
int partial_remove(struct store *store, const char *id)
{
    char path[PATH_SIZE];
    path_of(id, path);
    if (unlinkat(store->dir_fd, path, 0) < 0 && errno != ENOENT)
        return -errno;
    int r = store_step_begin(store);
    return r < 0 ? r : step_run(store, store_run(store, STMT_PARTIAL_REMOVE, "s", id));
}

int partial_expire(struct store *store, int64_t now_s)
{
    SCOPED(arena_done) struct arena arena = {0};
    char *ids[100];
    size_t count = 0;
    sqlite3_stmt *stmt = store_query(store, STMT_PARTIAL_EXPIRED, "i", now_s);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && count < ARRAY_COUNT(ids) && (r = store_step(store, stmt)) == 1) {
        ids[count] = column_text(stmt, 0, &arena);
        r = ids[count++] ? 0 : -ENOMEM;
    }
    stmt_done(stmt);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = partial_remove(store, ids[i]);
    return r;
}

int partial_open(struct store *store, const char *id, int *ret_fd, int64_t *ret_size)
{
    char path[PATH_SIZE];
    struct stat st;
    path_of(id, path);
    int fd = openat(store->dir_fd, path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0) {
        int r = -errno;
        (void)close(fd);
        return r;
    }
    *ret_fd = fd;
    *ret_size = st.st_size;
    return 0;
}

/* Small ones go into the database, as every other content of their size. */
static int take_small(struct store *store, const char *id, int fd, int64_t size,
                      struct content_draft *draft)
{
    uint8_t bytes[4096];
    int r = 0;
    for (int64_t at = 0; r == 0 && at < size;) {
        ssize_t n = pread(fd, bytes, sizeof bytes, at);
        if (n <= 0)
            return -EIO;
        r = content_draft_write(store, draft, slice_of(bytes, (size_t)n));
        at += n;
    }
    if (r == 0) {
        char path[PATH_SIZE];
        path_of(id, path);
        (void)unlinkat(store->dir_fd, path, 0);
    }
    return r;
}

int partial_take(struct store *store, const char *id, struct content_draft *draft)
{
    char path[PATH_SIZE];
    int fd = -1;
    int64_t size = 0;
    int r = partial_open(store, id, &fd, &size);
    if (r < 0)
        return r;
    if (size <= (int64_t)STORE_INLINE_MAX) {
        r = take_small(store, id, fd, size, draft);
        (void)close(fd);
        return r;
    }
    path_of(id, path);
    if (renameat(store->dir_fd, path, store->incoming_fd, id) < 0) {
        r = -errno;
        (void)close(fd);
        return r;
    }
    *draft = (struct content_draft){.fd = fd, .size = size};
    memcpy(draft->file, id, PARTIAL_ID_SIZE);
    return 0;
}
