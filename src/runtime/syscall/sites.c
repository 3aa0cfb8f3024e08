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
#define WINDOW 160 /* bytes to look at on each side of a site */

/* protects: g_texts, the trampoline pages; a leaf */
static lock_word g_lock;
LARGE_TABLE static struct text g_texts[TEXTS_MAX];
static size_t g_text_end; /* all behind are free */

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
    size_t i = 0;
    while (i < g_text_end && g_texts[i].to != 0)
        i++;
    if (i == TEXTS_MAX)
        return;
    g_texts[i] = (struct text){from, to};
    g_text_end = MAX(g_text_end, i + 1);
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
    for (size_t i = 0; i < g_text_end; i++) {
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

void sites_text_gone(uint64_t from, uint64_t size)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    unsigned count = atomic_load(&g_site_changed_count);
    trampolines_free(from, from + size);
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = atomic_load(&g_site_changed[i]);
        if (at >= from && at < from + size)
            atomic_store(&g_site_changed[i], 0);
    }
}

void sites_forget_all(void)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    memset(g_texts, 0, g_text_end * sizeof(g_texts[0]));
    g_text_end = 0;
    for (unsigned i = 0; i < SITE_SLOTS; i++) {
        if (atomic_load_explicit(&g_site_slots[i].site, memory_order_relaxed) == 0)
            continue; /* its page may not exist yet */
        atomic_store(&g_site_slots[i].site, 0);
        atomic_store(&g_site_slots[i].count, 0);
    }
    trampolines_free_all();
    atomic_store(&g_site_changed_count, 0);
}

static const struct text *text_of(uint64_t site)
{
    for (size_t i = 0; i < g_text_end; i++)
        if (g_texts[i].from <= site && site + 2 <= g_texts[i].to)
            return &g_texts[i];
    return NULL;
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
    if (form->kind == SITE_MOV || form->kind == SITE_MOV_LONG || form->kind == SITE_BEFORE) {
        jump_bytes(bytes, start, trampoline);
        size_t size = form->kind == SITE_BEFORE ? MIN(form->size, (size_t)5) : form->size;
        write_text((uint8_t *)start, bytes, size, alone);
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

static void count_form(enum site_kind kind)
{
    if (kind == SITE_MOV || kind == SITE_MOV_LONG)
        g_sites.form_mov++;
    else if (kind == SITE_BEFORE)
        g_sites.form_before++;
    else
        g_sites.form_padding++;
}

static bool is_padding(const struct site_form *form)
{
    return form->kind == SITE_PADDING || form->kind == SITE_BEHIND_RETURN;
}

/* `bytes` is the text from `from` on, where `form` counts from. */
static bool rewrite_as(const struct text *text, const uint8_t *bytes, uint64_t from, uint64_t site,
                       const struct site_form *form, bool alone)
{
    size_t padding = form->kind == SITE_PADDING ? 7 : 5;
    if (trampolines_need(from + form->start, form->size))
        return false;
    if (is_padding(form) && (trampolines_need(from + form->padding, padding) ||
                             memcmp((const void *)(from + form->padding), bytes + form->padding,
                                    padding) != 0)) /* taken */
        return false;
    uint64_t trampoline = trampoline_make(text, bytes, from, site, form);
    if (trampoline == 0)
        return false;
    uint64_t page = round_down(MAX(text->from, site - WINDOW), SITE_PAGE_SIZE);
    uint64_t end = round_up(MIN(text->to, site + WINDOW), SITE_PAGE_SIZE);
    if (host_call(SYS_mprotect, page, end - page, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
        return false;
    if (!alone)
        (void)host_call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
    patch(from, form, trampoline, alone);
    (void)host_call(SYS_mprotect, page, end - page, PROT_READ | PROT_EXEC);
    count_form(form->kind);
    return true;
}

static bool rewrite(uint64_t site, bool alone)
{
    const struct text *text = text_of(site);
    if (!text)
        return false;
    uint64_t from = MAX(text->from, site - WINDOW), to = MIN(text->to, site + WINDOW);
    struct site_form forms[SITE_FORMS_MAX];
    uint8_t copy[2 * WINDOW];
    memcpy(copy, (const void *)from, to - from);
    trampolines_undo(text, copy, from, to);
    size_t count = site_forms_of(copy, to - from, site - from, from, forms);
    for (size_t i = 0; i < count; i++)
        if (rewrite_as(text, copy, from, site, &forms[i], alone))
            return true;
    return false;
}

void sites_rewrite(uint64_t site)
{
    bool alone = atomic_load(&process_self()->thread_count) == 1 && !process_self()->vfork_child;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    if (!rewrite(site, alone))
        g_sites.refused++;
}
