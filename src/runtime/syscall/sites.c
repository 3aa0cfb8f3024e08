/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/syscall/sites.h"

bool g_sites_enabled;
struct sites_counters g_sites;

void sites_text_add(uint64_t from, uint64_t size)
{
    (void)from;
    (void)size;
}
void sites_text_remove(uint64_t from, uint64_t size)
{
    (void)from;
    (void)size;
}
void sites_forget_all(void) {}
bool sites_count(uint64_t site)
{
    (void)site;
    return false;
}
void sites_rewrite(uint64_t site)
{
    (void)site;
}
bool sites_breakpoint(uint64_t address)
{
    (void)address;
    return false;
}
uint64_t sites_original(uint64_t rip)
{
    return rip;
}
void sites_fork_prepare(void) {}
void sites_fork_done(void) {}
