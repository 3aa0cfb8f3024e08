/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for trampolines, within reach of the sites they serve. */
#include "platform/host.h"
#include "runtime/syscall/entry.h"
#include "runtime/syscall/site_form.h"
#include "runtime/syscall/sites_table.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define NEAR ((int64_t)1 << 30) /* well within the 2 GiB of a near jump */
#define SLOTS (SITE_PAGE_SIZE / TRAMPOLINE_SIZE)
#define JUMP 5

static bool is_near(uint64_t a, uint64_t b)
{
    int64_t distance = (int64_t)(a - b);
    return distance > -NEAR && distance < NEAR;
}

/* A new page at `at`, if nothing is there. */
static struct site_page *page_at(uint64_t at)
{
    unsigned count = atomic_load(&g_site_page_count);
    if (count == SITE_PAGES_MAX || at == 0)
        return NULL;
    long r = host_mmap(at, SITE_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (r != (long)at)
        return NULL;
    *(uint64_t *)at = (uint64_t)rt_entry;
    if (host_call(SYS_mprotect, at, SITE_PAGE_SIZE, PROT_READ | PROT_EXEC) < 0)
        return NULL;
    g_site_pages[count] = (struct site_page){at, 1};
    atomic_store(&g_site_page_count, count + 1);
    return &g_site_pages[count];
}

/* A new page within reach of the text: below it first, where no break grows. */
static struct site_page *page_near(const struct text *text)
{
    for (int shift = 12; shift < 60; shift++) {
        uint64_t step = 1ull << (12 + shift % 18);
        uint64_t at = shift < 36 ? round_down(text->from, SITE_PAGE_SIZE) - step
                                 : round_up(text->to, SITE_PAGE_SIZE) + (step << 6);
        if (at < 0x10000 || at > 0x7fffffff0000ull || !is_near(at, text->from))
            continue;
        struct site_page *page = page_at(at);
        if (page)
            return page;
    }
    return NULL;
}

/* Takes a free slot of the page that begins in [from, to]; 0: it has none. */
static uint64_t slot_take(struct site_page *page, uint64_t from, uint64_t to)
{
    for (unsigned i = 1; i < SLOTS; i++) {
        uint64_t at = page->address + i * TRAMPOLINE_SIZE;
        if ((page->used >> i & 1) || at < from || at > to)
            continue;
        page->used |= 1ull << i;
        return at;
    }
    return 0;
}

static uint64_t slot_near(const struct text *text)
{
    unsigned count = atomic_load(&g_site_page_count);
    uint64_t slot = 0;
    for (unsigned i = 0; i < count && slot == 0; i++)
        if (is_near(g_site_pages[i].address, text->from) &&
            is_near(g_site_pages[i].address, text->to))
            slot = slot_take(&g_site_pages[i], 0, UINT64_MAX);
    struct site_page *page = slot == 0 ? page_near(text) : NULL;
    return page ? slot_take(page, 0, UINT64_MAX) : slot;
}

static uint64_t slot_between(uint64_t from, uint64_t to)
{
    unsigned count = atomic_load(&g_site_page_count);
    uint64_t slot = 0;
    for (unsigned i = 0; i < count && slot == 0; i++)
        slot = slot_take(&g_site_pages[i], from, to);
    uint64_t last = MIN(round_down(to, SITE_PAGE_SIZE), from + 16 * SITE_PAGE_SIZE);
    for (uint64_t at = round_down(from, SITE_PAGE_SIZE); slot == 0 && at <= last;
         at += SITE_PAGE_SIZE) {
        struct site_page *page = page_at(at);
        if (page)
            slot = slot_take(page, from, to);
    }
    return slot;
}

static size_t put_bytes(uint8_t *to, size_t at, const void *bytes, size_t size)
{
    memcpy(to + at, bytes, size);
    return at + size;
}

/* The instruction that moves, what it addresses relative to itself corrected. 0: out of reach. */
static size_t put_moved(uint8_t *code, uint64_t at, const uint8_t *bytes, uint64_t base,
                        const struct site_form *form)
{
    memcpy(code, bytes + form->start, form->size);
    if (form->disp == 0)
        return form->size;
    int32_t disp;
    memcpy(&disp, code + form->disp, sizeof(disp));
    int64_t corrected = disp + (int64_t)(base + form->start - at);
    disp = (int32_t)corrected;
    memcpy(code + form->disp, &disp, sizeof(disp));
    return disp == corrected ? form->size : 0;
}

/* [what moves, or mov $nr,%eax]; movabs $back,%rcx; jmp *entry. False: it cannot stand at `at`. */
static bool code_make(struct trampoline *t, uint64_t at, uint64_t page, const uint8_t *bytes,
                      uint64_t base, const struct site_form *form)
{
    size_t n = 0;
    uint64_t back = t->call + 2;
    if (form->kind == SITE_MOV || form->kind == SITE_MOV_LONG) {
        n = put_bytes(t->code, n, "\xb8", 1);
        n = put_bytes(t->code, n, &form->nr, 4);
    } else if (form->kind == SITE_BEFORE) {
        n = put_moved(t->code, at, bytes, base, form);
        if (n == 0)
            return false;
    }
    n = put_bytes(t->code, n, "\x48\xb9", 2);
    n = put_bytes(t->code, n, &back, 8);
    n = put_bytes(t->code, n, "\xff\x25", 2);
    int32_t entry = (int32_t)(int64_t)(page - (at + n + 4));
    (void)put_bytes(t->code, n, &entry, 4);
    return true;
}

static bool is_short(const struct site_form *form)
{
    return form->kind == SITE_BEFORE && form->size < JUMP;
}

static void save_text(struct trampoline *t, const uint8_t *bytes, const struct site_form *form)
{
    size_t at = form->start;
    t->saved_size = (uint8_t)MIN(form->size, sizeof(t->saved));
    if (form->kind == SITE_PADDING || form->kind == SITE_BEHIND_RETURN) {
        at = form->padding;
        t->saved_size = form->kind == SITE_PADDING ? 7 : JUMP;
    }
    t->saved_from = (int32_t)(at - form->start);
    memcpy(t->saved, bytes + at, t->saved_size);
}

uint64_t trampoline_make(const struct text *text, const uint8_t *bytes, uint64_t base,
                         uint64_t call, const struct site_form *form)
{
    struct trampoline t = {
        .kept = is_short(form) ? JUMP : 0, .call = call, .start = base + form->start};
    uint64_t from, to, at = 0;
    save_text(&t, bytes, form);
    if (!is_short(form))
        at = slot_near(text);
    else if (site_form_reach((const uint8_t *)base, base, form, &from, &to))
        at = slot_between(from, to);
    if (at == 0)
        return 0;
    uint64_t page = round_down(at, SITE_PAGE_SIZE);
    memset(t.code, 0xcc, sizeof(t.code));
    if (!code_make(&t, at, page, bytes, base, form) ||
        host_call(SYS_mprotect, page, SITE_PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
        return 0;
    memcpy((void *)at, &t, sizeof(t));
    (void)host_call(SYS_mprotect, page, SITE_PAGE_SIZE, PROT_READ | PROT_EXEC);
    return at;
}

static const struct trampoline *slot_used(const struct site_page *page, unsigned i)
{
    return page->used >> i & 1 ? (const struct trampoline *)(page->address + i * TRAMPOLINE_SIZE)
                               : NULL;
}

bool trampolines_need(uint64_t from, uint64_t size)
{
    unsigned count = atomic_load(&g_site_page_count);
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 1; k < SLOTS; k++) {
            const struct trampoline *t = slot_used(&g_site_pages[i], k);
            if (t && t->start < from + size && from < t->start + t->kept)
                return true;
        }
    return false;
}

/* Does the text still jump to `t`? Something else may be mapped there by now. */
static bool is_jumped_to(const struct trampoline *t)
{
    uint64_t jump = t->start + (uint64_t)t->saved_from;
    int32_t distance;
    if (t->start == t->call && t->saved_size == 7)
        jump += 2; /* over the jump over it */
    memcpy(&distance, (const void *)(jump + 1), sizeof(distance));
    return *(const uint8_t *)jump == 0xe9 && jump + JUMP + (uint64_t)distance == (uint64_t)t;
}

static void undo_bytes(uint8_t *copy, uint64_t from, uint64_t to, uint64_t at, const uint8_t *saved,
                       size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (at + i >= from && at + i < to)
            copy[at + i - from] = saved[i];
}

void trampolines_undo(const struct text *text, uint8_t *copy, uint64_t from, uint64_t to)
{
    static const uint8_t call[2] = {0x0f, 0x05};
    unsigned count = atomic_load(&g_site_page_count);
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 1; k < SLOTS; k++) {
            const struct trampoline *t = slot_used(&g_site_pages[i], k);
            uint64_t at = t ? t->start + (uint64_t)t->saved_from : 0;
            if (!t || MIN(at, t->start) < text->from || MAX(at, t->call) + 7 > text->to ||
                !is_jumped_to(t))
                continue;
            undo_bytes(copy, from, to, at, t->saved, t->saved_size);
            if (t->start == t->call)
                undo_bytes(copy, from, to, t->call, call, sizeof(call));
        }
}

void trampolines_free(uint64_t from, uint64_t to)
{
    unsigned count = atomic_load(&g_site_page_count);
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 1; k < SLOTS; k++) {
            const struct trampoline *t = slot_used(&g_site_pages[i], k);
            if (t && t->call >= from && t->call < to)
                g_site_pages[i].used &= ~(1ull << k);
        }
}

void trampolines_free_all(void)
{
    unsigned pages = atomic_exchange(&g_site_page_count, 0);
    for (unsigned i = 0; i < pages; i++)
        (void)host_call(SYS_munmap, g_site_pages[i].address, SITE_PAGE_SIZE);
}
