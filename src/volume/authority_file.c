/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/authority_file.h"
#include "base/buf.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/crypto.h"
#include "platform/host.h"
#include "platform/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

/* magic 8, volume id 16, epoch 8, sequence 8, tag 32, opening id 16, HMAC-SHA-256 32 */
enum { BODY_SIZE = 88, FILE_SIZE = BODY_SIZE + SHA256_SIZE, PATH_SIZE_MAX = 4096 };

static const char MAGIC[8] = "CofferA\1";

struct authority_file {
    struct volume_authority ops;
    struct key256 key;
    char path[PATH_SIZE_MAX];
    char path_new[PATH_SIZE_MAX + 8];
    char erase_path[PATH_SIZE_MAX + 8];
    char erase_path_new[PATH_SIZE_MAX + 16];
    uint8_t opening_id[16];
};

static int body_mac(const struct authority_file *a, const uint8_t *body, uint8_t mac[SHA256_SIZE])
{
    const struct slice part = slice_of(body, BODY_SIZE);
    return hmac_sha256(slice_of(a->key.bytes, sizeof a->key.bytes), &part, 1, mac);
}

static int head_write(struct authority_file *a, const uint8_t id[VOLUME_ID_SIZE],
                      const struct volume_head *head)
{
    uint8_t bytes[FILE_SIZE];
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_bytes(&wr, MAGIC, sizeof MAGIC);
    writer_bytes(&wr, id, VOLUME_ID_SIZE);
    writer_u64(&wr, head->epoch);
    writer_u64(&wr, head->sequence);
    writer_bytes(&wr, head->tag, sizeof head->tag);
    writer_bytes(&wr, a->opening_id, sizeof a->opening_id);
    int r = body_mac(a, bytes, bytes + BODY_SIZE);
    if (r < 0)
        return r;
    int fd = host_openat(AT_FDCWD, a->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fd;
    r = host_pwrite(fd, bytes, sizeof bytes, 0);
    if (r == 0)
        r = host_fdatasync(fd);
    host_close(fd);
    /* The new one is whole on the disk before it takes the old one's place. */
    return r < 0 ? r : host_renameat(AT_FDCWD, a->path_new, AT_FDCWD, a->path);
}

/* -ENOENT: nothing is known yet. */
static int head_read(struct authority_file *a, const uint8_t id[VOLUME_ID_SIZE],
                     struct volume_head *ret_head, uint8_t ret_opening_id[16])
{
    uint8_t bytes[FILE_SIZE + 1], mac[SHA256_SIZE];
    struct volume_head head;
    int fd = host_openat(AT_FDCWD, a->path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    ssize_t n = host_pread(fd, bytes, sizeof bytes, 0);
    host_close(fd);
    if (n < 0)
        return (int)n;
    if (n != FILE_SIZE)
        return -EBADMSG;
    int r = body_mac(a, bytes, mac);
    if (r == 0)
        r = ct_verify(mac, bytes + BODY_SIZE, sizeof mac);
    if (r < 0)
        return r;
    struct reader rd = reader_over(slice_of(bytes, BODY_SIZE));
    const uint8_t *magic = reader_take(&rd, sizeof MAGIC);
    const uint8_t *found = reader_take(&rd, VOLUME_ID_SIZE);
    head.epoch = reader_u64(&rd);
    head.sequence = reader_u64(&rd);
    reader_copy(&rd, head.tag, sizeof head.tag);
    reader_copy(&rd, ret_opening_id, 16);
    if (!reader_finished(&rd) || memcmp(magic, MAGIC, sizeof MAGIC) != 0 ||
        memcmp(found, id, VOLUME_ID_SIZE) != 0)
        return -EBADMSG;
    *ret_head = head;
    return 0;
}

static int authority_open(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                          const uint8_t opening_key_id[16], struct volume_head *ret_head,
                          struct error *e)
{
    struct authority_file *a = ctx;
    struct volume_head head = {0};
    uint8_t last[16];
    int r = head_read(a, id, &head, last);
    if (r < 0 && r != -ENOENT)
        return error_set(e, r,
                         r == -EBADMSG ? "'%s' is damaged or belongs to another volume or key"
                                       : "'%s' cannot be read",
                         a->path);
    head.epoch++;
    memcpy(a->opening_id, opening_key_id, sizeof a->opening_id);
    r = head_write(a, id, &head);
    if (r < 0)
        return error_set(e, r, "'%s' cannot be written", a->path);
    *ret_head = head;
    return 0;
}

static int authority_report(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                            const struct volume_head *head)
{
    struct authority_file *a = ctx;
    struct volume_head known;
    uint8_t last[16];
    int r = head_read(a, id, &known, last);
    if (r < 0)
        return r;
    if (known.epoch != head->epoch || memcmp(last, a->opening_id, sizeof last) != 0)
        return -ESTALE;
    return head_write(a, id, head);
}

/* --- erase keys --- */

/* magic 8, volume id 16, count 4, rows of number 4 and key 32, HMAC-SHA-256 32 */
enum {
    ERASE_KEYS_MAX = 4,
    ERASE_ROW_SIZE = 36,
    ERASE_BODY_SIZE = 28 + ERASE_KEYS_MAX * ERASE_ROW_SIZE
};

static const char ERASE_MAGIC[8] = "CofferE\1";

struct erase_keys {
    uint32_t count;
    uint32_t epochs[ERASE_KEYS_MAX];
    struct key256 keys[ERASE_KEYS_MAX];
};

static void erase_keys_wipe(struct erase_keys *keys)
{
    secret_wipe(keys, sizeof *keys);
}

static int erase_mac(const struct authority_file *a, const uint8_t *body, uint8_t mac[SHA256_SIZE])
{
    const struct slice part = slice_of(body, ERASE_BODY_SIZE);
    return hmac_sha256(slice_of(a->key.bytes, sizeof a->key.bytes), &part, 1, mac);
}

static int erase_parse(struct slice body, const uint8_t id[VOLUME_ID_SIZE], struct erase_keys *keys)
{
    struct reader rd = reader_over(body);
    const uint8_t *magic = reader_take(&rd, sizeof ERASE_MAGIC);
    const uint8_t *found = reader_take(&rd, VOLUME_ID_SIZE);
    keys->count = reader_u32(&rd);
    for (unsigned i = 0; i < ERASE_KEYS_MAX; i++) {
        keys->epochs[i] = reader_u32(&rd);
        reader_copy(&rd, keys->keys[i].bytes, sizeof keys->keys[i].bytes);
    }
    return !reader_finished(&rd) || memcmp(magic, ERASE_MAGIC, sizeof ERASE_MAGIC) != 0 ||
                   memcmp(found, id, VOLUME_ID_SIZE) != 0 || keys->count > ERASE_KEYS_MAX
               ? -EBADMSG
               : 0;
}

/* None, if there is no file yet. */
static int erase_read(struct authority_file *a, const uint8_t id[VOLUME_ID_SIZE],
                      struct erase_keys *keys)
{
    uint8_t bytes[ERASE_BODY_SIZE + SHA256_SIZE + 1], mac[SHA256_SIZE];
    *keys = (struct erase_keys){0};
    int fd = host_openat(AT_FDCWD, a->erase_path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    ssize_t n = host_pread(fd, bytes, sizeof bytes, 0);
    host_close(fd);
    int r = n < 0 ? (int)n : n != ERASE_BODY_SIZE + SHA256_SIZE ? -EBADMSG : 0;
    if (r == 0)
        r = erase_mac(a, bytes, mac);
    if (r == 0)
        r = ct_verify(mac, bytes + ERASE_BODY_SIZE, sizeof mac);
    if (r == 0)
        r = erase_parse(slice_of(bytes, ERASE_BODY_SIZE), id, keys);
    secret_wipe(bytes, sizeof bytes);
    return r;
}

/* What the file held before is written over; a file system that keeps copies keeps it, too. */
static void old_overwrite(int fd)
{
    static const uint8_t zeros[ERASE_BODY_SIZE + SHA256_SIZE];
    if (fd < 0)
        return;
    if (host_pwrite(fd, zeros, sizeof zeros, 0) == 0)
        (void)!host_fsync(fd);
    host_close(fd);
}

static int erase_write(struct authority_file *a, const uint8_t id[VOLUME_ID_SIZE],
                       const struct erase_keys *keys)
{
    uint8_t bytes[ERASE_BODY_SIZE + SHA256_SIZE];
    struct writer wr = writer_over(bytes, ERASE_BODY_SIZE);
    writer_bytes(&wr, ERASE_MAGIC, sizeof ERASE_MAGIC);
    writer_bytes(&wr, id, VOLUME_ID_SIZE);
    writer_u32(&wr, keys->count);
    for (unsigned i = 0; i < ERASE_KEYS_MAX; i++) {
        writer_u32(&wr, i < keys->count ? keys->epochs[i] : 0);
        if (i < keys->count)
            writer_bytes(&wr, keys->keys[i].bytes, sizeof keys->keys[i].bytes);
        else
            writer_zeros(&wr, sizeof keys->keys[i].bytes);
    }
    int r = erase_mac(a, bytes, bytes + ERASE_BODY_SIZE);
    int fd = r < 0 ? r
                   : host_openat(AT_FDCWD, a->erase_path_new,
                                 O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        r = host_pwrite(fd, bytes, sizeof bytes, 0);
        if (r == 0)
            r = host_fsync(fd);
        host_close(fd);
    }
    secret_wipe(bytes, sizeof bytes);
    if (fd < 0 || r < 0)
        return fd < 0 ? fd : r;
    int old = host_openat(AT_FDCWD, a->erase_path, O_WRONLY | O_CLOEXEC, 0);
    r = host_renameat(AT_FDCWD, a->erase_path_new, AT_FDCWD, a->erase_path);
    if (r < 0 && old >= 0)
        host_close(old);
    else
        old_overwrite(old);
    return r;
}

static int authority_erase_key(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch,
                               struct key256 *ret_key)
{
    struct authority_file *a = ctx;
    SCOPED(erase_keys_wipe) struct erase_keys keys;
    int r = erase_read(a, id, &keys);
    if (r < 0)
        return r;
    uint32_t newest = 0;
    for (unsigned i = 0; i < keys.count; i++) {
        newest = MAX(newest, keys.epochs[i]);
        if (keys.epochs[i] == epoch) {
            *ret_key = keys.keys[i];
            return 0;
        }
    }
    if (epoch != newest + 1 || keys.count == ERASE_KEYS_MAX)
        return -ENOKEY;
    keys.epochs[keys.count] = epoch;
    r = platform()->random(keys.keys[keys.count].bytes, sizeof keys.keys[0].bytes);
    *ret_key = keys.keys[keys.count++];
    return r < 0 ? r : erase_write(a, id, &keys);
}

static int authority_erase_drop(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch)
{
    struct authority_file *a = ctx;
    SCOPED(erase_keys_wipe) struct erase_keys keys;
    SCOPED(erase_keys_wipe) struct erase_keys kept = {0};
    int r = erase_read(a, id, &keys);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < keys.count; i++) {
        if (keys.epochs[i] < epoch)
            continue;
        kept.epochs[kept.count] = keys.epochs[i];
        kept.keys[kept.count++] = keys.keys[i];
    }
    return kept.count == keys.count ? 0 : erase_write(a, id, &kept);
}

int authority_file_new(const char *path, const struct key256 *secret,
                       struct authority_file **ret_authority, struct error *e)
{
    if (strlen(path) >= PATH_SIZE_MAX)
        return error_set(e, -ENAMETOOLONG, "the path of the freshness file is too long");
    struct authority_file *a = calloc(1, sizeof *a);
    if (!a)
        return error_set(e, -ENOMEM, "no memory");
    a->ops = (struct volume_authority){.open = authority_open,
                                       .report = authority_report,
                                       .close = authority_report,
                                       .erase_key = authority_erase_key,
                                       .erase_drop = authority_erase_drop,
                                       .ctx = a};
    (void)snprintf(a->path, sizeof a->path, "%s", path);
    (void)snprintf(a->path_new, sizeof a->path_new, "%s.new", path);
    size_t stem = strlen(path);
    if (stem > 5 && strcmp(path + stem - 5, ".head") == 0)
        stem -= 5;
    (void)snprintf(a->erase_path, sizeof a->erase_path, "%.*s.erase", (int)stem, path);
    (void)snprintf(a->erase_path_new, sizeof a->erase_path_new, "%s.new", a->erase_path);
    int r = hkdf_sha256(slice_of(secret->bytes, sizeof secret->bytes), (struct slice){0},
                        slice_of_text("coffer volume 1 authority file"), &a->key);
    if (r < 0) {
        authority_file_free(a);
        return error_set(e, r, "no key for the freshness file");
    }
    *ret_authority = a;
    return 0;
}

void authority_file_free(struct authority_file *a)
{
    if (a)
        key256_wipe(&a->key);
    free(a);
}

const struct volume_authority *authority_file_ops(struct authority_file *a)
{
    return &a->ops;
}
