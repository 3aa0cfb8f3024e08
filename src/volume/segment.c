/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/ops.h"
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

/* --- the table --- */

static unsigned segment_index(const struct volume *v, uint64_t id)
{
    unsigned low = 0, high = v->segment_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (v->segments[middle].state.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct segment *segment_find(struct volume *v, uint64_t id)
{
    unsigned at = segment_index(v, id);
    return at < v->segment_count && v->segments[at].state.id == id ? &v->segments[at] : NULL;
}

int segment_add(struct volume *v, const struct segment_state *state)
{
    if (v->segment_count == v->segment_capacity) {
        unsigned capacity = v->segment_capacity ? v->segment_capacity * 2 : 8;
        struct segment *grown = realloc(v->segments, capacity * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        v->segments = grown;
        v->segment_capacity = capacity;
    }
    unsigned at = segment_index(v, state->id);
    if (at < v->segment_count && v->segments[at].state.id == state->id)
        return -EEXIST;
    memmove(&v->segments[at + 1], &v->segments[at],
            (v->segment_count - at) * sizeof(struct segment));
    v->segments[at] = (struct segment){.state = *state};
    v->segment_count++;
    v->host_size += state->size;
    v->live_size += state->live;
    return 0;
}

void segment_forget(struct volume *v, struct segment *segment)
{
    v->host_size -= segment->state.size;
    v->live_size -= segment->state.live;
    aead_free(segment->aead);
    mentions_forget(v, segment);
    unsigned at = (unsigned)(segment - v->segments);
    memmove(segment, segment + 1, (v->segment_count - at - 1) * sizeof *segment);
    v->segment_count--;
}

void live_add(struct volume *v, uint64_t id, int64_t size)
{
    struct segment *segment = segment_find(v, id);
    if (!segment)
        return; /* reading from it will say so */
    segment->state.live += (uint64_t)size;
    v->live_size += (uint64_t)size;
}

/* --- keys --- */

void segments_aead_drop(struct volume *v, unsigned keep)
{
    for (;;) {
        struct segment *oldest = NULL;
        unsigned count = 0;
        for (unsigned i = 0; i < v->segment_count; i++) {
            struct segment *s = &v->segments[i];
            if (!s->aead)
                continue;
            count++;
            if (!oldest || s->aead_used < oldest->aead_used)
                oldest = s;
        }
        if (count <= keep)
            return;
        aead_free(oldest->aead);
        oldest->aead = NULL;
    }
}

int segment_aead(struct volume *v, uint64_t id, struct aead **ret_aead)
{
    struct segment *segment = segment_find(v, id);
    if (!segment)
        return -EBADMSG;
    if (!segment->aead) {
        SCOPED(key256_wipe) struct key256 key;
        struct segment_header header;
        int r = segment_header_read(v, id, &header, &key);
        if (r == -EBADMSG)
            return volume_damage(v, id, 0, "the file is missing, or its head was changed");
        if (r < 0)
            return r;
        segments_aead_drop(v, AEADS_MAX - 1);
        r = aead_new(&key, &segment->aead);
        if (r < 0)
            return r;
    }
    segment->aead_used = ++v->clock;
    *ret_aead = segment->aead;
    return 0;
}

/* --- making and growing --- */

/* A file for a new segment: one that was given back, or a new one. *ret_size is its size. */
static int file_take(struct volume *v, uint64_t id, uint64_t want, uint64_t *ret_size)
{
    v->names_changed++;
    int r = spare_take(v, id, ret_size);
    if (r != -ENOENT)
        return r;
    *ret_size = 0;
    if (v->size_max && v->host_size + want > v->size_max)
        gone_drain(v);
    if (v->size_max && v->host_size + want > v->size_max)
        return -ENOSPC;
    return v->backend->ops->create(v->backend, id);
}

static int zeros_write(struct volume *v, uint64_t file, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[SEGMENT_STEP_MIN];
    int r = 0;
    for (uint64_t at = from; r == 0 && at < to;) {
        size_t n = (size_t)MIN(to - at, (uint64_t)sizeof zeros);
        r = v->backend->ops->write(v->backend, file, at, zeros, n);
        at += n;
    }
    return r;
}

/* Header and first space, in one write if the file is new. */
static int segment_begin(struct volume *v, const struct segment_header *h, uint64_t want,
                         uint64_t *size)
{
    size_t n = (size_t)MIN(want, (uint64_t)SEGMENT_STEP_MIN);
    if (*size >= n)
        n = SEGMENT_HEADER_SIZE;
    uint8_t *first = calloc(1, n);
    if (!first)
        return -ENOMEM;
    segment_header_encode(h, first);
    int r = v->backend->ops->write(v->backend, h->segment, 0, first, n);
    free(first);
    *size = MAX(*size, (uint64_t)n);
    if (r == 0 && *size < want) {
        r = zeros_write(v, h->segment, *size, want);
        *size = want;
    }
    return r;
}

static int superseded(struct volume *v);

bool segment_is_shared(const struct volume *v, uint64_t id)
{
    return v->has_authority && v->mode != VOLUME_MODE_NONE && v->closed_epoch == 0 &&
           id >> 32 != v->epoch;
}

/* Space that was made ready in segments that are not appended to any more; `shared`: also in those that
 * a fenced owner may still append to. */
static void segments_cut(struct volume *v, bool shared)
{
    for (unsigned i = 0; i < v->segment_count; i++) {
        struct segment_state *s = &v->segments[i].state;
        uint64_t size = round_up(s->used, BLOCK_SIZE);
        if (s->id == v->active || size >= s->size || (!shared && segment_is_shared(v, s->id)) ||
            v->backend->ops->truncate(v->backend, s->id, size) < 0)
            continue;
        v->host_size -= s->size - size;
        s->size = (uint32_t)size;
    }
}

static int segment_file_make(struct volume *v, const struct segment_header *h, uint64_t size_min,
                             uint64_t size_want)
{
    uint64_t size = 0;
    int r = file_take(v, h->segment, size_min, &size);
    if (r < 0)
        return r;
    r = segment_begin(v, h, size_want, &size);
    if (r == -ENOSPC || r == -EDQUOT) {
        size = 0;
        r = segment_begin(v, h, size_min, &size);
    }
    struct segment_state state = {.id = h->segment,
                                  .used = SEGMENT_HEADER_SIZE,
                                  .size = (uint32_t)size,
                                  .last_sequence = v->sequence};
    if (r == 0)
        r = segment_add(v, &state);
    if (r < 0)
        (void)v->backend->ops->remove(v->backend, h->segment);
    return r == -EDQUOT ? -ENOSPC : r;
}

/* Does the authority say so now, and has nobody written a superblock since? */
static bool is_present_owner(struct volume *v)
{
    return owner_confirm(v) == 0 && superseded(v) == 0;
}

int segment_rotate(struct volume *v, uint64_t wanted)
{
    SCOPED(key256_wipe) struct key256 key;
    struct segment_header h = {.epoch = v->epoch, .first_sequence = v->sequence + 1};
    int r;
    if (v->active != 0 && v->durable_sequence < v->sequence) {
        r = v->backend->ops->sync(v->backend, v->active);
        if (r == 0)
            r = names_sync(v);
        if (r < 0)
            return volume_stop(v, r);
        v->durable_sequence = v->sequence;
    }
    h.segment = v->epoch << 32 | ++v->segments_made;
    memcpy(h.id, v->id, sizeof h.id);
    memcpy(h.opening_id, v->opening_id, sizeof h.opening_id);
    memcpy(h.previous_tag, v->tag, sizeof h.previous_tag);
    r = platform()->random(key.bytes, sizeof key.bytes);
    if (r == 0)
        r = header_wrap(v, &h, &key);
    struct aead *aead = NULL;
    if (r == 0)
        r = aead_new(&key, &aead);
    segments_cut(v, false); /* but not the old one: it goes on if there is no space for a new one */
    uint64_t size_want = MAX(round_up(wanted, SEGMENT_STEP_MIN), (uint64_t)SEGMENT_STEP_MIN);
    if (r == 0)
        r = segment_file_make(v, &h, round_up(wanted / 2, BLOCK_SIZE), size_want);
    /* A crashed owner's space is what this one begins with, or nothing could be deleted. */
    if (r == -ENOSPC && v->active == 0 && is_present_owner(v)) {
        segments_cut(v, true);
        garbage_release(v);
        gone_drain(v);
        r = segment_file_make(v, &h, round_up(wanted / 2, BLOCK_SIZE), size_want);
    }
    if (r < 0) {
        aead_free(aead);
        return r;
    }
    struct segment *segment = segment_find(v, h.segment);
    segment->written = segment->state.size;
    segments_aead_drop(v, AEADS_MAX - 1);
    segment->aead = aead;
    segment->aead_used = ++v->clock;
    v->active = h.segment;
    segments_cut(v, false);
    return 0;
}

int segment_grow(struct volume *v, uint64_t size, bool bulk)
{
    struct segment *s = segment_find(v, v->active);
    uint64_t have = s->state.size, want = have;
    if (size <= have)
        return 0;
    if (size > SEGMENT_SIZE_MAX)
        return -ENOSPC;
    while (want < size)
        want += MIN(MAX(want, (uint64_t)SEGMENT_STEP_MIN), (uint64_t)SEGMENT_STEP_MAX);
    if (v->size_max && v->host_size + (want - have) > v->size_max) {
        space_recall(v);
        want = round_up(size, SEGMENT_STEP_MIN);
        if (v->host_size + (want - have) > v->size_max)
            return -ENOSPC;
    }
    int r = -EOPNOTSUPP;
    bool zeros = false;
    /* Zeros make the next syncs cheap, for no metadata changes; a stream of large batches has no
     * use for that. */
    if (bulk)
        r = v->backend->ops->reserve(v->backend, s->state.id, want);
    if (r == -EOPNOTSUPP) {
        zeros = true;
        r = zeros_write(v, s->state.id, have, want);
    }
    if (r == -ENOSPC && want > round_up(size, BLOCK_SIZE)) {
        want = round_up(size, BLOCK_SIZE); /* not the whole step, then */
        zeros = true;
        r = zeros_write(v, s->state.id, have, want);
    }
    if (r < 0)
        return r == -EDQUOT ? -ENOSPC : r;
    if (zeros && s->written >= have)
        s->written = (uint32_t)want;
    s->state.size = (uint32_t)want;
    v->host_size += want - have;
    return 0;
}

void segment_fill(struct volume *v, uint64_t end)
{
    struct segment *s = segment_find(v, v->active);
    uint64_t to = MIN(round_up(end, BLOCK_SIZE) + SEGMENT_FILL_STEP, (uint64_t)s->state.size);
    uint64_t from = MAX(s->written, s->state.used);
    if (end <= s->written || from >= to)
        return;
    if (zeros_write(v, s->state.id, from, to) == 0) /* without it all is slower, no more */
        s->written = (uint32_t)to;
}

/* --- giving back --- */

void segments_release(struct volume *v, uint64_t sequence)
{
    for (unsigned i = 0; i < v->segment_count;) {
        uint64_t file = v->segments[i].state.id;
        if (v->segments[i].doomed_by == 0 || v->segments[i].doomed_by > sequence) {
            i++;
            continue;
        }
        segment_forget(v, &v->segments[i]);
        segment_give_back(v, file);
    }
    garbage_release(v);
}

/* --- superblock --- */

/* The slot of this generation, as it goes to the host. */
static int superblock_encode(struct volume *v, uint8_t slot[SUPERBLOCK_SLOT_SIZE])
{
    uint8_t secret[SUPERBLOCK_SECRET_SIZE];
    uint8_t nonce[AEAD_NONCE_SIZE];
    memset(slot, 0, SUPERBLOCK_SLOT_SIZE);
    int r = platform()->random(nonce, sizeof nonce);
    if (r < 0)
        return r;
    superblock_encode_clear(&v->superblock, nonce, slot);
    superblock_encode_secret(&v->superblock, secret);
    uint8_t *cipher = slot + SUPERBLOCK_CLEAR_SIZE;
    return aead_seal(v->super, nonce, slice_of(slot, SUPERBLOCK_CLEAR_SIZE), secret, sizeof secret,
                     cipher, cipher + sizeof secret);
}

/* With v->super_lock held. */
static int slot_write(struct volume *v, uint64_t generation, const uint8_t *slot)
{
    uint64_t at = generation % SUPERBLOCK_SLOTS * SUPERBLOCK_SLOT_SIZE;
    int r =
        v->backend->ops->write(v->backend, VOLUME_SUPERBLOCK_FILE, at, slot, SUPERBLOCK_SLOT_SIZE);
    return r < 0 ? r : v->backend->ops->sync(v->backend, VOLUME_SUPERBLOCK_FILE);
}

/* A slot that verified, and the keys for it. */
struct slot {
    struct superblock sb;
    struct key256 masters[2];
    struct aead *super;
};

static int slot_open(struct volume *v, const uint8_t *bytes, const uint8_t *nonce,
                     struct slot *slot)
{
    uint8_t secret[SUPERBLOCK_SECRET_SIZE];
    const uint8_t *cipher = bytes + SUPERBLOCK_CLEAR_SIZE;
    int r = master_open(v, &slot->sb, 0, &slot->masters[0]);
    if (r == 0)
        r = super_aead(v, &slot->masters[0], &slot->super);
    if (r == 0)
        r = aead_open(slot->super, nonce, slice_of(bytes, SUPERBLOCK_CLEAR_SIZE), cipher,
                      sizeof secret, cipher + sizeof secret, secret);
    if (r == 0)
        r = superblock_decode_secret(slice_of(secret, sizeof secret), &slot->sb);
    if (r == 0 && slot->sb.has_previous_master)
        r = master_open(v, &slot->sb, 1, &slot->masters[1]);
    return r;
}

static int slot_read(struct volume *v, unsigned number, struct slot *ret_slot)
{
    uint8_t bytes[SUPERBLOCK_CLEAR_SIZE + SUPERBLOCK_SECRET_SIZE + TAG_SIZE];
    uint8_t nonce[AEAD_NONCE_SIZE];
    ssize_t n = v->backend->ops->read(v->backend, VOLUME_SUPERBLOCK_FILE,
                                      (uint64_t)number * SUPERBLOCK_SLOT_SIZE, bytes, sizeof bytes);
    if (n < 0)
        return (int)n;
    if ((size_t)n < sizeof bytes)
        return -EBADMSG;
    int r = superblock_decode_clear(slice_of(bytes, SUPERBLOCK_CLEAR_SIZE), &ret_slot->sb, nonce);
    if (r < 0)
        return r;
    if (memcmp(ret_slot->sb.id, v->id, sizeof v->id) != 0)
        return -EKEYREJECTED;
    r = slot_open(v, bytes, nonce, ret_slot);
    if (r == 0 && ret_slot->sb.generation % SUPERBLOCK_SLOTS != number)
        r = -EBADMSG; /* a slot copied over the other */
    return r;
}

static void slot_done(struct slot *slot)
{
    aead_free(slot->super);
    key256_wipe(&slot->masters[0]);
    key256_wipe(&slot->masters[1]);
}

/* Has a later owner written a superblock? Then this one was fenced while it stood still, perhaps between
 * the authority's answer and now. */
static int superseded(struct volume *v)
{
    bool is = false;
    for (unsigned i = 0; i < SUPERBLOCK_SLOTS; i++) {
        struct slot slot = {0};
        is |= slot_read(v, i, &slot) == 0 && slot.sb.epoch > v->epoch;
        slot_done(&slot);
    }
    return is ? -ESTALE : 0;
}

static int may_write(struct volume *v)
{
    return v->has_authority && v->mode != VOLUME_MODE_NONE ? superseded(v) : 0;
}

static int superblock_put(struct volume *v)
{
    uint8_t slot[SUPERBLOCK_SLOT_SIZE];
    int r = superblock_encode(v, slot);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&v->super_lock);
    r = slot_write(v, v->superblock.generation, slot);
    (void)pthread_mutex_unlock(&v->super_lock);
    if (r < 0 || !v->foreign_slot)
        return r;
    /* A change of keys was cut short, or a write torn: nothing of the other slot stays. */
    v->foreign_slot = false;
    v->superblock.generation++;
    return superblock_put(v);
}

int superblock_write(struct volume *v)
{
    int r = may_write(v);
    return r < 0 ? r : superblock_put(v);
}

int superblock_write_apart(struct volume *v)
{
    uint8_t slot[SUPERBLOCK_SLOT_SIZE];
    uint64_t generation = v->superblock.generation;
    if (v->foreign_slot)
        return superblock_write(v);
    int r = may_write(v);
    if (r == 0)
        r = superblock_encode(v, slot);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&v->super_lock);
    volume_unlock(v);
    r = slot_write(v, generation, slot);
    (void)pthread_mutex_unlock(&v->super_lock);
    volume_lock(v);
    return r;
}

int superblock_read(struct volume *v, bool older)
{
    struct slot slots[SUPERBLOCK_SLOTS] = {0};
    int results[SUPERBLOCK_SLOTS], r = 0;
    for (unsigned i = 0; i < SUPERBLOCK_SLOTS; i++)
        results[i] = slot_read(v, i, &slots[i]);
    if (results[0] < 0 && results[1] < 0) {
        r = results[0] == -EBADMSG ? results[1] : results[0];
    } else {
        bool first =
            results[1] < 0 || (results[0] == 0 && slots[0].sb.generation > slots[1].sb.generation);
        bool both = results[0] == 0 && results[1] == 0;
        v->foreign_slot = !both;
        first = first != (older && both);
        struct slot *best = &slots[first ? 0 : 1];
        v->superblock = best->sb;
        v->erase_epoch = best->sb.erase_epoch;
        v->masters[0] = best->masters[0];
        v->masters[1] = best->masters[1];
        aead_free(v->super);
        v->super = best->super;
        best->super = NULL;
    }
    slot_done(&slots[0]);
    slot_done(&slots[1]);
    return r;
}
