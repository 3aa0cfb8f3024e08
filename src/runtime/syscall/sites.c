/* SPDX-License-Identifier: Apache-2.0 */
/* Rewriting of system call sites. Text is changed by the breakpoint protocol when other threads may
 * run it: int3 on the first byte, every core synchronised, the tail, synchronised, the first byte,
 * synchronised. A thread that meets the int3 runs the instruction again (sites_breakpoint). */
#include "runtime/syscall/sites.h"
#include "platform/host.h"
#include "runtime/lock.h"
#include "runtime/syscall/entry.h"
#include "runtime/syscall/site_form.h"
#include "runtime/syscall/sites_table.h"

#include <linux/membarrier.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define TEXTS_MAX 512
#define NEAR ((int64_t)1 << 30) /* well within the 2 GiB of a near jump */
#define WINDOW 160              /* bytes to look at on each side of a site */

struct text {
    uint64_t from, to; /* 0, 0: free */
};

/* protects: g_texts, the trampoline pages; a leaf */
static lock_word g_lock;
static struct text g_texts[TEXTS_MAX];

void sites_fork_prepare(void)
{
    lock_acquire(&g_lock);
}

void sites_fork_done(void)
{
    lock_release(&g_lock);
}

static void text_add(uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < TEXTS_MAX; i++) {
        if (g_texts[i].to != 0)
            continue;
        g_texts[i] = (struct text){from, to};
        return;
    }
}

void sites_text_add(uint64_t from, uint64_t size)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    text_add(from, from + size);
}

/* Sites in a range that is no more are strangers if their addresses come back. */
static void forget_sites(uint64_t from, uint64_t to)
{
    for (unsigned i = 0; i < SITE_SLOTS; i++) {
        uint64_t site = atomic_load(&g_site_slots[i].site);
        if (site >= from && site < to)
            atomic_store(&g_site_slots[i].count, 0);
    }
}

void sites_text_remove(uint64_t from, uint64_t size)
{
    uint64_t to = from + size;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    bool any = false;
    for (size_t i = 0; i < TEXTS_MAX; i++) {
        struct text text = g_texts[i];
        if (text.to == 0 || text.from >= to || text.to <= from)
            continue;
        any = true;
        g_texts[i] = (struct text){0};
        if (text.from < from)
            text_add(text.from, from);
        if (text.to > to)
            text_add(to, text.to);
    }
    if (any)
        forget_sites(from, to);
}

void sites_forget_all(void)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    memset(g_texts, 0, sizeof(g_texts));
    for (unsigned i = 0; i < SITE_SLOTS; i++) {
        atomic_store(&g_site_slots[i].site, 0);
        atomic_store(&g_site_slots[i].count, 0);
    }
    unsigned pages = atomic_exchange(&g_site_page_count, 0);
    for (unsigned i = 0; i < pages; i++)
        (void)host_call(SYS_munmap, g_site_pages[i].address, SITE_PAGE_SIZE);
    atomic_store(&g_site_changed_count, 0);
}

static const struct text *text_of(uint64_t site)
{
    for (size_t i = 0; i < TEXTS_MAX; i++)
        if (g_texts[i].from <= site && site + 2 <= g_texts[i].to)
            return &g_texts[i];
    return NULL;
}

static bool is_near(uint64_t a, uint64_t b)
{
    int64_t distance = (int64_t)(a - b);
    return distance > -NEAR && distance < NEAR;
}

/* A new page for trampolines within reach of `site`: below the text first, where no break grows. */
static struct site_page *page_new(const struct text *text)
{
    unsigned count = atomic_load(&g_site_page_count);
    if (count == SITE_PAGES_MAX)
        return NULL;
    for (int shift = 12; shift < 60; shift++) {
        uint64_t step = 1ull << (12 + shift % 18);
        uint64_t at = shift < 36 ? round_down(text->from, SITE_PAGE_SIZE) - step
                                 : round_up(text->to, SITE_PAGE_SIZE) + (step << 6);
        if (at < 0x10000 || at > 0x7fffffff0000ull || !is_near(at, text->from))
            continue;
        long r = host_call(SYS_mmap, at, SITE_PAGE_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (r != (long)at)
            continue;
        *(uint64_t *)at = (uint64_t)rt_entry;
        if (host_call(SYS_mprotect, at, SITE_PAGE_SIZE, PROT_READ | PROT_EXEC) < 0)
            return NULL;
        g_site_pages[count] = (struct site_page){at, 1};
        atomic_store(&g_site_page_count, count + 1);
        return &g_site_pages[count];
    }
    return NULL;
}

static struct site_page *page_near(const struct text *text)
{
    unsigned count = atomic_load(&g_site_page_count);
    for (unsigned i = 0; i < count; i++) {
        struct site_page *page = &g_site_pages[i];
        if (page->used < SITE_PAGE_SIZE / TRAMPOLINE_SIZE && is_near(page->address, text->from) &&
            is_near(page->address, text->to))
            return page;
    }
    return page_new(text);
}

static size_t put_bytes(uint8_t *to, size_t at, const void *bytes, size_t size)
{
    memcpy(to + at, bytes, size);
    return at + size;
}

/* mov $nr,%eax (form A); movabs $return,%rcx; jmp *entry; ...; the site. Its address, or 0. */
static uint64_t trampoline_make(const struct text *text, uint64_t site, uint64_t start,
                                const struct site_form *form)
{
    struct site_page *page = page_near(text);
    uint8_t code[TRAMPOLINE_SIZE];
    size_t n = 0;
    if (!page)
        return 0;
    uint64_t at = page->address + page->used * TRAMPOLINE_SIZE, back = site + 2;
    memset(code, 0xcc, sizeof(code));
    if (form->kind == SITE_MOV || form->kind == SITE_MOV_LONG) {
        n = put_bytes(code, n, "\xb8", 1);
        n = put_bytes(code, n, &form->nr, 4);
    }
    n = put_bytes(code, n, "\x48\xb9", 2);
    n = put_bytes(code, n, &back, 8);
    n = put_bytes(code, n, "\xff\x25", 2);
    int32_t entry = (int32_t)(int64_t)(page->address - (at + n + 4));
    n = put_bytes(code, n, &entry, 4);
    memcpy(code + TRAMPOLINE_SITE, &start, sizeof(start));
    if (host_call(SYS_mprotect, page->address, SITE_PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC) <
        0)
        return 0;
    memcpy((void *)at, code, sizeof(code));
    (void)host_call(SYS_mprotect, page->address, SITE_PAGE_SIZE, PROT_READ | PROT_EXEC);
    page->used++;
    return at;
}

static void synchronise(bool alone)
{
    if (!alone)
        (void)host_call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
}

static void write_text(uint8_t *to, const uint8_t *bytes, size_t size, bool alone)
{
    volatile uint8_t *text = to;
    if (!alone) {
        unsigned slot = atomic_load(&g_site_changed_count);
        atomic_store(&g_site_changed[slot % SITES_CHANGED_MAX], (uint64_t)to);
        atomic_store(&g_site_changed_count, MIN(slot + 1, (unsigned)SITES_CHANGED_MAX));
        text[0] = 0xcc;
        synchronise(alone);
    }
    for (size_t i = 1; i < size; i++)
        text[i] = bytes[i];
    synchronise(alone);
    text[0] = bytes[0];
    synchronise(alone);
}

static void jump_bytes(uint8_t bytes[5], uint64_t at, uint64_t target)
{
    int32_t distance = (int32_t)(int64_t)(target - (at + 5));
    bytes[0] = 0xe9;
    memcpy(bytes + 1, &distance, sizeof(distance));
}

static void patch(uint64_t base, const struct site_form *form, uint64_t trampoline, bool alone)
{
    uint8_t bytes[7] = {0, 0, 0, 0, 0, 0x66, 0x90};
    uint64_t start = base + form->start;
    if (form->kind == SITE_MOV || form->kind == SITE_MOV_LONG) {
        jump_bytes(bytes, start, trampoline);
        write_text((uint8_t *)start, bytes, form->size, alone);
        return;
    }
    uint64_t pad = base + form->padding, jump = pad;
    if (form->kind == SITE_PADDING) {
        bytes[0] = 0xeb;
        bytes[1] = 5;
        jump = pad + 2;
        jump_bytes(bytes + 2, jump, trampoline);
        write_text((uint8_t *)pad, bytes, 7, alone);
    } else {
        jump_bytes(bytes, jump, trampoline);
        write_text((uint8_t *)pad, bytes, 5, alone);
    }
    const uint8_t hop[2] = {0xeb, (uint8_t)(jump - (start + 2))};
    write_text((uint8_t *)start, hop, 2, alone);
}

static bool rewrite(uint64_t site, bool alone)
{
    const struct text *text = text_of(site);
    if (!text)
        return false;
    uint64_t from = MAX(text->from, site - WINDOW), to = MIN(text->to, site + WINDOW);
    struct site_form form = site_form_of((const uint8_t *)from, to - from, site - from, from);
    if (form.kind == SITE_UNKNOWN)
        return false;
    uint64_t trampoline = trampoline_make(text, site, from + form.start, &form);
    if (trampoline == 0)
        return false;
    uint64_t page = round_down(from, SITE_PAGE_SIZE), end = round_up(to, SITE_PAGE_SIZE);
    if (host_call(SYS_mprotect, page, end - page, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
        return false;
    if (!alone)
        (void)host_call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
    patch(from, &form, trampoline, alone);
    (void)host_call(SYS_mprotect, page, end - page, PROT_READ | PROT_EXEC);
    if (form.kind == SITE_MOV || form.kind == SITE_MOV_LONG)
        g_sites.form_mov++;
    else
        g_sites.form_padding++;
    return true;
}

void sites_rewrite(uint64_t site)
{
    bool alone = atomic_load(&process_self()->thread_count) == 1 && !process_self()->vfork_child;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    if (!rewrite(site, alone))
        g_sites.refused++;
}
