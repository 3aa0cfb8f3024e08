/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/import_offline.h"

#include "base/log.h"
#include "dms/dms.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What is lost by a crash, and how much a commit takes. */
enum { COMMIT_COUNT = 100 };
#define COMMIT_SIZE ((int64_t)64 << 20)

struct import {
    struct store *store;
    struct actor actor;
    struct import_counts *counts;
    int64_t since_count, since_size; /* not committed yet */
    struct stat data;                /* the store itself, which would never end */
};

static int committed(struct import *import, int64_t size)
{
    import->since_count++;
    import->since_size += size;
    if (import->since_count < COMMIT_COUNT && import->since_size < COMMIT_SIZE)
        return 0;
    import->since_count = import->since_size = 0;
    return store_commit(import->store);
}

/* Something that is no document: told of, and passed over. */
static int leave_out(struct import *import, const char *name, const char *why)
{
    LOG_WARNING("left out", LOG_TEXT("name", name), LOG_TEXT("reason", why));
    import->counts->left_out++;
    return 0;
}

static int bytes_take(struct import *import, int fd, struct content_draft *draft)
{
    uint8_t *block = malloc(STORE_GATHER_SIZE);
    int r = block ? 0 : -ENOMEM;
    for (ssize_t n = 1; r == 0 && n != 0;) {
        n = read(fd, block, STORE_GATHER_SIZE);
        if (n > 0)
            r = content_draft_write(import->store, draft, slice_of(block, (size_t)n));
        else if (n < 0 && errno != EINTR)
            r = -errno;
    }
    free(block);
    return r;
}

static int file_take(struct import *import, int fd, const char *name, int64_t parent)
{
    struct content_draft draft = {.fd = -1};
    int64_t key, size = 0;
    int r = bytes_take(import, fd, &draft);
    if (r == 0)
        r = content_sync(&draft, store_incoming_fd(import->store));
    size = draft.size;
    if (r == 0)
        r = document_create(import->store, &import->actor, parent, name, media_type_of(name),
                            &draft, &key);
    content_drop(import->store, &draft);
    if (r == 0)
        import->counts->documents++;
    return r < 0 ? r : committed(import, size);
}

static int folder_take(struct import *import, int fd, int64_t folder, int depth);

static int folder_make(struct import *import, const char *name, int64_t parent, int64_t *ret_key)
{
    int r = folder_create(import->store, &import->actor, parent, name, ret_key);
    if (r == 0)
        import->counts->folders++;
    return r < 0 ? r : committed(import, 0);
}

/* `fd` stays the caller's. */
static int entry_take(struct import *import, int fd, const char *name, int64_t parent, int depth)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node;
    struct stat st;
    int64_t key = 0;
    if (fstat(fd, &st) < 0)
        return -errno;
    bool is_folder = S_ISDIR(st.st_mode);
    if (st.st_dev == import->data.st_dev && st.st_ino == import->data.st_ino)
        return leave_out(import, name, "the documents themselves");
    if (!is_folder && !S_ISREG(st.st_mode))
        return leave_out(import, name, "neither a file nor a folder");
    if (node_name_check(name) < 0)
        return leave_out(import, name, "no name for a document");
    if (is_folder && depth >= STORE_DEPTH_MAX)
        return leave_out(import, name, "too deep");
    int r = node_child(import->store, &arena, parent, name, &node);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && is_folder != (node.kind == NODE_FOLDER))
        return leave_out(import, name, "something else has the name");
    if (r == 0 && !is_folder) {
        import->counts->there++;
        return 0;
    }
    if (!is_folder)
        return file_take(import, fd, name, parent);
    if (r == 0)
        key = node.key;
    else
        r = folder_make(import, name, parent, &key);
    return r < 0 ? r : folder_take(import, fd, key, depth + 1);
}

static int entry_open(struct import *import, int dir_fd, const char *name, int64_t parent,
                      int depth)
{
    /* A pipe must not hold us up. */
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENXIO))
        return leave_out(import, name, "neither a file nor a folder");
    if (fd < 0)
        return leave_out(import, name, strerror(errno));
    int r = entry_take(import, fd, name, parent, depth);
    (void)close(fd);
    return r;
}

static int folder_take(struct import *import, int fd, int64_t folder, int depth)
{
    int own = dup(fd);
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    int r = dir ? 0 : -errno;
    if (!dir && own >= 0)
        (void)close(own);
    while (r == 0) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            r = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = entry_open(import, fd, entry->d_name, folder, depth);
    }
    if (dir)
        (void)closedir(dir);
    return r;
}

static int all_take(struct import *import, const char *folder, struct error *e)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, -errno, "the folder '%s' cannot be opened", folder);
    int r = folder_take(import, fd, STORE_ROOT, 0);
    (void)close(fd);
    int last = store_commit(import->store);
    r = r < 0 ? r : last;
    if (r == -EQUOTA_BYTES || r == -EQUOTA_DOCUMENTS)
        return error_set(e, r, "the quota of '%s' is used up", import->actor.user);
    return r < 0 ? error_set(e, r, "not everything could be stored") : 0;
}

static int user_settle(struct store *store, const char *as, struct error *e)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct user user;
    int r = user_find(store, &arena, as, &user);
    return r < 0 ? error_set(e, r, "there is no user '%s'", as) : 0;
}

int import_offline(const char *data, const char *folder, const char *as,
                   struct import_counts *ret_counts, struct error *e)
{
    SCOPED(buf_done) struct buf path = {0};
    struct store *store = NULL;
    struct timespec now = {0};
    struct stat database, directory = {0};
    (void)buf_printf(&path, "%s/coffer.db", data);
    const char *text = buf_text(&path);
    /* A wrong directory is not to become a new store. */
    if (!text || stat(text, &database) < 0 || stat(data, &directory) < 0)
        return error_set(e, text ? -errno : -ENOMEM, "there are no documents in '%s'", data);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int r = store_open(data, &store, e);
    if (r == 0)
        r = user_settle(store, as, e);
    if (r == 0) {
        struct import import = {.store = store,
                                .actor = {as, (int64_t)now.tv_sec * 1000, "import"},
                                .counts = ret_counts,
                                .data = directory};
        r = all_take(&import, folder, e);
    }
    store_close(store);
    return r;
}
