/* SPDX-License-Identifier: Apache-2.0 */
/* The state as a whole: its root key, its bytes, and what a commit changes as a record that another
 * key broker can repeat. */
#include "kbs/store_internal.h"

#include "base/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT_FILE "root-key"
#define ROOT_WHERE "root//"

enum { ARGUMENTS_MAX = 12, ARGUMENT_SIZE_MAX = 1 << 20 };

/* ---- the root key: what all rows are sealed under, itself sealed by the platform ---- */

static int small_file_read(const char *path, struct buf *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    uint8_t *to = buf_reserve(ret, 512);
    ssize_t n = to ? read(fd, to, 512) : -1;
    close(fd);
    if (n < 0)
        return -EIO;
    ret->size += (size_t)n;
    return 0;
}

/* Beside, synced, then in its place: never half of it, also after a power cut. */
static int small_file_write(const char *dir, const char *name, struct slice bytes)
{
    char path[4096], fresh[4096];
    snprintf(path, sizeof path, "%.4000s/%s", dir, name);
    snprintf(fresh, sizeof fresh, "%.4000s/%s.new", dir, name);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int r = 0;
    for (size_t at = 0; r == 0 && at < bytes.size;) {
        ssize_t n = write(fd, bytes.bytes + at, bytes.size - at);
        r = n > 0 ? 0 : -EIO;
        at += n > 0 ? (size_t)n : 0;
    }
    if (r == 0 && fsync(fd) < 0)
        r = -EIO;
    close(fd);
    if (r == 0 && rename(fresh, path) < 0)
        r = -errno;
    int folder = r == 0 ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (r == 0 && (folder < 0 || fsync(folder) < 0))
        r = -EIO;
    if (folder >= 0)
        close(folder);
    return r;
}

int store_root_write(const char *dir, const struct key256 *platform_key, const struct key256 *root)
{
    struct store sealer = {.seal_key = *platform_key};
    SCOPED(buf_done) struct buf sealed = {0};
    int r = store_seal(&sealer, ROOT_WHERE, slice_of(root->bytes, sizeof root->bytes), &sealed);
    key256_wipe(&sealer.seal_key);
    return r < 0 ? r : small_file_write(dir, ROOT_FILE, buf_slice(&sealed));
}

static int root_read(const char *dir, const struct key256 *platform_key, struct key256 *ret)
{
    struct store sealer = {.seal_key = *platform_key};
    SCOPED(buf_done) struct buf sealed = {0}, plain = {0};
    char path[4096];
    snprintf(path, sizeof path, "%.4000s/" ROOT_FILE, dir);
    int r = small_file_read(path, &sealed);
    if (r == 0)
        r = store_unseal(&sealer, ROOT_WHERE, buf_slice(&sealed), &plain);
    key256_wipe(&sealer.seal_key);
    if (r == 0 && plain.size != sizeof ret->bytes)
        r = -EBADMSG;
    if (r == 0)
        memcpy(ret->bytes, plain.bytes, sizeof ret->bytes);
    return r;
}

/* A state without one is new, or was made before there were root keys: then the platform's key is it,
 * and moves into the file. */
int store_root_open(struct store *store, const char *dir, const struct key256 *platform_key,
                    struct error *e)
{
    sqlite3_stmt *any = NULL;
    int r = root_read(dir, platform_key, &store->seal_key);
    if (r == -EBADMSG)
        return error_set(e, r,
                         "the root key in '%s' cannot be unsealed: it belongs to another "
                         "device, program or manifest (coffer-kbs --shares restores it)",
                         dir);
    if (r != -ENOENT)
        return r < 0 ? error_set(e, r, "cannot read the root key in '%s'", dir) : 0;
    r = sqlite3_prepare_v2(store->db, "SELECT 1 FROM setting LIMIT 1", -1, &any, NULL) == SQLITE_OK
            ? 0
            : -EIO;
    bool old = r == 0 && sqlite3_step(any) == SQLITE_ROW;
    sqlite3_finalize(any);
    store->seal_key = *platform_key;
    if (r == 0 && !old)
        r = crypto_random(store->seal_key.bytes, sizeof store->seal_key.bytes);
    if (r == 0)
        r = store_root_write(dir, platform_key, &store->seal_key);
    return r < 0 ? error_set(e, r, "cannot make a root key in '%s'", dir) : 0;
}

void store_root(const struct store *store, struct key256 *ret_root)
{
    *ret_root = store->seal_key;
}

int store_root_id(const struct store *store, struct key256 *ret_id)
{
    return hkdf_sha256(slice_of(store->seal_key.bytes, sizeof store->seal_key.bytes),
                       (struct slice){0}, slice_of_text("coffer root key id"), ret_id);
}

/* ---- bytes ---- */

int store_serialize(struct store *store, struct buf *ret)
{
    sqlite3_int64 size = 0;
    unsigned char *bytes = sqlite3_serialize(store->db, "main", &size, 0);
    int r = bytes && size > 0 ? buf_append(ret, bytes, (size_t)size) : -ENOMEM;
    sqlite3_free(bytes);
    return r;
}

int store_replace(struct store *store, struct slice database, const struct key256 *root)
{
    sqlite3 *from = NULL;
    unsigned char *copy = sqlite3_malloc64(database.size ? database.size : 1);
    if (!copy || store->in_transaction) {
        sqlite3_free(copy);
        return copy ? -EBUSY : -ENOMEM;
    }
    memcpy(copy, database.bytes, database.size);
    /* Its header says write-ahead log (offsets 18 and 19 of the file format), which memory has none of. */
    if (database.size >= 100)
        copy[18] = copy[19] = 1;
    int r = sqlite3_open(":memory:", &from) == SQLITE_OK ? 0 : -ENOMEM;
    if (r == 0 && sqlite3_deserialize(from, "main", copy, (sqlite3_int64)database.size,
                                      (sqlite3_int64)database.size,
                                      SQLITE_DESERIALIZE_FREEONCLOSE) != SQLITE_OK)
        r = -EBADMSG;
    /* All or nothing: the backup is one transaction of the target. */
    sqlite3_backup *backup = r == 0 ? sqlite3_backup_init(store->db, "main", from, "main") : NULL;
    if (r == 0 && (!backup || sqlite3_backup_step(backup, -1) != SQLITE_DONE))
        r = -EIO;
    if (backup && sqlite3_backup_finish(backup) != SQLITE_OK)
        r = -EIO;
    sqlite3_close(from);
    if (r == 0)
        store->seal_key = *root;
    return r;
}

int store_file_write(const char *dir, struct slice database)
{
    return small_file_write(dir, "kbs.db", database);
}

/* ---- what a commit changes ---- */

static void number_append(struct buf *out, uint64_t n, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        buf_append_byte(out, (uint8_t)(n >> (8 * i)));
}

void store_record(struct store *store, enum store_statement id, const char *types, va_list args)
{
    struct buf *out = &store->record;
    number_append(out, id, 2);
    number_append(out, strlen(types), 1);
    for (; *types; types++) {
        buf_append_byte(out, (uint8_t)*types);
        if (*types == 't') {
            struct slice text = slice_of_text(va_arg(args, const char *));
            number_append(out, text.size, 4);
            buf_append_slice(out, text);
        } else if (*types == 'b') {
            const struct slice *bytes = va_arg(args, const struct slice *);
            number_append(out, bytes->size, 4);
            buf_append_slice(out, *bytes);
        } else {
            number_append(out, (uint64_t)va_arg(args, int64_t), 8);
        }
    }
}

static int argument_bind(sqlite3_stmt *statement, int at, struct reader *rd)
{
    uint8_t type = reader_u8(rd);
    if (type == 'i')
        return sqlite3_bind_int64(statement, at, (sqlite3_int64)reader_u64(rd)) == SQLITE_OK ? 0
                                                                                             : -EIO;
    size_t size = reader_u32(rd);
    struct slice bytes = reader_slice(rd, size);
    if (!reader_ok(rd) || size > ARGUMENT_SIZE_MAX || (type != 't' && type != 'b'))
        return -EBADMSG;
    const void *from = bytes.size ? bytes.bytes : (const void *)"";
    int r = type == 't' ? sqlite3_bind_text(statement, at, from, (int)bytes.size, SQLITE_TRANSIENT)
                        : sqlite3_bind_blob64(statement, at, from, bytes.size, SQLITE_TRANSIENT);
    return r == SQLITE_OK ? 0 : -EIO;
}

static int one_apply(struct store *store, struct reader *rd)
{
    unsigned id = reader_u16(rd), count = reader_u8(rd);
    if (!reader_ok(rd) || id >= STORE_STATEMENT_COUNT || count > ARGUMENTS_MAX ||
        !store_statement_writes((enum store_statement)id))
        return -EBADMSG;
    sqlite3_stmt *statement = store_bind(store, (enum store_statement)id, "");
    int r = statement ? 0 : -EIO;
    if (r == 0 && sqlite3_bind_parameter_count(statement) != (int)count)
        r = -EBADMSG;
    for (unsigned i = 0; r == 0 && i < count; i++)
        r = argument_bind(statement, (int)i + 1, rd);
    if (r == 0 && !reader_ok(rd))
        r = -EBADMSG;
    if (r == 0)
        return store_step_done(statement);
    store_reset(&statement);
    return r;
}

int store_apply(struct store *store, struct slice record)
{
    struct reader rd = reader_over(record);
    int r = store->in_transaction ? -EBUSY : store_run(store, STORE_BEGIN, "");
    if (r < 0)
        return r;
    while (r == 0 && reader_left(&rd) > 0)
        r = one_apply(store, &rd);
    if (r == 0 && !reader_finished(&rd))
        r = -EBADMSG;
    if (r == 0) {
        r = store_run(store, STORE_COMMIT, "");
        return r < 0 ? r : store_forget(store);
    }
    int undone = store_run(store, STORE_ROLLBACK, "");
    return undone < 0 ? -EIO : r;
}

int store_leases_restart(struct store *store, uint64_t deadline_ms)
{
    return store_run(store, STORE_LEASES_RESTART, "i", (int64_t)deadline_ms);
}

int store_role_read(const char *dir, char ret_role[STORE_ROLE_SIZE])
{
    SCOPED(buf_done) struct buf text = {0};
    char path[4096];
    snprintf(path, sizeof path, "%.4000s/role", dir);
    int r = small_file_read(path, &text);
    if (r < 0)
        return r;
    size_t size = MIN(text.size, (size_t)STORE_ROLE_SIZE - 1);
    memcpy(ret_role, text.bytes, size);
    ret_role[size] = '\0';
    ret_role[strcspn(ret_role, "\n")] = '\0';
    return 0;
}

int store_role_write(const char *dir, const char *role)
{
    char line[STORE_ROLE_SIZE + 1];
    int n = snprintf(line, sizeof line, "%s\n", role);
    return n > 0 && (size_t)n < sizeof line
               ? small_file_write(dir, "role", slice_of(line, (size_t)n))
               : -EINVAL;
}
