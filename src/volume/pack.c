/* SPDX-License-Identifier: Apache-2.0 */
/* Contents that are compressed before they are encrypted: up to PACK_BLOCKS blocks of a file as one unit,
 * a zstd frame, where that saves an eighth. Trusted: what was decrypted is what we wrote, for its tag
 * verified; still a frame unpacks into a buffer of PACK_SIZE and to exactly the size that the index says,
 * or it is damage. zstd gets memory of ours, which is wiped, and no allocator. */
#define ZSTD_STATIC_LINKING_ONLY /* contexts in memory of ours */
#define ZSTD_DISABLE_DEPRECATE_WARNINGS

#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

enum { LEVEL = 1, SAVES_PART = 8, GROWS_PART = 64 };

/* What one thread needs to unpack. */
struct unpacker {
    uint64_t segment; /* 0: `plain` holds nothing */
    uint32_t offset;
    uint16_t whole;
    ZSTD_DCtx *zstd; /* in `work` */
    size_t work_size;
    uint8_t *work;
    uint8_t cipher[PACK_SIZE + TAG_SIZE];
    uint8_t plain[PACK_SIZE];
};

struct packer {
    ZSTD_CCtx *zstd; /* in `work` */
    size_t work_size;
    uint8_t *work;
    uint8_t packed[PACK_SIZE];
    uint8_t plain[PACK_SIZE];
};

static void unpacker_free(struct unpacker *u)
{
    if (!u)
        return;
    if (u->work)
        secret_wipe(u->work, u->work_size);
    free(u->work);
    secret_wipe(u->plain, sizeof u->plain);
    free(u);
}

static void packer_free(struct packer *p)
{
    if (!p)
        return;
    if (p->work)
        secret_wipe(p->work, p->work_size);
    free(p->work);
    secret_wipe(p->packed, sizeof p->packed);
    secret_wipe(p->plain, sizeof p->plain);
    free(p);
}

void pack_trim(struct volume *v)
{
    unpacker_free(v->unpacker);
    unpacker_free(v->unpacker_apart);
    packer_free(v->packer);
    v->unpacker = v->unpacker_apart = NULL;
    v->packer = NULL;
}

static struct unpacker *unpacker_new(void)
{
    struct unpacker *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->work_size = ZSTD_estimateDCtxSize();
    u->work = malloc(u->work_size);
    u->zstd = u->work ? ZSTD_initStaticDCtx(u->work, u->work_size) : NULL;
    if (u->zstd)
        return u;
    unpacker_free(u);
    return NULL;
}

static ZSTD_parameters parameters(void)
{
    return (ZSTD_parameters){ZSTD_getCParams(LEVEL, PACK_SIZE, 0), {0, 0, 1}};
}

static struct packer *packer_get(struct volume *v)
{
    struct packer *p = v->packer;
    if (p)
        return p;
    p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->work_size = ZSTD_estimateCCtxSize_usingCParams(parameters().cParams);
    p->work = malloc(p->work_size);
    p->zstd = p->work ? ZSTD_initStaticCCtx(p->work, p->work_size) : NULL;
    if (!p->zstd) {
        packer_free(p);
        return NULL;
    }
    v->packer = p;
    return p;
}

uint8_t *pack_buffer(struct volume *v)
{
    struct packer *p = packer_get(v);
    return p ? p->plain : NULL;
}

/* To at most `packed_max` bytes. */
static int append(struct volume *v, const uint8_t *bytes, size_t size, size_t packed_max,
                  struct extent *ret_extent)
{
    uint32_t offset;
    struct packer *p = packer_get(v);
    if (!p || size > PACK_SIZE || size < PACK_SIZE_MIN)
        return 0;
    size_t packed =
        ZSTD_compress_advanced(p->zstd, p->packed, packed_max, bytes, size, NULL, 0, parameters());
    if (ZSTD_isError(packed))
        return 0; /* it does not fit, so it saves too little; whatever else: plain will do */
    int r = batch_append(v, UNIT_DATA, p->packed, packed, &offset);
    if (r < 0)
        return r;
    *ret_extent = (struct extent){.segment = v->batch.segment,
                                  .offset = offset,
                                  .len = (uint32_t)size,
                                  .packed = (uint16_t)packed,
                                  .whole = (uint16_t)size};
    return 1;
}

int pack_append(struct volume *v, const uint8_t *bytes, size_t size, struct extent *ret_extent)
{
    return append(v, bytes, size, size - size / SAVES_PART, ret_extent);
}

/* Of what is in u->cipher. */
static int unpack(struct unpacker *u, struct aead *aead, const struct extent *extent)
{
    u->segment = 0;
    int r = unit_open_quietly(aead, UNIT_DATA, extent->segment, extent->offset, u->cipher,
                              u->cipher, extent->packed);
    if (r < 0)
        return r;
    size_t size = ZSTD_decompressDCtx(u->zstd, u->plain, extent->whole, u->cipher, extent->packed);
    secret_wipe(u->cipher, extent->packed);
    if (ZSTD_isError(size) || size != extent->whole)
        return -EBADMSG;
    u->segment = extent->segment;
    u->offset = extent->offset;
    u->whole = extent->whole;
    return 0;
}

int pack_load(struct volume *v, const struct extent *extent, const uint8_t **ret_plain)
{
    struct aead *aead;
    struct unpacker *u = v->unpacker;
    if (!u)
        u = v->unpacker = unpacker_new();
    if (!u)
        return -ENOMEM;
    *ret_plain = u->plain;
    /* A position is written once, so what it held is what it holds. */
    if (u->segment == extent->segment && u->offset == extent->offset && u->whole == extent->whole)
        return 0;
    int r = segment_aead(v, extent->segment, &aead);
    if (r == 0)
        r = log_read(v, extent->segment, extent->offset, u->cipher,
                     (size_t)extent->packed + TAG_SIZE);
    if (r < 0)
        return r;
    r = unpack(u, aead, extent);
    return r == -EBADMSG ? volume_damage(v, extent->segment, extent->offset, "bytes were changed")
                         : r;
}

/* The unit as it is, of which the extent shows all. */
static int unit_move(struct volume *v, const struct extent *part, struct extent *ret_extent)
{
    struct packer *p = packer_get(v);
    uint8_t *cipher = v->unpacker->cipher; /* pack_load() has been called */
    struct aead *aead;
    uint32_t offset;
    if (!p)
        return -ENOMEM;
    int r = segment_aead(v, part->segment, &aead);
    if (r == 0)
        r = log_read(v, part->segment, part->offset, cipher, (size_t)part->packed + TAG_SIZE);
    if (r == 0)
        r = unit_open(v, aead, UNIT_DATA, part->segment, part->offset, cipher, p->packed,
                      part->packed);
    if (r == 0)
        r = batch_append(v, UNIT_DATA, p->packed, part->packed, &offset);
    if (r != 0)
        return r;
    *ret_extent = *part;
    ret_extent->segment = v->batch.segment;
    ret_extent->offset = offset;
    return 1;
}

int pack_move(struct volume *v, const struct extent *part, struct extent *ret_extent)
{
    const uint8_t *plain;
    int r = pack_load(v, part, &plain);
    if (r < 0 || part->len == part->whole)
        return r < 0 ? r : unit_move(v, part, ret_extent);
    /* What the part does not show may have been erased, so the unit does not go along, not even where the
     * part alone takes a little more than the unit did. */
    size_t packed_max = part->packed;
    if (extent_size(part) < part->packed + (uint32_t)TAG_SIZE)
        packed_max = MIN(packed_max, (size_t)part->len - part->len / SAVES_PART);
    else
        packed_max = MIN(packed_max + packed_max / GROWS_PART, (size_t)part->len - 1);
    return append(v, plain + (size_t)part->skip * BLOCK_SIZE, part->len, packed_max, ret_extent);
}

static size_t part_copy(const struct extent *part, const uint8_t *plain, uint8_t *bytes,
                        volume_copy_fn *copy)
{
    const uint8_t *from = plain + (size_t)part->skip * BLOCK_SIZE;
    if (copy)
        return copy(bytes, from, part->len);
    memcpy(bytes, from, part->len);
    return part->len;
}

ssize_t pack_read(struct volume *v, const struct extent *part, uint8_t *bytes, volume_copy_fn *copy)
{
    const uint8_t *plain;
    int r = pack_load(v, part, &plain);
    if (r < 0)
        return r;
    size_t n = part_copy(part, plain, bytes, copy);
    return n > 0 ? (ssize_t)n : -EFAULT;
}

ssize_t pack_read_apart(struct volume *v, struct aead *own, const struct extent *part,
                        uint8_t *bytes, volume_copy_fn *copy)
{
    struct unpacker *u = v->unpacker_apart ? v->unpacker_apart : unpacker_new();
    size_t size = (size_t)part->packed + TAG_SIZE, n = 0;
    if (!u)
        return -ENOMEM;
    v->unpacker_apart = NULL;
    volume_unlock(v);
    ssize_t got = v->backend->ops->read(v->backend, part->segment, part->offset, u->cipher, size);
    int r = got == (ssize_t)size ? 0 : got < 0 && got != -ENOENT ? (int)got : -EBADMSG;
    if (r == 0)
        r = unpack(u, own, part);
    if (r == 0)
        n = part_copy(part, u->plain, bytes, copy);
    volume_lock(v);
    if (v->unpacker_apart)
        unpacker_free(u);
    else
        v->unpacker_apart = u;
    return r < 0 ? r : n > 0 ? (ssize_t)n : -EFAULT;
}
