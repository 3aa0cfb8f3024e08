/* SPDX-License-Identifier: Apache-2.0 */
/* libc relocates a static program before it is ready for any C (the symbol is wrapped by the linker,
 * see meson.build): what runs there uses no libc, no stack protector, no table of addresses. */
#include "runtime/crypto_late.h"
#include "platform/host.h"

#include <elf.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define HIDDEN __attribute__((visibility("hidden")))

extern const char __ehdr_start[] HIDDEN;
extern Elf64_Dyn _DYNAMIC[] HIDDEN;
extern char crypto_late_start[] HIDDEN, crypto_late_end[] HIDDEN; /* crypto_late.ld */

void __real__dl_relocate_static_pie(void);
void __wrap__dl_relocate_static_pie(void);
void __real_OPENSSL_cpuid_setup(void);
void __wrap_OPENSSL_cpuid_setup(void);

enum state { LATE, AT_WORK, READY };

static _Atomic int g_state;
static const Elf64_Rela *g_from, *g_to; /* those of the tables */

static uint64_t image_base(void)
{
    return (uint64_t)__ehdr_start; /* the first segment is at 0 in the file */
}

static void relocate(const Elf64_Rela *from, const Elf64_Rela *to)
{
    const uint64_t base = image_base();
    for (const Elf64_Rela *at = from; at < to; at++)
        *(uint64_t *)(base + at->r_offset) =
            base + (uint64_t)at->r_addend; /* NOLINT(performance-no-int-to-ptr) */
}

/* The first entry at or behind `offset`: the linker sorts those without a symbol (-z combreloc). */
static const Elf64_Rela *first_at(const Elf64_Rela *from, const Elf64_Rela *to, uint64_t offset)
{
    while (from < to) {
        const Elf64_Rela *middle = from + (to - from) / 2;
        if (middle->r_offset < offset)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The dynamic section's entry for `tag`. */
static Elf64_Dyn *dynamic(int64_t tag)
{
    Elf64_Dyn *at = _DYNAMIC;
    while (at->d_tag != DT_NULL && at->d_tag != tag)
        at++;
    return at->d_tag == tag ? at : NULL;
}

/* Does what needs no symbol, but for the tables, and leaves the rest to libc. */
void __wrap__dl_relocate_static_pie(void)
{
    const uint64_t base = image_base();
    Elf64_Dyn *entries = dynamic(DT_RELA), *size = dynamic(DT_RELASZ),
              *count = dynamic(DT_RELACOUNT);
    if (entries && size && count) {
        const uint64_t n = count->d_un.d_val;
        const Elf64_Rela *all = (const Elf64_Rela *)(base + entries->d_un.d_ptr),
                         *end = all + n; /* NOLINT(performance-no-int-to-ptr) */
        g_from = first_at(all, end, (uint64_t)crypto_late_start - base);
        g_to = first_at(g_from, end, (uint64_t)crypto_late_end - base);
        relocate(all, g_from);
        relocate(g_to, end);
        entries->d_un.d_ptr += n * sizeof(Elf64_Rela);
        size->d_un.d_val -= n * sizeof(Elf64_Rela);
        count->d_un.d_val = 0;
    }
    __real__dl_relocate_static_pie();
}

/* libcrypto's own, run at the start of a program. */
void __wrap_OPENSSL_cpuid_setup(void) {}

static void protect(int prot)
{
    const uint64_t size = (uint64_t)crypto_late_end - (uint64_t)crypto_late_start;
    (void)host_call(SYS_mprotect, crypto_late_start, size, prot);
}

void crypto_late_guard(void)
{
    if (atomic_load(&g_state) == LATE)
        protect(PROT_NONE);
}

void crypto_late_ready(void)
{
    int state = LATE;
    if (atomic_load_explicit(&g_state, memory_order_acquire) == READY)
        return;
    if (!atomic_compare_exchange_strong(&g_state, &state, AT_WORK)) {
        while (atomic_load(&g_state) != READY)
            (void)host_call(SYS_sched_yield);
        return;
    }
    protect(PROT_READ | PROT_WRITE);
    relocate(g_from, g_to);
    protect(PROT_READ);
    __real_OPENSSL_cpuid_setup();
    atomic_store(&g_state, READY);
}

bool crypto_late_fault(uint64_t address)
{
    if (address < (uint64_t)crypto_late_start || address >= (uint64_t)crypto_late_end ||
        atomic_load(&g_state) == READY)
        return false;
    crypto_late_ready();
    return true;
}
