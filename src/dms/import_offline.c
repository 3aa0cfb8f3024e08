/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/import_offline.h"

#include "base/log.h"
#include "dms/dms.h"
#include "dms/import_mail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* A document on its way in, with the beginning of an e-mail. */
struct taking {
    struct import *import;
    struct content_draft draft;
    bool is_mail;
    struct buf head;
};

static int piece_take(void *arg, struct slice bytes)
{
    struct taking *taking = arg;
    size_t room = MAIL_HEAD_MAX - taking->head.size;
    if (taking->is_mail && buf_append(&taking->head, bytes.bytes, MIN(room, bytes.size)) < 0)
        return -ENOMEM;
    return content_draft_write(taking->import->store, &taking->draft, bytes);
}

/* A whole file, piece by piece. */
static int bytes_read(int fd, int (*fn)(void *arg, struct slice bytes), void *arg)
{
    uint8_t *block = malloc(STORE_GATHER_SIZE);
    int r = block ? 0 : -ENOMEM;
    for (ssize_t n = 1; r == 0 && n != 0;) {
        n = read(fd, block, STORE_GATHER_SIZE);
        if (n > 0)
            r = fn(arg, slice_of(block, (size_t)n));
        else if (n < 0 && errno != EINTR)
            r = -errno;
    }
    free(block);
    return r;
}

static int mail_describe(struct taking *taking, int64_t key)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct property properties[MAIL_PROPERTIES_MAX];
    size_t count = 0;
    int r = mail_properties(buf_slice(&taking->head), &arena, properties, &count);
    return r < 0 || count == 0 ? r
                               : properties_set(taking->import->store, &taking->import->actor, key,
                                                properties, count);
}

/* Document and properties are one change. */
static int document_make(struct taking *taking, const char *name, int64_t parent)
{
    struct import *import = taking->import;
    int64_t key = 0;
    int r = store_step_begin(import->store);
    if (r < 0)
        return r;
    r = document_create(import->store, &import->actor, parent, name, media_type_of(name),
                        &taking->draft, &key);
    if (r == 0 && taking->is_mail)
        r = mail_describe(taking, key);
    return store_step_end(import->store, r);
}

/* `r`: how its bytes came in. */
static int taking_end(struct taking *taking, const char *name, int64_t parent, int r)
{
    struct import *import = taking->import;
    int64_t size = taking->draft.size;
    if (r == 0)
        r = content_sync(&taking->draft, store_incoming_fd(import->store));
    if (r == 0)
        r = document_make(taking, name, parent);
    content_drop(import->store, &taking->draft);
    buf_done(&taking->head);
    if (r == 0)
        import->counts->documents++;
    return r < 0 ? r : committed(import, size);
}

static int file_take(struct import *import, int fd, const char *name, int64_t parent)
{
    struct taking taking = {
        .import = import, .draft = {.fd = -1}, .is_mail = mail_is_message(name)};
    int r = bytes_read(fd, piece_take, &taking);
    return taking_end(&taking, name, parent, r);
}

static int folder_take(struct import *import, int fd, int64_t folder, int depth);

static int folder_make(struct import *import, const char *name, int64_t parent, int64_t *ret_key)
{
    int r = folder_create(import->store, &import->actor, parent, name, ret_key);
    if (r == 0)
        import->counts->folders++;
    return r < 0 ? r : committed(import, 0);
}

/* An mbox is a folder of its messages, by number. */
struct mbox_taking {
    struct import *import;
    struct mbox mbox;
    int64_t parent, number; /* of the message at hand; 0: none */
    bool there;             /* it is stored already */
    struct taking message;
};

static int message_end(struct mbox_taking *taking)
{
    char name[32];
    if (taking->number == 0)
        return 0;
    (void)snprintf(name, sizeof name, "%06lld.eml", (long long)taking->number);
    if (!taking->there)
        return taking_end(&taking->message, name, taking->parent, 0);
    taking->import->counts->there++;
    return 0;
}

static int message_begin(struct mbox_taking *taking, int64_t number)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node;
    char name[32];
    taking->number = number;
    taking->message =
        (struct taking){.import = taking->import, .draft = {.fd = -1}, .is_mail = true};
    (void)snprintf(name, sizeof name, "%06lld.eml", (long long)number);
    int r = node_child(taking->import->store, &arena, taking->parent, name, &node);
    taking->there = r == 0;
    return r == -ENOENT ? 0 : r;
}

static int message_piece(void *arg, int64_t number, struct slice bytes)
{
    struct mbox_taking *taking = arg;
    int r = 0;
    if (number != taking->number) {
        r = message_end(taking);
        taking->number = 0;
        if (r == 0)
            r = message_begin(taking, number);
    }
    return r < 0 || taking->there ? r : piece_take(&taking->message, bytes);
}

static int mbox_piece(void *arg, struct slice bytes)
{
    struct mbox_taking *taking = arg;
    return mbox_take(&taking->mbox, bytes);
}

static int mbox_file_take(struct import *import, int fd, int64_t parent)
{
    struct mbox_taking taking = {
        .import = import, .parent = parent, .message = {.draft = {.fd = -1}}};
    taking.mbox = (struct mbox){.fn = message_piece, .arg = &taking, .after_blank = true};
    int r = bytes_read(fd, mbox_piece, &taking);
    if (r == 0)
        r = mbox_end(&taking.mbox);
    if (r == 0)
        return message_end(&taking);
    content_drop(import->store, &taking.message.draft);
    buf_done(&taking.message.head);
    return r;
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
    bool is_mbox = S_ISREG(st.st_mode) && mail_is_mbox(name);
    bool is_folder = S_ISDIR(st.st_mode) || is_mbox;
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
    if (r == 0 && is_mbox)
        return mbox_file_take(import, fd, key);
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
