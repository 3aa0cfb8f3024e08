/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/syscall/sites_table.h: what sites.c and sites_fast.c share. */
#ifndef COFFER_RUNTIME_SYSCALL_SITES_TABLE_H
#define COFFER_RUNTIME_SYSCALL_SITES_TABLE_H

#include "base/macros.h"

#include <stdatomic.h>
#include <stdint.h>

/* A trap costs 1.6 us, a rewriting several such and a private page: only what is hot is worth it.
 * Between 2 and 24 no start of a program could tell the difference. */
#define SITE_HOT 8
#define SITE_SLOTS_LOG2 10
#define SITE_SLOTS (1u << SITE_SLOTS_LOG2)
#define SITE_SLOTS_PAGE 256u /* of a page of memory */
#define SITE_PAGES_MAX 64
#define SITE_PAGE_SIZE 4096ull
#define SITES_CHANGED_MAX 1024

/* What a rewritten site jumps to: the instruction that stood before it or its mov, then the entry of
 * the runtime with the address behind the site. 64 to a page, of which the first holds the entry. */
struct trampoline {
    uint8_t code[32];
    uint8_t saved[7]; /* what stood where the jump to here was written */
    uint8_t saved_size;
    int32_t saved_from; /* where that is, counted from `start` */
    uint32_t kept;      /* so many bytes at `start` may not change any more: they are the jump */
    uint64_t call;      /* the system call instruction it serves */
    uint64_t start;     /* what its first instruction stands for; == call: form B */
};
#define TRAMPOLINE_SIZE 64ull
_Static_assert(sizeof(struct trampoline) == TRAMPOLINE_SIZE, "64 to a page");

struct site_slot {
    _Atomic uint64_t site; /* 0: free */
    _Atomic uint32_t count;
};

struct site_page {
    uint64_t address;
    uint64_t used; /* bit n: trampoline n */
};

extern struct site_slot g_site_slots[SITE_SLOTS];
extern struct site_page g_site_pages[SITE_PAGES_MAX];
extern _Atomic unsigned g_site_page_count;
extern _Atomic uint64_t g_site_changed[SITES_CHANGED_MAX]; /* first bytes that were once int3 */
extern _Atomic unsigned g_site_changed_count;

struct site_form;

/* A stretch of text that may be rewritten. */
struct text {
    uint64_t from, to; /* 0, 0: free */
};

/* trampoline.c; all under the lock of sites.c. The address of a new trampoline for the site whose
 * instruction is at `call`, or 0: there is no room. `bytes` is the text at `base` as it was before
 * anything was rewritten. */
uint64_t trampoline_make(const struct text *text, const uint8_t *bytes, uint64_t base,
                         uint64_t call, const struct site_form *form);

/* Would changing [from, from + size) change a jump that is made of bytes left in place? */
bool trampolines_need(uint64_t from, uint64_t size);

/* Makes a copy of [from, to) of the text what it was before anything was rewritten. */
void trampolines_undo(const struct text *text, uint8_t *copy, uint64_t from, uint64_t to);

/* Those that serve [from, to) are free again: that text is gone. */
void trampolines_free(uint64_t from, uint64_t to);
void trampolines_free_all(void);

#endif
