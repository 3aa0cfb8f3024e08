/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: the volume key wraps a master key, on the superblock; the master key, with an erase key where
 * the authority keeps such, wraps each segment's own. So another volume key costs one superblock,
 * and what lies in dropped segments is gone for good with the erase key. */
#include "platform/ops.h"
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

struct key_row {
    uint64_t segment;
    struct key256 key;
};

static int derive(const struct volume *v, const struct slice secret, const char *what,
                  struct key256 *ret_key)
{
    return hkdf_sha256(secret, slice_of(v->id, sizeof v->id), slice_of_text(what), ret_key);
}

static int derived_aead(const struct volume *v, const struct slice secret, const char *what,
                        struct aead **ret_aead)
{
    SCOPED(key256_wipe) struct key256 key;
    int r = derive(v, secret, what, &key);
    return r < 0 ? r : aead_new(&key, ret_aead);
}

static struct slice key_slice(const struct key256 *key)
{
    return slice_of(key->bytes, sizeof key->bytes);
}

int volume_keys_init(struct volume *v, const struct key256 *key)
{
    return derived_aead(v, key_slice(key), "coffer volume 2 master key", &v->kek);
}

void wraps_forget(struct volume *v)
{
    for (unsigned i = 0; i < ARRAY_COUNT(v->wraps); i++) {
        aead_free(v->wraps[i].aead);
        v->wraps[i] = (struct wrap){0};
    }
    aead_free(v->table_wrap.aead);
    v->table_wrap = (struct wrap){0};
}

static void key_rows_free(struct volume *v)
{
    if (v->key_rows)
        secret_wipe(v->key_rows, v->key_row_count * sizeof *v->key_rows);
    free(v->key_rows);
    v->key_rows = NULL;
    v->key_row_count = 0;
}

void volume_keys_done(struct volume *v)
{
    segments_aead_drop(v, 0);
    wraps_forget(v);
    key_rows_free(v);
    aead_free(v->kek);
    aead_free(v->super);
    v->kek = v->super = NULL;
    key256_wipe(&v->masters[0]);
    key256_wipe(&v->masters[1]);
}

/* --- master keys --- */

int master_seal(struct volume *v, unsigned which)
{
    uint8_t associated[MASTER_ASSOCIATED_SIZE], *out = v->superblock.masters[which];
    master_associated(&v->superblock, v->id, which, associated);
    int r = platform()->random(out, AEAD_NONCE_SIZE);
    uint8_t *cipher = out + AEAD_NONCE_SIZE;
    return r < 0 ? r
                 : aead_seal(v->kek, out, slice_of(associated, sizeof associated),
                             v->masters[which].bytes, sizeof v->masters[which].bytes, cipher,
                             cipher + sizeof v->masters[which].bytes);
}

int master_open(struct volume *v, const struct superblock *sb, unsigned which,
                struct key256 *ret_key)
{
    uint8_t associated[MASTER_ASSOCIATED_SIZE];
    const uint8_t *in = sb->masters[which], *cipher = in + AEAD_NONCE_SIZE;
    master_associated(sb, v->id, which, associated);
    return aead_open(v->kek, in, slice_of(associated, sizeof associated), cipher,
                     sizeof ret_key->bytes, cipher + sizeof ret_key->bytes, ret_key->bytes);
}

int super_aead(const struct volume *v, const struct key256 *master, struct aead **ret_aead)
{
    return derived_aead(v, key_slice(master), "coffer volume 2 superblock", ret_aead);
}

int master_renew(struct volume *v)
{
    struct superblock *sb = &v->superblock;
    struct aead *super = NULL;
    v->masters[1] = v->masters[0];
    bool had = sb->master_epoch > 0;
    int r = platform()->random(v->masters[0].bytes, sizeof v->masters[0].bytes);
    sb->master_epoch++;
    sb->has_previous_master = had;
    if (r == 0)
        r = super_aead(v, &v->masters[0], &super);
    if (r == 0)
        r = master_seal(v, 0);
    if (r == 0 && had)
        r = master_seal(v, 1);
    if (r < 0)
        return r;
    aead_free(v->super);
    v->super = super;
    return 0;
}

void master_forget_previous(struct volume *v)
{
    v->superblock.has_previous_master = false;
    memset(v->superblock.masters[1], 0, sizeof v->superblock.masters[1]);
    key256_wipe(&v->masters[1]);
    wraps_forget(v);
}

static const struct key256 *master_of(const struct volume *v, uint32_t epoch)
{
    const struct superblock *sb = &v->superblock;
    if (epoch == sb->master_epoch)
        return &v->masters[0];
    return sb->has_previous_master && epoch + 1 == sb->master_epoch ? &v->masters[1] : NULL;
}

/* --- what wraps segment keys --- */

/* Master key and erase key together. */
static int secret_make(struct volume *v, uint32_t master_epoch, uint32_t erase_epoch,
                       uint8_t secret[2 * 32], size_t *ret_size)
{
    const struct key256 *master = master_of(v, master_epoch);
    if (!master)
        return -EBADMSG;
    memcpy(secret, master->bytes, sizeof master->bytes);
    *ret_size = sizeof master->bytes;
    if (erase_epoch == 0)
        return 0;
    SCOPED(key256_wipe) struct key256 erase;
    if (!v->has_authority || !v->authority.erase_key)
        return -ENOKEY;
    int r = v->authority.erase_key(v->authority.ctx, v->id, erase_epoch, &erase);
    if (r < 0)
        return r;
    memcpy(secret + sizeof master->bytes, erase.bytes, sizeof erase.bytes);
    *ret_size += sizeof erase.bytes;
    return 0;
}

static int wrap_make(struct volume *v, uint32_t master_epoch, uint32_t erase_epoch,
                     const char *what, struct aead **ret_aead)
{
    uint8_t secret[2 * 32];
    size_t size;
    int r = secret_make(v, master_epoch, erase_epoch, secret, &size);
    if (r == 0)
        r = derived_aead(v, slice_of(secret, size), what, ret_aead);
    secret_wipe(secret, sizeof secret);
    return r;
}

static int wrap_aead(struct volume *v, uint32_t master_epoch, uint32_t erase_epoch,
                     struct aead **ret_aead)
{
    struct wrap *free_place = &v->wraps[v->wrap_next % ARRAY_COUNT(v->wraps)];
    for (unsigned i = 0; i < ARRAY_COUNT(v->wraps); i++) {
        struct wrap *w = &v->wraps[i];
        if (w->aead && w->master_epoch == master_epoch && w->erase_epoch == erase_epoch) {
            *ret_aead = w->aead;
            return 0;
        }
    }
    struct aead *aead = NULL;
    int r = wrap_make(v, master_epoch, erase_epoch, "coffer volume 2 segment keys", &aead);
    if (r < 0)
        return r;
    v->wrap_next++;
    aead_free(free_place->aead);
    *free_place = (struct wrap){master_epoch, erase_epoch, aead};
    *ret_aead = aead;
    return 0;
}

/* What a wrapped key is bound to: all that stands in the clear. */
int header_wrap(struct volume *v, struct segment_header *h, const struct key256 *key)
{
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    struct aead *wrap;
    h->master_epoch = v->superblock.master_epoch;
    h->erase_epoch = v->erase_epoch;
    int r = wrap_aead(v, h->master_epoch, h->erase_epoch, &wrap);
    if (r == 0)
        r = platform()->random(h->wrap_nonce, sizeof h->wrap_nonce);
    if (r < 0)
        return r;
    segment_header_encode(h, bytes);
    return aead_seal(wrap, h->wrap_nonce, slice_of(bytes, SEGMENT_CLEAR_SIZE), key->bytes,
                     sizeof key->bytes, h->wrapped_key, h->wrapped_key + sizeof key->bytes);
}

static const struct key256 *key_row_find(const struct volume *v, uint64_t segment)
{
    for (unsigned i = 0; i < v->key_row_count; i++)
        if (v->key_rows[i].segment == segment)
            return &v->key_rows[i].key;
    return NULL;
}

static int header_unwrap(struct volume *v, const struct segment_header *h,
                         const uint8_t bytes[SEGMENT_HEADER_SIZE], struct key256 *ret_key)
{
    struct aead *wrap;
    if (h->erase_epoch > v->superblock.erase_epoch + 1)
        return -EBADMSG; /* nothing to ask the authority for */
    int r = wrap_aead(v, h->master_epoch, h->erase_epoch, &wrap);
    if (r < 0)
        return r == -ENOKEY ? -EBADMSG : r;
    return aead_open(wrap, h->wrap_nonce, slice_of(bytes, SEGMENT_CLEAR_SIZE), h->wrapped_key,
                     sizeof ret_key->bytes, h->wrapped_key + sizeof ret_key->bytes, ret_key->bytes);
}

int segment_header_read(struct volume *v, uint64_t id, struct segment_header *ret_header,
                        struct key256 *ret_key)
{
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    struct segment_header h;
    ssize_t n = v->backend->ops->read(v->backend, id, 0, bytes, sizeof bytes);
    if (n < 0)
        return n == -ENOENT ? -EBADMSG : (int)n;
    if ((size_t)n < sizeof bytes)
        return -EBADMSG;
    int r = segment_header_decode(slice_of(bytes, sizeof bytes), &h);
    if (r < 0)
        return r;
    if (h.segment != id || memcmp(h.id, v->id, sizeof h.id) != 0)
        return -EBADMSG;
    const struct key256 *row = key_row_find(v, id);
    if (row)
        *ret_key = *row; /* its header is under an erase key that is gone */
    else
        r = header_unwrap(v, &h, bytes, ret_key);
    if (r == 0)
        *ret_header = h;
    return r;
}

/* --- the key table --- */

int key_table_make(struct volume *v)
{
    struct key_row *rows = calloc(v->segment_count + 1, sizeof *rows);
    unsigned count = 0;
    int r = rows ? 0 : -ENOMEM;
    for (unsigned i = 0; r == 0 && i < v->segment_count; i++) {
        struct segment_header h;
        if (v->segments[i].state.id == v->active)
            continue;
        rows[count].segment = v->segments[i].state.id;
        r = segment_header_read(v, rows[count].segment, &h, &rows[count].key);
        count++;
    }
    if (r < 0) {
        if (rows)
            secret_wipe(rows, count * sizeof *rows);
        free(rows);
        return r;
    }
    key_rows_free(v);
    v->key_rows = rows;
    v->key_row_count = count;
    return 0;
}

static bool is_kept(struct volume *v, uint64_t segment)
{
    const struct segment *s = segment_find(v, segment);
    return s && s->doomed_by == 0;
}

static struct slice table_associated(const struct volume *v, uint32_t erase_epoch,
                                     uint8_t bytes[VOLUME_ID_SIZE + 4])
{
    struct writer wr = writer_over(bytes, VOLUME_ID_SIZE + 4);
    writer_bytes(&wr, v->id, sizeof v->id);
    writer_u32(&wr, erase_epoch);
    return writer_done(&wr);
}

static int table_aead(struct volume *v, uint32_t erase_epoch, struct aead **ret_aead)
{
    const uint32_t master_epoch = v->superblock.master_epoch;
    struct wrap *w = &v->table_wrap;
    struct aead *aead = NULL;
    if (!w->aead || w->master_epoch != master_epoch || w->erase_epoch != erase_epoch) {
        int r = wrap_make(v, master_epoch, erase_epoch, "coffer volume 2 key table", &aead);
        if (r < 0)
            return r;
        aead_free(w->aead);
        *w = (struct wrap){master_epoch, erase_epoch, aead};
    }
    *ret_aead = w->aead;
    return 0;
}

int erase_key_prepare(struct volume *v)
{
    struct aead *ignored;
    int r = wrap_aead(v, v->superblock.master_epoch, v->erase_epoch + 1, &ignored);
    return r < 0 ? r : table_aead(v, v->erase_epoch + 1, &ignored);
}

int key_table_stage(struct volume *v)
{
    uint8_t associated[VOLUME_ID_SIZE + 4];
    struct key_table_op t = {.erase_epoch = v->erase_epoch};
    for (unsigned i = 0; i < v->key_row_count; i++)
        t.count += is_kept(v, v->key_rows[i].segment);
    if (t.count == 0)
        return 0;
    struct aead *aead = NULL;
    int r = table_aead(v, v->erase_epoch, &aead);
    if (r == 0)
        r = platform()->random(t.nonce, sizeof t.nonce);
    uint8_t *to = r == 0 ? op_key_table(&v->record, &t) : NULL;
    size_t size = (size_t)t.count * KEY_TABLE_ROW_SIZE;
    struct writer wr = writer_over(to, to ? size : 0);
    for (unsigned i = 0; to && i < v->key_row_count; i++) {
        if (!is_kept(v, v->key_rows[i].segment))
            continue;
        writer_u64(&wr, v->key_rows[i].segment);
        writer_bytes(&wr, v->key_rows[i].key.bytes, sizeof v->key_rows[i].key.bytes);
    }
    if (to)
        r = aead_seal(aead, t.nonce, table_associated(v, t.erase_epoch, associated), to, size, to,
                      to + size);
    return r == 0 && !to ? -ENOMEM : r;
}

int key_table_load(struct volume *v, const struct key_table_op *t)
{
    uint8_t associated[VOLUME_ID_SIZE + 4];
    struct aead *aead = NULL;
    size_t size = (size_t)t->count * KEY_TABLE_ROW_SIZE;
    if (t->erase_epoch != v->superblock.erase_epoch)
        return -EBADMSG;
    struct key_row *rows = calloc(t->count + 1, sizeof *rows);
    uint8_t *bytes = malloc(size + 1);
    int r = rows && bytes ? table_aead(v, t->erase_epoch, &aead) : -ENOMEM;
    if (r == 0)
        r = aead_open(aead, t->nonce, table_associated(v, t->erase_epoch, associated),
                      t->sealed.bytes, size, t->sealed.bytes + size, bytes);
    struct reader rd = reader_over(slice_of(bytes, r == 0 ? size : 0));
    for (uint32_t i = 0; r == 0 && i < t->count; i++) {
        rows[i].segment = reader_u64(&rd);
        reader_copy(&rd, rows[i].key.bytes, sizeof rows[i].key.bytes);
    }
    if (bytes)
        secret_wipe(bytes, size);
    free(bytes);
    if (r < 0) {
        free(rows);
        return r;
    }
    key_rows_free(v);
    v->key_rows = rows;
    v->key_row_count = t->count;
    return 0;
}
