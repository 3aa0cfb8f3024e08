/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is loaded and unloaded: built twice, so that at one address stand two calls. */
#include <sys/syscall.h>

long module_call(void);

long module_call(void)
{
    long r;
#if MODULE == 1
    __asm__ volatile("mov %1, %%eax\n\tsyscall"
                     : "=a"(r)
                     : "i"(SYS_getppid)
                     : "rcx", "r11", "memory");
#else
    __asm__ volatile("mov %1, %%eax\n\tsyscall"
                     : "=a"(r)
                     : "i"(SYS_getuid)
                     : "rcx", "r11", "memory");
#endif
    return r;
}
