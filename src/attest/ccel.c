/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/ccel.h"

#include "base/reader.h"

#include <errno.h>

#define EV_NO_ACTION 3u
#define ALGORITHM_SHA384 0x000c
#define ALGORITHMS_MAX 8
#define SHA1_SIZE 20
#define END_INDEX UINT32_MAX

/* Digest sizes by algorithm, as the log's first event declares them. */
struct algorithms {
    uint16_t id[ALGORITHMS_MAX], size[ALGORITHMS_MAX];
    unsigned count;
};

/* The first event has the old form and describes the rest. */
static int header_read(struct reader *rd, struct algorithms *ret_algorithms)
{
    static const char signature[16] = "Spec ID Event03";
    struct algorithms all = {0};
    bool good = reader_u32(rd) <= CCEL_RTMRS; /* 0, or 1 as a TD's firmware writes */
    good &= reader_u32(rd) == EV_NO_ACTION;
    (void)reader_take(rd, SHA1_SIZE);
    struct reader event = reader_over(reader_slice(rd, reader_u32(rd)));
    good &=
        slice_equals(reader_slice(&event, sizeof signature), slice_of(signature, sizeof signature));
    (void)reader_take(&event, 8); /* platform class, versions, size of integers */
    all.count = reader_u32(&event);
    if (!good || !reader_ok(&event) || all.count < 1 || all.count > ALGORITHMS_MAX)
        return -EBADMSG;
    for (unsigned i = 0; i < all.count; i++) {
        all.id[i] = reader_u16(&event);
        all.size[i] = reader_u16(&event);
    }
    (void)reader_take(&event, reader_u8(&event)); /* the vendor's own */
    if (!reader_finished(&event))
        return -EBADMSG;
    *ret_algorithms = all;
    return 0;
}

static size_t digest_size(const struct algorithms *all, uint16_t id)
{
    for (unsigned i = 0; i < all->count; i++)
        if (all->id[i] == id)
            return all->size[i];
    return 0;
}

static bool only(const struct reader *rd, uint8_t byte)
{
    for (const uint8_t *at = rd->at; at < rd->end; at++)
        if (*at != byte)
            return false;
    return true;
}

static bool is_end(const struct reader *rd)
{
    struct reader next = *rd;
    if (reader_left(rd) == 0 || only(rd, 0x00) || only(rd, 0xff))
        return true;
    return reader_u32(&next) == END_INDEX && reader_ok(&next);
}

static int extend(struct ccel *ccel, uint32_t index, const uint8_t digest[SHA384_SIZE])
{
    uint8_t both[2 * SHA384_SIZE];
    if (index < 1 || index > CCEL_RTMRS)
        return -EBADMSG;
    memcpy(both, ccel->rtmr[index - 1], SHA384_SIZE);
    memcpy(both + SHA384_SIZE, digest, SHA384_SIZE);
    ccel->events++;
    return sha384(slice_of(both, sizeof both), ccel->rtmr[index - 1]);
}

static int event_read(struct reader *rd, const struct algorithms *all, struct ccel *ccel)
{
    const uint8_t *digest = NULL;
    uint32_t index = reader_u32(rd), type = reader_u32(rd), count = reader_u32(rd);
    if (!reader_ok(rd) || count > ALGORITHMS_MAX)
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t id = reader_u16(rd);
        size_t size = digest_size(all, id);
        const uint8_t *bytes = reader_take(rd, size);
        if (size == 0 || !reader_ok(rd) || (id == ALGORITHM_SHA384 && size != SHA384_SIZE))
            return -EBADMSG;
        if (id == ALGORITHM_SHA384)
            digest = bytes;
    }
    (void)reader_take(rd, reader_u32(rd));
    if (!reader_ok(rd))
        return -EBADMSG;
    if (type == EV_NO_ACTION)
        return 0;
    return digest ? extend(ccel, index, digest) : -EBADMSG;
}

int ccel_replay(struct slice log, struct ccel *ret_ccel)
{
    struct ccel ccel = {0};
    struct algorithms all = {0};
    struct reader rd = reader_over(log);
    int r = log.size > CCEL_SIZE_MAX ? -EBADMSG : header_read(&rd, &all);
    while (r == 0 && !is_end(&rd))
        r = event_read(&rd, &all, &ccel);
    if (r < 0)
        return r;
    *ret_ccel = ccel;
    return 0;
}
