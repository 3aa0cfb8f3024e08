/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/memory/account.h: how much memory the guest has, for RLIMIT_AS and RLIMIT_DATA, which the host
 * could only enforce with the runtime's own memory counted. Follows what memory.c maps, under its lock;
 * makes no host calls. */
#ifndef COFFER_RUNTIME_MEMORY_ACCOUNT_H
#define COFFER_RUNTIME_MEMORY_ACCOUNT_H

#include "runtime/memory/ranges.h"

/* May the guest, which has `guest`, be given `more` bytes of address space? Of `stack` bytes in it that its
 * stack has reserved, those count that Linux gives a new program. */
must_check bool account_allows(const struct ranges *guest, uint64_t stack, uint64_t more);
/* May it have [from, to) as private writable memory: what RLIMIT_DATA counts? */
must_check bool account_allows_data(uint64_t from, uint64_t to);
/* The same for memory that has no place yet. */
must_check bool account_allows_new_data(uint64_t size);

/* Is a mapping of this kind data? */
bool account_is_data(int prot, int flags);

/* [from, to) was mapped so, whatever was there before; is gone; was protected. */
void account_mapped(uint64_t from, uint64_t to, int prot, int flags);
void account_unmapped(uint64_t from, uint64_t to);
void account_protected(uint64_t from, uint64_t to, int prot);
/* mremap() has made [at, at + size) of [old, old + old_size), which it `keeps` or not. */
void account_moved(uint64_t old, uint64_t old_size, uint64_t at, uint64_t size, bool keeps);
/* Is what lies there data? */
bool account_has_data(uint64_t address);

#endif
