/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/provision/authority.h"

#include "base/hex.h"
#include "platform/host.h"
#include "runtime/provision/link.h"

#include <errno.h>
#include <stdatomic.h>

/* Reports closer together than this share a connection. */
enum { RETRY_MS = 100, RETRY_MAX_MS = 500, BUSY_MS = 3000 };

static int64_t g_patience_ms;
static _Atomic unsigned g_openings_left;
static _Atomic int64_t g_reported_ns;

void authority_set_patience(int64_t patience_ms)
{
    g_patience_ms = patience_ms;
}

void authority_expect_openings(unsigned count)
{
    g_openings_left = count;
}

static int head_read(const json_t *answer, struct volume_head *ret)
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

/* How long until another try; 0: there is none. */
static int64_t retry_delay(int r, unsigned status, const json_t *answer)
{
    if (r == -EAGAIN)
        return RETRY_MS;
    if (r < 0 || status != 423)
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
    hex_encode(slice_of(id, VOLUME_ID_SIZE), id_hex);
    hex_encode(slice_of(opening_key_id, 16), opening_hex);
    json_t *request = json_pack("{s:s, s:s}", "id", id_hex, "opening", opening_hex);
    if (!request)
        return error_set(e, -ENOMEM, "no memory for a request");
    for (;;) {
        struct error why = {0};
        json_t *answer = NULL;
        unsigned status = 0;
        int r = link_call("/v1/volume/open", request, false, &status, &answer, &why);
        int64_t delay_ms = retry_delay(r, status, answer);
        if (r == 0 && status != 200)
            r = link_refused(answer, status, &why);
        if (r == 0)
            r = head_read(answer, ret_head);
        json_decref(answer);
        if (r == 0 || delay_ms == 0 || host_monotonic_ns() + delay_ms * 1000000 > deadline_ns) {
            json_decref(request);
            if (g_openings_left > 0 && --g_openings_left == 0)
                link_rest();
            return r < 0 ? error_set(e, r, "%s", error_text(&why, r)) : 0;
        }
        link_sleep_ms(delay_ms);
    }
}

/* Refusals other than fencing mean as much: this owner must not go on. */
static int head_send(const char *path, const uint8_t id[VOLUME_ID_SIZE],
                     const struct volume_head *head)
{
    char id_hex[2 * VOLUME_ID_SIZE + 1], tag_hex[2 * VOLUME_TAG_SIZE + 1];
    json_t *answer = NULL;
    unsigned status = 0;
    hex_encode(slice_of(id, VOLUME_ID_SIZE), id_hex);
    hex_encode(slice_of(head->tag, VOLUME_TAG_SIZE), tag_hex);
    json_t *request =
        json_pack("{s:s, s:I, s:I, s:s}", "id", id_hex, "epoch", (json_int_t)head->epoch,
                  "sequence", (json_int_t)head->sequence, "tag", tag_hex);
    int r = request ? link_call(path, request, false, &status, &answer, NULL) : -ENOMEM;
    json_decref(request);
    json_decref(answer);
    if (r < 0)
        return r == -EACCES || r == -EKEYREJECTED ? -ESTALE : -EAGAIN;
    return status == 200 ? 0 : status >= 500 ? -EAGAIN : -ESTALE;
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

const struct volume_authority authority_kbs = {
    .open = authority_open, .report = authority_report, .close = authority_close};
