/* SPDX-License-Identifier: Apache-2.0 */
/* What signal handlers and the fast level of dispatch ask about sites. General registers only. */
#include "runtime/syscall/sites.h"
#include "runtime/syscall/sites_table.h"

bool g_sites_enabled = true;
struct sites_counters g_sites;
LARGE_TABLE _Alignas(4096) struct site_slot g_site_slots[SITE_SLOTS];
struct site_page g_site_pages[SITE_PAGES_MAX];
_Atomic unsigned g_site_page_count;
LARGE_TABLE _Atomic uint64_t g_site_changed[SITES_CHANGED_MAX];
_Atomic unsigned g_site_changed_count;

/* The sites of one megabyte of text are counted on one page of the table, and looked for by an exchange,
 * never by a read alone: a new process then pays one fault for most of what it counts. */
bool sites_count(uint64_t site)
{
    const uint64_t golden = 0x9e3779b97f4a7c15ull;
    uint64_t page = (site >> 20) * golden >> (64 - SITE_SLOTS_LOG2) & ~(SITE_SLOTS_PAGE - 1ull);
    uint64_t hash = site * golden >> 32;
    for (unsigned probe = 0; probe < 8; probe++) {
        struct site_slot *slot = &g_site_slots[page + (hash + probe) % SITE_SLOTS_PAGE];
        uint64_t there = 0;
        if (!atomic_compare_exchange_strong(&slot->site, &there, site) && there != site)
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
