/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/authority_file.h"
#include "base/buf.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/crypto.h"
#include "platform/host.h"

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

int authority_file_new(const char *path, const struct key256 *volume_key,
                       struct authority_file **ret_authority, struct error *e)
{
    if (strlen(path) >= PATH_SIZE_MAX)
        return error_set(e, -ENAMETOOLONG, "the path of the freshness file is too long");
    struct authority_file *a = calloc(1, sizeof *a);
    if (!a)
        return error_set(e, -ENOMEM, "no memory");
    a->ops = (struct volume_authority){authority_open, authority_report, authority_report, a};
    (void)snprintf(a->path, sizeof a->path, "%s", path);
    (void)snprintf(a->path_new, sizeof a->path_new, "%s.new", path);
    int r = hkdf_sha256(slice_of(volume_key->bytes, sizeof volume_key->bytes), (struct slice){0},
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
