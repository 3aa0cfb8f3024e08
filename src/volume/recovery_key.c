/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/recovery_key.h"

#include "base/hex.h"
#include "platform/ops.h"
#include "volume/backend.h"
#include "volume/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- as text --- */

/* The rest of the next line, which begins with `word`; an empty slice if it does not. */
static struct slice line_take(struct slice *text, const char *word)
{
    size_t size = strlen(word);
    const uint8_t *end = text->size > 0 ? memchr(text->bytes, '\n', text->size) : NULL;
    struct slice none = {0};
    if (!end || (size_t)(end - text->bytes) <= size || memcmp(text->bytes, word, size) != 0)
        return none;
    struct slice rest = slice_of(text->bytes + size, (size_t)(end - text->bytes) - size);
    *text = slice_of(end + 1, text->size - (size_t)(end + 1 - text->bytes));
    return rest;
}

/* A decimal number at the front, and the character behind it (0: the end). */
static int number_take(struct slice *text, char behind, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;
    size_t at = 0;
    for (; at < text->size && text->bytes[at] >= '0' && text->bytes[at] <= '9'; at++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(text->bytes[at] - '0'), &n))
            return -EBADMSG;
    if (at == 0 || n > max || (at > 1 && text->bytes[0] == '0'))
        return -EBADMSG;
    if (behind && (at == text->size || text->bytes[at] != (uint8_t)behind))
        return -EBADMSG;
    at += behind ? 1 : 0;
    *text = slice_of(text->bytes + at, text->size - at);
    *ret = n;
    return behind || text->size == 0 ? 0 : -EBADMSG;
}

static int erase_parse(struct slice line, struct recovery_key *key)
{
    unsigned i = key->erase_count;
    uint64_t number = 0;
    int r = i < RECOVERY_KEY_ERASE_MAX ? number_take(&line, ' ', UINT32_MAX, &number) : -EBADMSG;
    if (r == 0 && number <= (i ? key->erase_numbers[i - 1] : 0))
        r = -EBADMSG;
    if (r < 0 || hex_decode(line, key->erase_keys[i].bytes, sizeof key->erase_keys[i].bytes) < 0)
        return -EBADMSG;
    key->erase_numbers[i] = (uint32_t)number;
    key->erase_count++;
    return 0;
}

static int parse(struct slice text, struct recovery_key *key)
{
    uint64_t made = 0;
    struct slice line = text.size <= RECOVERY_KEY_SIZE_MAX ? line_take(&text, "coffer-volume-key ")
                                                           : (struct slice){0};
    if (!slice_is_text(line, "1") ||
        hex_decode(line_take(&text, "volume "), key->id, sizeof key->id) < 0)
        return -EBADMSG;
    line = line_take(&text, "name ");
    if (line.size == 0 || line.size > RECOVERY_KEY_NAME_MAX || memchr(line.bytes, 0, line.size))
        return -EBADMSG;
    memcpy(key->name, line.bytes, line.size);
    line = line_take(&text, "made ");
    int r = number_take(&line, 0, INT64_MAX, &made);
    key->made_s = (int64_t)made;
    if (r < 0 || hex_decode(line_take(&text, "key "), key->key.bytes, sizeof key->key.bytes) < 0)
        return -EBADMSG;
    line = line_take(&text, "head ");
    r = number_take(&line, ' ', UINT32_MAX, &key->head.epoch);
    if (r == 0)
        r = number_take(&line, ' ', INT64_MAX, &key->head.sequence);
    if (r < 0 || hex_decode(line, key->head.tag, sizeof key->head.tag) < 0)
        return -EBADMSG;
    while (r == 0 && text.size > 0)
        r = erase_parse(line_take(&text, "erase "), key);
    return r;
}

int recovery_key_parse(struct slice text, struct recovery_key *ret_key)
{
    struct recovery_key key = {0};
    int r = parse(text, &key);
    if (r == 0)
        *ret_key = key;
    recovery_key_wipe(&key);
    return r;
}

void recovery_key_wipe(struct recovery_key *key)
{
    secret_wipe(key, sizeof *key);
}

/* --- an authority that remembers that moment --- */

struct recovery_volume {
    struct recovery_key key;
    bool accept_older;
    bool is_open;      /* the log has been read: erase keys beyond are new ones, of this process */
    bool erased_since; /* what was read wants an erase key that came later */
    struct volume_backend *backend;
    struct volume_authority authority;
};

static int epoch_max(void *ctx, uint64_t file)
{
    uint64_t *max = ctx;
    *max = MAX(*max, file >> 32);
    return 0;
}

/* Somebody may have opened it since: this opening comes after all that there are. */
static int recovery_open(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                         const uint8_t opening_key_id[16], struct volume_head *ret_head,
                         struct error *e)
{
    struct recovery_volume *r = ctx;
    struct volume_head head = r->accept_older ? (struct volume_head){0} : r->key.head;
    head.epoch = r->key.head.epoch;
    (void)opening_key_id;
    (void)id;
    int listed = r->backend->ops->list(r->backend, epoch_max, &head.epoch);
    if (listed < 0)
        return error_set(e, listed, "the volume's directory cannot be listed");
    head.epoch++;
    *ret_head = head;
    return 0;
}

static int recovery_report(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                           const struct volume_head *head)
{
    (void)ctx;
    (void)id;
    (void)head;
    return 0; /* forgotten with the process */
}

static int erase_key(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch,
                     struct key256 *ret_key)
{
    struct recovery_volume *r = ctx;
    struct recovery_key *k = &r->key;
    uint32_t newest = k->erase_count ? k->erase_numbers[k->erase_count - 1] : 0;
    (void)id;
    for (unsigned i = 0; i < k->erase_count; i++)
        if (k->erase_numbers[i] == epoch) {
            *ret_key = k->erase_keys[i];
            return 0;
        }
    if (!r->is_open)
        r->erased_since |= epoch > newest;
    if (!r->is_open || epoch != newest + 1)
        return -ENOKEY;
    if (k->erase_count == RECOVERY_KEY_ERASE_MAX) {
        memmove(k->erase_numbers, k->erase_numbers + 1, sizeof k->erase_numbers - sizeof newest);
        memmove(k->erase_keys, k->erase_keys + 1, sizeof k->erase_keys - sizeof *ret_key);
        k->erase_count--;
    }
    int result = platform()->random(ret_key->bytes, sizeof ret_key->bytes);
    if (result < 0)
        return result;
    k->erase_numbers[k->erase_count] = epoch;
    k->erase_keys[k->erase_count++] = *ret_key;
    return 0;
}

/* The first call comes when the log has been read, and before anything is changed. A newer erase key
 * that was wanted by then means that its end could not be read. */
static int erase_drop(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch)
{
    struct recovery_volume *r = ctx;
    (void)id;
    (void)epoch;
    r->is_open = !r->erased_since;
    return r->erased_since ? -EKEYREJECTED : 0;
}

int recovery_volume_new(const char *dir, const struct recovery_key *key, bool accept_older,
                        struct recovery_volume **ret, struct error *e)
{
    uint8_t id[VOLUME_ID_SIZE];
    struct recovery_volume *v = calloc(1, sizeof *v);
    if (!v)
        return error_set(e, -ENOMEM, "no memory");
    v->key = *key;
    v->accept_older = accept_older;
    v->authority = (struct volume_authority){.open = recovery_open,
                                             .report = recovery_report,
                                             .close = recovery_report,
                                             .ctx = v,
                                             .erase_key = erase_key,
                                             .erase_drop = erase_drop};
    int r = volume_over_open(dir, &v->backend);
    if (r < 0)
        (void)error_set(e, r, "the directory '%s' cannot be opened (%s)", dir, strerror(-r));
    if (r == 0) {
        r = volume_backend_id(v->backend, id);
        if (r < 0)
            r = error_set(e, r,
                          r == -ENOENT ? "there is no volume in '%s'"
                                       : "the superblock in '%s' is damaged",
                          dir);
    }
    if (r == 0 && memcmp(id, key->id, sizeof id) != 0)
        r = error_set(e, -EKEYREJECTED,
                      "this recovery key is for another volume (%s), not for the one in '%s'",
                      key->name, dir);
    if (r < 0) {
        recovery_volume_free(v);
        return r;
    }
    *ret = v;
    return 0;
}

struct volume_options recovery_volume_options(struct recovery_volume *r)
{
    struct volume_options options = {.backend = r->backend,
                                     .key = &r->key.key,
                                     .authority = &r->authority,
                                     .mode = VOLUME_MODE_PERIODIC};
    memcpy(options.id, r->key.id, sizeof options.id);
    return options;
}

int recovery_volume_judge(const struct recovery_volume *recovery, int r, struct error *e)
{
    if (r == 0)
        return 0;
    if (recovery->erased_since) {
        *e = (struct error){0};
        return error_set(e, -EKEYREJECTED,
                         "something was erased for good in this volume after the recovery key was "
                         "made, which ended that key's use: it takes a newer one (or a copy of "
                         "the volume from before)");
    }
    return r == -EKEYREJECTED && !recovery->accept_older
               ? error_prefix(e, r,
                              "this volume is older than the recovery key, or another branch of "
                              "it: some of what was stored is missing")
               : r;
}

void recovery_volume_free(struct recovery_volume *recovery)
{
    if (!recovery)
        return;
    volume_over_close(recovery->backend);
    recovery_key_wipe(&recovery->key);
    free(recovery);
}
