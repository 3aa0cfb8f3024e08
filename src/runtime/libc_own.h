/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/libc_own.h: what libc_own.c lets the runtime say to libc. */
#ifndef COFFER_RUNTIME_LIBC_OWN_H
#define COFFER_RUNTIME_LIBC_OWN_H

/* The calling thread of the runtime is about to end; until then libc gives no memory back for it.
 * libc keeps the stack for a later thread, which finds the pages that it needs instead of taking a
 * fault for each. */
void libc_thread_ends(void);

#endif
