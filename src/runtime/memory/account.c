/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/memory/account.h"

#include "runtime/thread.h"

#include <sys/mman.h>

#define STACK_AT_START ((uint64_t)132 << 10) /* what Linux gives a new program */

/* Private and writable; shared, which never becomes that. Under memory.c's lock. Where memory for them is
 * missing, what they leave out is not counted. */
static struct ranges g_data, g_shared;

static uint64_t limit_of(enum limit_kind kind)
{
    const struct limit_view *view = &process_self()->limits[kind];
    return view->set ? view->guest.rlim_cur : RLIM_INFINITY;
}

static bool within(uint64_t limit, uint64_t has, uint64_t more)
{
    return has <= limit && more <= limit - has;
}

bool account_allows(const struct ranges *guest, uint64_t stack, uint64_t more)
{
    uint64_t limit = limit_of(LIMIT_ADDRESS_SPACE);
    if (limit == RLIM_INFINITY)
        return true;
    uint64_t has = ranges_size(guest, 0, UINT64_MAX);
    if (stack > STACK_AT_START && has > stack)
        has -= stack - STACK_AT_START;
    return within(limit, has, more);
}

bool account_allows_data(uint64_t from, uint64_t to)
{
    uint64_t counted = ranges_size(&g_data, from, to) + ranges_size(&g_shared, from, to);
    return account_allows_new_data(to - from - MIN(counted, to - from));
}

bool account_allows_new_data(uint64_t size)
{
    uint64_t limit = limit_of(LIMIT_DATA);
    return limit == RLIM_INFINITY || size == 0 ||
           within(limit, ranges_size(&g_data, 0, UINT64_MAX), size);
}

bool account_is_data(int prot, int flags)
{
    return (prot & PROT_WRITE) && (flags & MAP_TYPE) == MAP_PRIVATE && !(flags & MAP_GROWSDOWN);
}

void account_mapped(uint64_t from, uint64_t to, int prot, int flags)
{
    account_unmapped(from, to);
    if (account_is_data(prot, flags))
        (void)!ranges_add(&g_data, from, to);
    else if ((flags & MAP_TYPE) != MAP_PRIVATE || (flags & MAP_GROWSDOWN))
        (void)!ranges_add(&g_shared, from, to);
}

void account_unmapped(uint64_t from, uint64_t to)
{
    if (g_data.count > 0)
        (void)!ranges_remove(&g_data, from, to);
    if (g_shared.count > 0)
        (void)!ranges_remove(&g_shared, from, to);
}

void account_protected(uint64_t from, uint64_t to, int prot)
{
    struct range private;
    if (!(prot & PROT_WRITE)) {
        (void)!ranges_remove(&g_data, from, to);
        return;
    }
    for (uint64_t at = from; ranges_first_outside(&g_shared, at, to, &private); at = private.to)
        (void)!ranges_add(&g_data, private.from, private.to);
}

bool account_has_data(uint64_t address)
{
    return ranges_contain(&g_data, address, address + 1);
}

void account_moved(uint64_t old, uint64_t old_size, uint64_t at, uint64_t size, bool keeps)
{
    bool data = account_has_data(old), shared = ranges_contain(&g_shared, old, old + 1);
    if (!keeps)
        account_unmapped(old, old + old_size);
    account_unmapped(at, at + size);
    if (data)
        (void)!ranges_add(&g_data, at, at + size);
    if (shared)
        (void)!ranges_add(&g_shared, at, at + size);
}
