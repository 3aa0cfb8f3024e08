/* SPDX-License-Identifier: Apache-2.0 */
/* What signal handlers and the fast level of dispatch ask about sites. General registers only. */
#include "runtime/syscall/sites.h"
#include "runtime/syscall/sites_table.h"

bool g_sites_enabled = true;
struct sites_counters g_sites;
struct site_slot g_site_slots[SITE_SLOTS];
struct site_page g_site_pages[SITE_PAGES_MAX];
_Atomic unsigned g_site_page_count;
_Atomic uint64_t g_site_changed[SITES_CHANGED_MAX];
_Atomic unsigned g_site_changed_count;

bool sites_count(uint64_t site)
{
    uint64_t hash = site * 0x9e3779b97f4a7c15ull >> (64 - SITE_SLOTS_LOG2);
    for (unsigned probe = 0; probe < 8; probe++) {
        struct site_slot *slot = &g_site_slots[(hash + probe) % SITE_SLOTS];
        uint64_t there = atomic_load_explicit(&slot->site, memory_order_relaxed);
        if (there == 0 && !atomic_compare_exchange_strong(&slot->site, &there, site) &&
            there != site)
            continue;
        if (there != 0 && there != site)
            continue;
        uint32_t count = atomic_load_explicit(&slot->count, memory_order_relaxed);
        if (count > SITE_HOT)
            return false;
        return atomic_fetch_add(&slot->count, 1) == SITE_HOT;
    }
    return false;
}

bool sites_breakpoint(uint64_t address)
{
    unsigned count = atomic_load(&g_site_changed_count);
    for (unsigned i = 0; i < count && i < SITES_CHANGED_MAX; i++)
        if (atomic_load(&g_site_changed[i]) == address)
            return true;
    return false;
}

uint64_t sites_original(uint64_t rip)
{
    unsigned count = atomic_load(&g_site_page_count);
    for (unsigned i = 0; i < count; i++) {
        uint64_t page = g_site_pages[i].address;
        if (rip < page + TRAMPOLINE_SIZE || rip >= page + SITE_PAGE_SIZE)
            continue;
        const struct trampoline *t = (const struct trampoline *)(rip - rip % TRAMPOLINE_SIZE);
        return rip == (uint64_t)t ? t->start : t->call;
    }
    return rip;
}
