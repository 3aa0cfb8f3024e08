/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/syscall/sites_table.h: what sites.c and sites_fast.c share. */
#ifndef COFFER_RUNTIME_SYSCALL_SITES_TABLE_H
#define COFFER_RUNTIME_SYSCALL_SITES_TABLE_H

#include "base/macros.h"

#include <stdatomic.h>
#include <stdint.h>

/* A trap costs 1.6 us, a rewriting several such and a private page: only what is hot is worth it. */
#define SITE_HOT 24
#define SITE_SLOTS_LOG2 10
#define SITE_SLOTS (1u << SITE_SLOTS_LOG2)
#define SITE_PAGES_MAX 64
#define SITE_PAGE_SIZE 4096ull
#define SITES_CHANGED_MAX 1024

/* A trampoline: code, and at its end the site it serves. The first of a page holds the entry. */
#define TRAMPOLINE_SIZE 64ull
#define TRAMPOLINE_SITE 56

struct site_slot {
    _Atomic uint64_t site; /* 0: free */
    _Atomic uint32_t count;
};

struct site_page {
    uint64_t address;
    unsigned used; /* trampolines, the first slot included */
};

extern struct site_slot g_site_slots[SITE_SLOTS];
extern struct site_page g_site_pages[SITE_PAGES_MAX];
extern _Atomic unsigned g_site_page_count;
extern _Atomic uint64_t g_site_changed[SITES_CHANGED_MAX]; /* first bytes that were once int3 */
extern _Atomic unsigned g_site_changed_count;

#endif
