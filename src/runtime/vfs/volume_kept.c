/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/volume_kept.h"

#include "runtime/lock.h"

#include <string.h>
#include <sys/stat.h>

#define WALKS 128
#define WALK_TEXT_MAX 160
#define FILES 256 /* as many as g_place_of can name */
#define FILE_WAYS 4

struct kept_walk {
    uint64_t generation; /* + 1 */
    uint64_t from, floor;
    uint64_t dir, ino;
    uint32_t volume, flags;
    uint32_t name_at, name_size, consumed, size;
    uint32_t era; /* g_era when it was made; 0: none */
    bool has_creds;
    struct creds creds;
    char text[WALK_TEXT_MAX];
};

struct kept_file {
    uint64_t ino;
    uint32_t volume;
    uint32_t handle; /* 0: none */
    uint32_t era;    /* g_era when it was kept */
};

/* protects: all below */
static lock_word g_lock;
LARGE_TABLE static struct kept_walk g_walks[WALKS];
LARGE_TABLE static struct kept_file g_files[FILES];
LARGE_TABLE static uint8_t g_place_of[OWNER_OPEN_MAX]; /* by handle: in g_files, when last kept */
static unsigned g_turn;
static uint32_t g_era = 1; /* counts the forks that led here; what is older is the parent's */

static uint64_t mix(uint64_t sum, uint64_t more)
{
    sum = (sum ^ more) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 29;
}

/* A child of vfork() is another client in the same memory. */
static bool is_ours(const struct request *rq)
{
    return rq->client == g_fs.client;
}

static struct kept_walk *walk_for(const struct request *rq)
{
    uint64_t sum = mix(mix(rq->ino, rq->volume), rq->flags);
    for (size_t at = 0; at < rq->in.size; at++)
        sum = (sum ^ rq->in.bytes[at]) * 0x100000001b3u;
    return &g_walks[mix(sum, rq->in.size) % WALKS];
}

static bool same_creds(const struct creds *a, const struct creds *b)
{
    return a->uid == b->uid && a->gid == b->gid && a->powers == b->powers &&
           a->group_count == b->group_count && a->group_count <= CREDS_GROUPS_MAX &&
           memcmp(a->groups, b->groups, a->group_count * sizeof a->groups[0]) == 0;
}

static bool answers(const struct kept_walk *walk, const struct request *rq)
{
    return walk->era == g_era && walk->from == rq->ino && walk->floor == rq->more &&
           walk->volume == rq->volume && walk->flags == rq->flags && walk->size == rq->in.size &&
           memcmp(walk->text, rq->in.bytes, walk->size) == 0 &&
           walk->has_creds == (rq->creds != NULL) &&
           (!rq->creds || same_creds(&walk->creds, rq->creds));
}

static struct kept_file *ways_of(uint32_t volume, uint64_t ino)
{
    return &g_files[mix(ino, volume) % (FILES / FILE_WAYS) * FILE_WAYS];
}

static bool is_there(const struct kept_file *file)
{
    return file->handle != 0 && file->era == g_era;
}

static struct kept_file *file_of(uint32_t volume, uint64_t ino)
{
    struct kept_file *ways = ways_of(volume, ino);
    for (unsigned i = 0; i < FILE_WAYS; i++)
        if (is_there(&ways[i]) && ways[i].ino == ino && ways[i].volume == volume)
            return &ways[i];
    return NULL;
}

/* The attributes as they are: those of a file that we keep are published. */
static bool attr_of(const struct ring *ring, const struct kept_walk *walk,
                    struct volume_attr *ret_attr)
{
    const struct kept_file *file = file_of(walk->volume, walk->ino);
    return file && atomic_load(&ring->kept[file->handle % OWNER_OPEN_MAX]) == g_fs.client + 1 &&
           owner_published(&ring->published, file->handle, ret_attr, false) &&
           ret_attr->ino == walk->ino;
}

bool volume_kept_walk(struct ring *ring, struct request *rq)
{
    if (!is_ours(rq) || rq->in.size > WALK_TEXT_MAX)
        return false;
    struct volume_attr attr = {0};
    lock_acquire(&g_lock);
    const struct kept_walk *walk = walk_for(rq);
    /* The attributes first: what we keep may have been closed, and the handle another's file by now,
     * but then the generation is another too. */
    bool known = answers(walk, rq) && (walk->ino == 0 || attr_of(ring, walk, &attr)) &&
                 walk->generation == atomic_load(&ring->published.generation) + 1;
    if (known) {
        rq->attr = attr;
        rq->dir = walk->dir;
        rq->ino = walk->ino;
        rq->last = WALK_LAST_NAME;
        rq->name_at = walk->name_at;
        rq->name_size = walk->name_size;
        rq->consumed = walk->consumed;
    }
    lock_release(&g_lock);
    return known;
}

void volume_kept_note_walk(const struct request *asked, const struct request *answer,
                           uint64_t generation)
{
    if (!is_ours(asked) || asked->in.size > WALK_TEXT_MAX || answer->last != WALK_LAST_NAME ||
        (answer->ino != 0 && !S_ISREG(answer->attr.mode)))
        return;
    lock_acquire(&g_lock);
    struct kept_walk *walk = walk_for(asked);
    *walk = (struct kept_walk){
        .generation = generation + 1,
        .from = asked->ino,
        .floor = asked->more,
        .dir = answer->dir,
        .ino = answer->ino,
        .volume = asked->volume,
        .flags = asked->flags,
        .name_at = answer->name_at,
        .name_size = answer->name_size,
        .consumed = answer->consumed,
        .size = (uint32_t)asked->in.size,
        .era = g_era,
        .has_creds = asked->creds != NULL,
    };
    if (asked->creds)
        walk->creds = *asked->creds;
    memcpy(walk->text, asked->in.bytes, asked->in.size);
    lock_release(&g_lock);
}

/* --- files --- */

/* Ours again, unless the server has closed it meanwhile. */
static bool take_back(struct ring *ring, uint32_t handle)
{
    uint32_t word = g_fs.client + 1;
    return atomic_compare_exchange_strong(&ring->kept[handle % OWNER_OPEN_MAX], &word, 0);
}

bool volume_kept_open(struct ring *ring, struct request *rq)
{
    if (!is_ours(rq))
        return false;
    struct kept_file *file;
    bool ours = false;
    lock_acquire(&g_lock);
    while (!ours && (file = file_of(rq->volume, rq->ino)) != NULL) {
        rq->handle = file->handle;
        file->handle = 0;
        ours = take_back(ring, rq->handle);
    }
    lock_release(&g_lock);
    return ours;
}

/* A free place, or one whose file goes. */
static struct kept_file *place_for(uint32_t volume, uint64_t ino)
{
    struct kept_file *ways = ways_of(volume, ino);
    for (unsigned i = 0; i < FILE_WAYS; i++)
        if (!is_there(&ways[i]))
            return &ways[i];
    return &ways[g_turn++ % FILE_WAYS];
}

/* What was kept under this handle before is closed by now, for it is another file's. */
static void forget_handle(uint32_t handle)
{
    struct kept_file *before = &g_files[g_place_of[handle % OWNER_OPEN_MAX]];
    if (before->handle == handle)
        before->handle = 0;
}

/* With the lock. */
static bool keep(struct ring *ring, struct request *rq)
{
    struct volume_attr attr;
    uint32_t handle = rq->handle;
    forget_handle(handle);
    atomic_store(&ring->kept[handle % OWNER_OPEN_MAX], rq->client + 1);
    /* Who takes its last name away looks for it after that: one of us two sees the other. */
    if (!owner_published(&ring->published, handle, &attr, false) || attr.ino != rq->ino ||
        attr.nlink == 0)
        return !take_back(ring, handle);
    struct kept_file *file = place_for(rq->volume, rq->ino);
    rq->handle = is_there(file) ? file->handle : 0;
    *file =
        (struct kept_file){.ino = rq->ino, .volume = rq->volume, .handle = handle, .era = g_era};
    g_place_of[handle % OWNER_OPEN_MAX] = (uint8_t)(file - g_files);
    return rq->handle == 0 || !take_back(ring, rq->handle);
}

bool volume_kept_close(struct ring *ring, struct request *rq)
{
    if (!(rq->flags & REQUEST_KEEP) || !is_ours(rq))
        return false;
    lock_acquire(&g_lock);
    bool done = keep(ring, rq);
    lock_release(&g_lock);
    return done;
}

void volume_kept_forget(void)
{
    atomic_store(&g_lock, 0);
    g_era++;
}
