/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/provision/authority.h"

#include "base/buf.h"
#include "base/hex.h"
#include "crypto/base64.h"
#include "platform/host.h"
#include "runtime/config.h"
#include "runtime/provision/link.h"

#include <errno.h>
#include <stdatomic.h>

/* Reports closer together than this share a connection. */
enum { RETRY_MS = 100, RETRY_MAX_MS = 500, BUSY_MS = 3000 };
/* What a key broker grants that does not say, and the most that is believed. */
enum { TERM_MS = 15000, TERM_MAX_MS = 3600000 };

static int64_t g_patience_ms;
static _Atomic unsigned g_openings_left;
static _Atomic int64_t g_reported_ns;

/* What is known of each volume: a head that was given before it was asked for, the name of the key
 * that its log is written with, and erase keys that came along. Written by open(), which comes before
 * any other call for that volume; a key is wiped when it is taken, so none is left for a child. */
struct known {
    uint8_t id[VOLUME_ID_SIZE];
    uint8_t opening[16];
    struct volume_head head;
    struct volume_lease lease;
    bool opened; /* `head` has not been taken yet */
    struct {
        uint32_t number;
        struct key256 key;
    } erase[AUTHORITY_ERASE_KEYS_MAX];
    uint32_t erase_oldest; /* the key broker has none before this; 0: nobody has said */
};
static struct known g_known[RUNTIME_VOLUMES_MAX];
static unsigned g_known_count;

void authority_set_patience(int64_t patience_ms)
{
    g_patience_ms = patience_ms;
}

void authority_expect_openings(unsigned count)
{
    unsigned opened = 0;
    for (unsigned i = 0; i < g_known_count; i++)
        opened += g_known[i].opened;
    g_openings_left = count - MIN(opened, count);
    if (g_openings_left == 0)
        link_rest();
}

static struct known *known_find(const uint8_t id[VOLUME_ID_SIZE])
{
    for (unsigned i = 0; i < g_known_count; i++)
        if (memcmp(g_known[i].id, id, VOLUME_ID_SIZE) == 0)
            return &g_known[i];
    return NULL;
}

/* NULL: there is no room. */
static struct known *known_add(const uint8_t id[VOLUME_ID_SIZE], const struct volume_head *head,
                               const struct volume_lease *lease)
{
    struct known *known = known_find(id);
    if (!known && g_known_count == RUNTIME_VOLUMES_MAX)
        return NULL;
    if (!known)
        known = &g_known[g_known_count++];
    known->head = *head;
    known->lease = *lease;
    memcpy(known->id, id, sizeof known->id);
    return known;
}

void authority_opened(const uint8_t id[VOLUME_ID_SIZE], const struct volume_head *head,
                      const struct volume_lease *lease)
{
    struct known *known = known_add(id, head, lease);
    if (known)
        known->opened = true;
}

void authority_erase_key_given(const uint8_t id[VOLUME_ID_SIZE], uint32_t number,
                               const struct key256 *key)
{
    struct known *known = known_find(id);
    for (unsigned i = 0; known && i < ARRAY_COUNT(known->erase); i++) {
        if (known->erase[i].number != 0)
            continue;
        known->erase[i].number = number;
        known->erase[i].key = *key;
        if (known->erase_oldest == 0 || number < known->erase_oldest)
            known->erase_oldest = number;
        return;
    }
}

static bool erase_key_take(const uint8_t id[VOLUME_ID_SIZE], uint32_t number,
                           struct key256 *ret_key)
{
    struct known *known = known_find(id);
    for (unsigned i = 0; known && number != 0 && i < ARRAY_COUNT(known->erase); i++) {
        if (known->erase[i].number != number)
            continue;
        *ret_key = known->erase[i].key;
        secret_wipe(&known->erase[i], sizeof known->erase[i]);
        return true;
    }
    return false;
}

/* True if open() has its answer already. */
static bool known_take(const uint8_t id[VOLUME_ID_SIZE], const uint8_t opening[16],
                       struct volume_head *ret_head)
{
    struct known *known = known_find(id);
    if (!known)
        return false;
    memcpy(known->opening, opening, sizeof known->opening);
    if (!known->opened)
        return false;
    known->opened = false;
    *ret_head = known->head;
    return true;
}

static void opening_done(void)
{
    if (g_openings_left > 0 && --g_openings_left == 0)
        link_rest();
}

int authority_head_read(const json_t *answer, struct volume_head *ret)
{
    const json_t *epoch = json_object_get(answer, "epoch");
    const json_t *sequence = json_object_get(answer, "sequence");
    const char *tag = json_string_value(json_object_get(answer, "tag"));
    struct volume_head head;
    if (!json_is_integer(epoch) || !json_is_integer(sequence) || !tag ||
        json_integer_value(epoch) <= 0 || json_integer_value(sequence) < 0 ||
        hex_decode(slice_of_text(tag), head.tag, sizeof head.tag) < 0)
        return -EBADMSG;
    head.epoch = (uint64_t)json_integer_value(epoch);
    head.sequence = (uint64_t)json_integer_value(sequence);
    *ret = head;
    return 0;
}

struct volume_lease authority_lease_read(const json_t *answer, int64_t asked_ns)
{
    const json_t *term = json_object_get(answer, "term_ms");
    int64_t term_ms = term ? json_integer_value(term) : TERM_MS;
    return (struct volume_lease){asked_ns, MAX(0, MIN(term_ms, TERM_MAX_MS)) * 1000000};
}

/* How long until another try after link_call() and link_refused() gave `r`; 0: there is none. */
static int64_t retry_delay(int r, unsigned status, const json_t *answer)
{
    if (r == -EAGAIN)
        return RETRY_MS;
    if (r != -EACCES || status != 423)
        return 0;
    json_int_t wait = json_integer_value(json_object_get(answer, "retry_after_ms"));
    return MIN(MAX(wait, 1), (json_int_t)RETRY_MAX_MS);
}

static int authority_open(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                          const uint8_t opening_key_id[16], struct volume_head *ret_head,
                          struct error *e)
{
    char id_hex[2 * VOLUME_ID_SIZE + 1], opening_hex[33];
    int64_t deadline_ns = host_monotonic_ns() + g_patience_ms * 1000000;
    (void)ctx;
    if (known_take(id, opening_key_id, ret_head))
        return 0;
    hex_encode(slice_of(id, VOLUME_ID_SIZE), id_hex);
    hex_encode(slice_of(opening_key_id, 16), opening_hex);
    json_t *request = json_pack("{s:s, s:s}", "id", id_hex, "opening", opening_hex);
    if (!request)
        return error_set(e, -ENOMEM, "no memory for a request");
    for (;;) {
        struct error why = {0};
        json_t *answer = NULL;
        unsigned status = 0;
        int64_t asked_ns = host_monotonic_ns();
        int r = link_call("/v1/volume/open", request, false, &status, &answer, &why);
        if (r == 0 && status != 200)
            r = link_refused(answer, status, &why);
        int64_t delay_ms = retry_delay(r, status, answer);
        if (r == 0)
            r = authority_head_read(answer, ret_head);
        struct volume_lease lease = authority_lease_read(answer, asked_ns);
        struct known *known = r == 0 ? known_add(id, ret_head, &lease) : NULL;
        if (known)
            memcpy(known->opening, opening_key_id, sizeof known->opening);
        json_decref(answer);
        if (r == 0 || delay_ms == 0 || host_monotonic_ns() + delay_ms * 1000000 > deadline_ns) {
            json_decref(request);
            opening_done();
            return r < 0 ? error_set(e, r, "%s", error_text(&why, r)) : 0;
        }
        link_sleep_ms(delay_ms);
    }
}

/* What an answer about a volume that is open means to its owner. Only what says that the volume has gone
 * on without this owner is -ESTALE, and what means "later" is -EAGAIN, as if nobody had answered: the
 * owner's term is not longer for it. Any other refusal is a no (-EACCES), after which this owner must not
 * acknowledge anything either. */
static int owner_result(int r, unsigned status, const json_t *answer)
{
    static const struct {
        const char *code;
        int r;
    } meanings[] = {
        {"VOLUME_FENCED", -ESTALE},
        {"VOLUME_ROLLBACK", -ESTALE},
        {"ERASE_KEY_GONE", -ENOKEY},
        {"SESSION_INVALID", -EAGAIN}, /* lost again between attesting and asking */
    };
    const char *code = json_string_value(json_object_get(answer, "code"));
    if (r < 0)
        return r == -EACCES || r == -EKEYREJECTED ? -EACCES : -EAGAIN;
    if (status == 200)
        return 0;
    for (size_t i = 0; code && i < ARRAY_COUNT(meanings); i++)
        if (strcmp(code, meanings[i].code) == 0)
            return meanings[i].r;
    return link_refused(answer, status, NULL);
}

static int head_send(const char *path, const uint8_t id[VOLUME_ID_SIZE],
                     const struct volume_head *head)
{
    char id_hex[2 * VOLUME_ID_SIZE + 1], tag_hex[2 * VOLUME_TAG_SIZE + 1], opening_hex[33];
    const struct known *known = known_find(id);
    json_t *answer = NULL;
    unsigned status = 0;
    hex_encode(slice_of(id, VOLUME_ID_SIZE), id_hex);
    hex_encode(slice_of(head->tag, VOLUME_TAG_SIZE), tag_hex);
    if (known)
        hex_encode(slice_of(known->opening, sizeof known->opening), opening_hex);
    json_t *request = json_pack("{s:s, s:I, s:I, s:s, s:s*}", "id", id_hex, "epoch",
                                (json_int_t)head->epoch, "sequence", (json_int_t)head->sequence,
                                "tag", tag_hex, "opening", known ? opening_hex : NULL);
    int r = request ? link_call(path, request, false, &status, &answer, NULL) : -ENOMEM;
    r = owner_result(r, status, answer);
    json_decref(request);
    json_decref(answer);
    return r;
}

static int authority_report(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                            const struct volume_head *head)
{
    (void)ctx;
    int r = head_send("/v1/volume/report", id, head);
    int64_t now_ns = host_monotonic_ns(), before_ns = atomic_exchange(&g_reported_ns, now_ns);
    if (g_openings_left == 0 && now_ns - before_ns > BUSY_MS * 1000000ll)
        link_rest();
    return r;
}

static int authority_close(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                           const struct volume_head *head)
{
    (void)ctx;
    int r = head_send("/v1/volume/close", id, head);
    if (g_openings_left == 0)
        link_rest();
    return r;
}

/* A call about a volume that is open, with one number more. */
static int owner_call(const char *path, const uint8_t id[VOLUME_ID_SIZE], const char *member,
                      uint64_t n, json_t **ret_answer)
{
    char id_hex[2 * VOLUME_ID_SIZE + 1];
    const struct known *known = known_find(id);
    unsigned status = 0;
    struct error e = {0};
    hex_encode(slice_of(id, VOLUME_ID_SIZE), id_hex);
    json_t *request = known ? json_pack("{s:s, s:I, s:I}", "id", id_hex, "epoch",
                                        (json_int_t)known->head.epoch, member, (json_int_t)n)
                            : NULL;
    int r = request ? link_call(path, request, false, &status, ret_answer, &e) : -ENOMEM;
    json_decref(request);
    return owner_result(r, status, *ret_answer);
}

static int erase_key_read(const json_t *answer, struct key256 *ret_key)
{
    SCOPED(buf_done) struct buf bytes = {0};
    const char *text = json_string_value(json_object_get(answer, "key"));
    int r = text ? crypto_base64_decode(slice_of_text(text), &bytes) : -EBADMSG;
    if (r < 0 || bytes.size != sizeof ret_key->bytes)
        return r < 0 ? r : -EBADMSG;
    memcpy(ret_key->bytes, bytes.bytes, sizeof ret_key->bytes);
    return 0;
}

static int authority_erase_key(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch,
                               struct key256 *ret_key)
{
    json_t *answer = NULL;
    (void)ctx;
    if (erase_key_take(id, epoch, ret_key))
        return 0;
    int r = owner_call("/v1/volume/erase/key", id, "number", epoch, &answer);
    if (r == 0)
        r = erase_key_read(answer, ret_key);
    json_decref(answer);
    return r;
}

static int authority_erase_drop(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch)
{
    json_t *answer = NULL;
    struct key256 older;
    struct known *known = known_find(id);
    (void)ctx;
    for (unsigned i = 0; known && i < ARRAY_COUNT(known->erase); i++)
        if (known->erase[i].number < epoch && erase_key_take(id, known->erase[i].number, &older))
            key256_wipe(&older);
    /* At an opening that was told all there are, the key broker need not be asked. */
    if (known && known->erase_oldest >= epoch)
        return 0;
    int r = owner_call("/v1/volume/erase/drop", id, "before", epoch, &answer);
    if (r == 0 && known)
        known->erase_oldest = epoch;
    json_decref(answer);
    return r;
}

int authority_order_done(const uint8_t id[VOLUME_ID_SIZE], uint64_t serial)
{
    json_t *answer = NULL;
    int r = owner_call("/v1/volume/done", id, "order", serial, &answer);
    json_decref(answer);
    return r;
}

static void authority_lease(void *ctx, const uint8_t id[VOLUME_ID_SIZE], struct volume_lease *lease)
{
    const struct known *known = known_find(id);
    (void)ctx;
    if (known)
        *lease = known->lease;
}

const struct volume_authority authority_kbs = {.open = authority_open,
                                               .report = authority_report,
                                               .close = authority_close,
                                               .erase_key = authority_erase_key,
                                               .erase_drop = authority_erase_drop,
                                               .lease = authority_lease};
