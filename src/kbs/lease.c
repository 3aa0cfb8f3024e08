/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/lease.h"

#include <errno.h>
#include <string.h>

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* How long the present owner may still acknowledge. A deadline further away than a whole term comes
 * from a clock before the machine's restart. */
static uint64_t wait_left(const struct lease *lease, const struct lease_times *t)
{
    uint64_t longest = t->now_ms + t->term_ms + t->margin_ms;
    uint64_t deadline = MIN(lease->deadline_ms + t->margin_ms, longest);
    return deadline > t->now_ms ? deadline - t->now_ms : 0;
}

static bool owner_is_gone(const struct lease *lease, const struct lease_owner *owner)
{
    return !lease->held || !owner->waits ||
           memcmp(lease->session, owner->session, sizeof lease->session) == 0 ||
           (!is_zero(owner->instance, sizeof owner->instance) &&
            memcmp(lease->instance, owner->instance, sizeof lease->instance) == 0);
}

int lease_open(struct lease *lease, const struct lease_owner *owner,
               const uint8_t opening[LEASE_OPENING_SIZE], const struct lease_times *t,
               uint64_t *ret_wait_ms)
{
    uint64_t wait = owner_is_gone(lease, owner) ? 0 : wait_left(lease, t);
    if (wait > 0) {
        *ret_wait_ms = wait;
        return -EBUSY;
    }
    lease->head.epoch++;
    lease->held = true;
    lease->deadline_ms = t->now_ms + t->term_ms;
    memcpy(lease->session, owner->session, sizeof lease->session);
    memcpy(lease->instance, owner->instance, sizeof lease->instance);
    memcpy(lease->opening, opening, sizeof lease->opening);
    return 0;
}

int lease_report(struct lease *lease, const uint8_t session[LEASE_SESSION_SIZE],
                 const struct lease_head *head, const struct lease_times *t)
{
    if (head->epoch != lease->head.epoch ||
        memcmp(session, lease->session, sizeof lease->session) != 0)
        return -ESTALE;
    if (head->sequence < lease->head.sequence ||
        (head->sequence == lease->head.sequence &&
         memcmp(head->tag, lease->head.tag, sizeof head->tag) != 0))
        return -EKEYREJECTED;
    lease->head = *head;
    lease->held = true;
    lease->deadline_ms = t->now_ms + t->term_ms;
    return 0;
}

int lease_close(struct lease *lease, const uint8_t session[LEASE_SESSION_SIZE],
                const struct lease_head *head, const struct lease_times *t)
{
    int r = lease_report(lease, session, head, t);
    if (r == 0)
        lease->held = false;
    return r;
}

void lease_revoke(struct lease *lease)
{
    lease->head.epoch++;
    lease->held = false;
    memset(lease->session, 0, sizeof lease->session);
}
