/* SPDX-License-Identifier: Apache-2.0 */
/* Contents: small ones in the database, so that one sync covers them and their metadata; large ones
 * in files that never change. The header says in which order things become durable. */
#include "base/hex.h"
#include "dms/store_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { FILE_NAME_SIZE = 32 };

static int draft_open(struct store *store, struct content_draft *draft)
{
    uint8_t bytes[FILE_NAME_SIZE / 2];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return -EIO;
    hex_encode(slice_of(bytes, sizeof bytes), draft->file);
    int fd = openat(store->incoming_fd, draft->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    draft->fd = fd;
    return 0;
}

static int file_append(int fd, struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t n = write(fd, bytes.bytes, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EFBIG || errno == EDQUOT ? -ENOSPC : -errno;
        bytes = slice_of(bytes.bytes + n, bytes.size - (size_t)n);
    }
    return 0;
}

static int draft_flush(struct content_draft *draft)
{
    int r = file_append(draft->fd, buf_slice(&draft->bytes));
    buf_clear(&draft->bytes);
    return r;
}

/* While the bytes are at hand. */
static void draft_digest(struct content_draft *draft, struct slice bytes)
{
    if (draft->digested != draft->size)
        return; /* it began elsewhere */
    if (draft->digested == 0)
        digest_begin(&draft->digest);
    digest_add(&draft->digest, bytes);
    draft->digested += (int64_t)bytes.size;
}

/* What came into the file on another way: an upload in parts. */
static int draft_digest_file(struct content_draft *draft)
{
    static const size_t block_size = 64 << 10;
    if (draft->digested == draft->size)
        return 0;
    uint8_t *block = malloc(block_size);
    int r = block ? 0 : -ENOMEM;
    digest_begin(&draft->digest);
    for (int64_t at = 0; r == 0 && at < draft->size;) {
        ssize_t n = pread(draft->fd, block, MIN(block_size, (uint64_t)(draft->size - at)), at);
        if (n <= 0) {
            r = n < 0 && errno == EINTR ? 0 : -EIO;
            continue;
        }
        digest_add(&draft->digest, slice_of(block, (size_t)n));
        at += n;
    }
    free(block);
    if (r == 0)
        draft->digested = draft->size;
    return r;
}

/* Network pieces have 16 KiB under TLS; on an encrypted volume every write is an extent with a tag
 * of its own, so they are gathered. */
int content_draft_write(struct store *store, struct content_draft *draft, struct slice bytes)
{
    draft_digest(draft, bytes);
    draft->size += (int64_t)bytes.size;
    if (draft->fd < 0 && (size_t)draft->size > STORE_INLINE_MAX) {
        int r = draft_open(store, draft);
        if (r < 0)
            return r;
    }
    if (draft->fd >= 0 && draft->bytes.size + bytes.size > STORE_GATHER_SIZE) {
        int r = draft_flush(draft);
        if (r < 0)
            return r;
    }
    if (draft->fd >= 0 && bytes.size >= STORE_GATHER_SIZE)
        return file_append(draft->fd, bytes);
    return buf_append_slice(&draft->bytes, bytes);
}

int store_incoming_fd(const struct store *store)
{
    return store->incoming_fd;
}

int content_sync(struct content_draft *draft, int incoming_fd)
{
    if (draft->fd < 0)
        return 0;
    int r = draft_flush(draft);
    buf_done(&draft->bytes);
    if (r == 0)
        r = draft_digest_file(draft);
    if (r < 0)
        return r;
    if (fdatasync(draft->fd) < 0 || fsync(incoming_fd) < 0)
        return errno == EDQUOT || errno == EFBIG ? -ENOSPC : -errno;
    return 0;
}

void content_drop(struct store *store, struct content_draft *draft)
{
    if (draft->fd >= 0)
        (void)close(draft->fd);
    if (draft->file[0])
        (void)unlinkat(store->incoming_fd, draft->file, 0);
    buf_done(&draft->bytes);
    *draft = (struct content_draft){.fd = -1};
}

/* The file that has these bytes already; *ret_file NULL if there is none. */
static int file_find(struct store *store, const struct content_draft *draft, struct slice digest,
                     struct arena *arena, char **ret_file)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_CONTENT_SAME, "bi", digest, draft->size);
    int r = stmt ? store_step(store, stmt) : -EIO;
    *ret_file = r == 1 ? column_text(stmt, 0, arena) : NULL;
    return r < 0 ? r : r == 1 && !*ret_file ? -ENOMEM : 0;
}

/* The same bytes are in one file, but each upload is a content with a key of its own: nobody can see
 * from it whether somebody else has them. The draft keeps its file then, and so drops it. */
static int file_add(struct store *store, struct content_draft *draft, struct slice digest)
{
    SCOPED(arena_done) struct arena arena = {.size_max = 256};
    char *file;
    int r = file_find(store, draft, digest, &arena, &file);
    if (r < 0)
        return r;
    if (file)
        return store_run(store, STMT_CONTENT_ADD, "isbib", draft->size, file, (struct slice){0},
                         store->content_next, digest);
    if (buf_append(&store->committing, draft->file, FILE_NAME_SIZE) < 0)
        return -ENOMEM;
    r = store_run(store, STMT_CONTENT_ADD, "isbib", draft->size, draft->file, (struct slice){0},
                  store->content_next, digest);
    if (r < 0)
        store->committing.size -= FILE_NAME_SIZE; /* the draft still owns it */
    else
        draft->file[0] = 0; /* it is the transaction's now */
    return r;
}

int content_add_result(struct store *store, struct content_draft *draft, int64_t *ret_key)
{
    uint8_t bytes[DIGEST_SIZE];
    const struct slice digest = slice_of(bytes, sizeof bytes);
    struct slice data = draft->bytes.bytes ? buf_slice(&draft->bytes) : slice_of("", 0);
    int r;
    if (draft->fd >= 0) {
        /* content_sync() came first */
        assert(draft->bytes.size == 0 && draft->digested == draft->size);
        digest_end(&draft->digest, bytes);
        r = file_add(store, draft, digest);
    } else {
        if (draft->size > 0 && draft->digested == draft->size)
            digest_end(&draft->digest, bytes);
        else
            digest_sha256(data, bytes);
        r = store_run(store, STMT_CONTENT_ADD, "isbib", draft->size, (char *)NULL, data,
                      store->content_next, digest);
    }
    if (r == 0)
        *ret_key = store->content_next++;
    return r;
}

/* Whether another content has its bytes in the same file. */
static int file_shared(struct store *store, int64_t key, const char *file, bool *ret)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_CONTENT_BY_FILE, "si", file, key);
    int r = stmt ? store_step(store, stmt) : -EIO;
    *ret = r == 1;
    return r < 0 ? r : 0;
}

int content_add(struct store *store, struct content_draft *draft, int64_t *ret_key)
{
    int r = content_add_result(store, draft, ret_key);
    return r < 0 ? r : derived_want(store, *ret_key, draft->fd, buf_slice(&draft->bytes));
}

static int content_remove(struct store *store, int64_t key, const char *file)
{
    bool shared = false;
    int r = file ? file_shared(store, key, file, &shared) : 0;
    if (r == 0 && file && !shared) {
        r = store_run(store, STMT_DOOMED_ADD, "s", file);
        store->has_doomed = true;
    }
    if (r == 0)
        r = key_retire(store, "content_next", key, store->content_next);
    if (r == 0)
        r = derived_forget(store, key);
    return r < 0 ? r : store_run(store, STMT_CONTENT_REMOVE, "i", key);
}

int content_ref(struct store *store, int64_t key, int by)
{
    SCOPED(arena_done) struct arena arena = {.size_max = 256};
    char *file = NULL;
    int64_t refs = 0;
    if (key == 0)
        return 0; /* a document without content */
    {
        SCOPED(stmt_donep)
        sqlite3_stmt *stmt = store_query(store, STMT_CONTENT_REF, "ii", key, (int64_t)by);
        int r = stmt ? store_step(store, stmt) : -EIO;
        if (r <= 0)
            return r < 0 ? r : -EIO;
        refs = sqlite3_column_int64(stmt, 0);
        file = column_text(stmt, 1, &arena);
        if ((r = store_step(store, stmt)) < 0) /* the update ends with the last row */
            return r;
    }
    return refs > 0 ? 0 : content_remove(store, key, file);
}

static int file_open(struct store *store, const char *file, int flags)
{
    int fd = openat(store->content_fd, file, flags | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) /* committed, but not moved yet */
        fd = openat(store->incoming_fd, file, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int bytes_at(int fd, struct slice bytes, off_t at)
{
    while (bytes.size > 0) {
        ssize_t n = pwrite(fd, bytes.bytes, bytes.size, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EFBIG || errno == EDQUOT ? -ENOSPC : -errno;
        bytes = slice_of(bytes.bytes + n, bytes.size - (size_t)n);
        at += n;
    }
    return 0;
}

/* A draft is in memory or in its file, never in both once it is synced. */
static int draft_append(int fd, off_t at, const struct content_draft *draft)
{
    uint8_t block[16 << 10];
    if (draft->fd < 0)
        return bytes_at(fd, buf_slice(&draft->bytes), at);
    for (off_t from = 0; from < draft->size;) {
        ssize_t n = pread(draft->fd, block, sizeof block, from);
        int r = n <= 0 ? -EIO : bytes_at(fd, slice_of(block, (size_t)n), at + from);
        if (r < 0)
            return r;
        from += n;
    }
    return 0;
}

/* Room is given back; if it cannot be, the bytes are still no part of the content. */
static void file_cut(int fd, int64_t size)
{
    int r = ftruncate(fd, (off_t)size);
    (void)r;
}

int content_grow(struct store *store, int64_t key, const struct content_draft *draft,
                 int64_t *ret_key)
{
    SCOPED(arena_done) struct arena arena = {.size_max = 256};
    int64_t size = 0, refs = 0;
    char *file = NULL;
    {
        SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_CONTENT_FACTS, "i", key);
        int r = stmt ? store_step(store, stmt) : -EIO;
        if (r <= 0)
            return r < 0 ? r : -EIO;
        size = sqlite3_column_int64(stmt, 0);
        refs = sqlite3_column_int64(stmt, 1);
        file = column_text(stmt, 2, &arena);
    }
    bool shared = false;
    int r = file && refs == 1 ? file_shared(store, key, file, &shared) : -EMLINK;
    if (r < 0 || shared)
        return r < 0 ? r : -EMLINK;
    int fd = file_open(store, file, O_RDWR);
    if (fd < 0)
        return fd;
    file_cut(fd, size); /* what a crash in the middle of this left behind the end */
    r = draft_append(fd, (off_t)size, draft);
    if (r == 0 && fdatasync(fd) < 0)
        r = -errno;
    if (r == 0)
        r = derived_forget(store, key);
    if (r == 0)
        r = derived_want(store, store->content_next, fd, (struct slice){0});
    if (r == 0)
        r = store_run(store, STMT_CONTENT_GROW, "iii", key, store->content_next,
                      size + draft->size);
    if (r < 0)
        file_cut(fd, size);
    (void)close(fd);
    if (r == 0)
        *ret_key = store->content_next++;
    return r;
}

void content_cut(struct store *store, int64_t grown, int64_t size)
{
    SCOPED(arena_done) struct arena arena = {.size_max = 256};
    char *file = NULL;
    {
        SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_CONTENT_FACTS, "i", grown);
        if (stmt && store_step(store, stmt) == 1)
            file = column_text(stmt, 2, &arena);
    }
    int fd = file ? file_open(store, file, O_RDWR) : -ENOENT;
    if (fd < 0)
        return;
    file_cut(fd, size);
    (void)close(fd);
}

int content_load(struct store *store, int64_t key, struct buf *bytes, int *ret_fd,
                 int64_t *ret_size)
{
    if (key < 0) {
        int r = extract_get(store, -key, bytes);
        *ret_fd = -1;
        *ret_size = (int64_t)bytes->size;
        return r;
    }
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_CONTENT_GET, "i", key);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    const char *file = (const char *)sqlite3_column_text(stmt, 1);
    int64_t size = sqlite3_column_int64(stmt, 0);
    int fd = -1;
    if (file) {
        fd = file_open(store, file, O_RDONLY);
        if (fd < 0)
            return fd;
    } else {
        const void *data = sqlite3_column_blob(stmt, 2);
        if (buf_append(bytes, data, (size_t)sqlite3_column_bytes(stmt, 2)) < 0)
            return -ENOMEM;
    }
    *ret_fd = fd;
    *ret_size = size;
    return 0;
}

/* Deleting */

#define ERASE_ATTRIBUTE \
    "user.coffer.erase" /* volume/volume.h; other file systems keep or refuse it */

static int attribute_change(int dir_fd, const char *name, bool set)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = set ? fsetxattr(fd, ERASE_ATTRIBUTE, "", 0, 0) : fremovexattr(fd, ERASE_ATTRIBUTE);
    r = r < 0 ? -errno : 0;
    (void)close(fd);
    return r;
}

/* *ret_gone: there is no such file any more. False: it is there, or could only be deleted. */
static bool file_erase(int dir_fd, const char *name, bool *ret_gone)
{
    int marked = attribute_change(dir_fd, name, true);
    *ret_gone = unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT;
    if (*ret_gone)
        return marked != -ENOSPC;
    /* No erase key is kept, a snapshot holds the contents, or erasing has no room: nothing has happened,
     * unless room was short only in the middle of it: then the name has gone. */
    if (marked < 0 || (errno != EOPNOTSUPP && errno != EBUSY && errno != ENOSPC))
        return false;
    int r = attribute_change(dir_fd, name, false);
    *ret_gone = r == -ENOENT || (r == 0 && unlinkat(dir_fd, name, 0) == 0);
    return false;
}

void store_sweep_later(struct store *store)
{
    store->sweeps_later = true;
}

bool store_has_doomed(const struct store *store)
{
    return store->has_doomed;
}

int doomed_list(struct store *store, const char *after, struct buf *ret_names, size_t max)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_DOOMED_LIST, "s", after);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && ret_names->size < max * DOOMED_NAME_SIZE &&
           (r = store_step(store, stmt)) == 1) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        bool fits = name && strlen(name) + 1 == DOOMED_NAME_SIZE;
        r = fits ? buf_append(ret_names, name, DOOMED_NAME_SIZE) : -EIO;
    }
    if (r == 0)
        store->has_doomed = false; /* the caller has them */
    return r;
}

void doomed_last(const struct buf *names, char last[DOOMED_NAME_SIZE])
{
    if (names->size >= DOOMED_NAME_SIZE)
        memcpy(last, names->bytes + names->size - DOOMED_NAME_SIZE, DOOMED_NAME_SIZE);
}

size_t doomed_erase(const struct store *store, struct buf *names)
{
    size_t not_erased = 0, gone = 0;
    for (size_t at = 0; at < names->size; at += DOOMED_NAME_SIZE) {
        const char *name = (const char *)names->bytes + at;
        bool content_gone, incoming_gone;
        bool erased = file_erase(store->content_fd, name, &content_gone);
        erased &= file_erase(store->incoming_fd, name, &incoming_gone);
        not_erased += !erased;
        if (!content_gone || !incoming_gone)
            continue;
        memmove(names->bytes + gone, name, DOOMED_NAME_SIZE);
        gone += DOOMED_NAME_SIZE;
    }
    names->size = gone;
    return not_erased;
}

int doomed_forget(struct store *store, const struct buf *names)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    for (size_t at = 0; r == 0 && at < names->size; at += DOOMED_NAME_SIZE)
        r = store_run(store, STMT_DOOMED_REMOVE, "s", (const char *)names->bytes + at);
    return store_step_end(store, r);
}

/* What cannot be done now is tried again with what is deleted next, and at the next start. */
void content_sweep(struct store *store)
{
    enum { AT_ONCE = 100 };
    char after[DOOMED_NAME_SIZE] = "";
    for (size_t count = AT_ONCE; count == AT_ONCE;) {
        SCOPED(buf_done) struct buf names = {0};
        if (doomed_list(store, after, &names, AT_ONCE) < 0)
            return;
        count = names.size / DOOMED_NAME_SIZE;
        doomed_last(&names, after);
        (void)doomed_erase(store, &names);
        if (names.size > 0 && (doomed_forget(store, &names) < 0 || store_commit(store) < 0))
            return;
    }
}

static int incoming_settle(struct store *store, const char *name)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_CONTENT_BY_FILE, "si", name, (int64_t)0);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r < 0)
        return r;
    if (r == 1)
        return renameat(store->incoming_fd, name, store->content_fd, name) < 0 ? -errno : 0;
    return unlinkat(store->incoming_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int content_recover(struct store *store)
{
    int fd = openat(store->incoming_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int r = -errno;
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = incoming_settle(store, entry->d_name);
    (void)closedir(dir);
    if (r == 0)
        content_sweep(store);
    return r;
}
