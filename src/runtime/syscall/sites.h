/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/syscall/sites.h: rewriting of system call instructions in the guest's code, so that a hot
 * one jumps into the runtime instead of trapping.
 *
 * No instruction that follows the call ever moves, and the two bytes of the call itself stay (but
 * for form B, where they become a jump that makes the same call). Three forms:
 *   A  mov $nr,%eax ; syscall      the mov's five bytes become a jump to a trampoline, which does
 *                                  the mov
 *   B  syscall                     its two bytes become a short jump to seven bytes of padding
 *                                  between functions: jump over, jump to a trampoline
 *   C  any instruction ; syscall   the instruction before the call, if it can be proved where it
 *                                  begins and it may run elsewhere, becomes a jump to a trampoline
 *                                  that does it. If it has fewer than five bytes, the end of the
 *                                  jump's distance is what stands there already: a trampoline is put
 *                                  where that distance leads
 * So the guest's instruction pointer after a call is always the original one, and two bytes before
 * it begins something that makes the same call again: restarts and unwinders need no translation,
 * and whoever jumps to the call itself finds it (and traps, which is slow and right).
 * Anything else keeps trapping. Only private, file-backed, never writable text is rewritten. */
#ifndef COFFER_RUNTIME_SYSCALL_SITES_H
#define COFFER_RUNTIME_SYSCALL_SITES_H

#include "base/macros.h"

#include <stdint.h>

/* The mapping [from, from + size) is text that may be rewritten; or is no longer. Called under the
 * memory lock. */
void sites_text_add(uint64_t from, uint64_t size);
void sites_text_remove(uint64_t from, uint64_t size);

/* After sites_text_remove(): the mapping itself is gone, and nothing jumps from there any more. */
void sites_text_gone(uint64_t from, uint64_t size);
void sites_forget_all(void);

/* Counts a trap at `site`: true once it is worth rewriting. General registers only. */
bool sites_count(uint64_t site);

/* Rewrites `site` if its form is known and safe. */
void sites_rewrite(uint64_t site);

/* True if `address` is, or was a moment ago, a breakpoint of a rewriting under way: run it again. */
bool sites_breakpoint(uint64_t address);

/* For an instruction pointer inside a trampoline, the address of the site it serves. */
uint64_t sites_original(uint64_t rip);

/* Locks for fork(). */
void sites_fork_prepare(void);
void sites_fork_done(void);

struct sites_counters {
    _Atomic uint64_t form_mov, form_padding, form_before, refused;
};
extern struct sites_counters g_sites;
extern bool g_sites_enabled;

#endif
