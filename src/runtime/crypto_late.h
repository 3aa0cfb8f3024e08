/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/crypto_late.h: libcrypto is made ready when something needs it, not at each start.
 *
 * Two thirds of a start's page faults were the relocation of libcrypto's tables, and each of its
 * questions about the processor is a trap to the hypervisor: a program that is shielded without
 * cryptography (a shell's commands under `coffer run`) paid for what it never used, in its start, in
 * its memory and in each of its forks.
 *
 * The tables stay as the file has them, without access, until crypto_late_ready(). Who comes to them
 * without having called it faults, and the fault makes them ready: nothing depends on callers. Both
 * functions are safe on any thread and in a signal handler.
 *
 * Only in the runtime's executables (crypto_late.ld): declared weak where others link the caller. */
#ifndef COFFER_RUNTIME_CRYPTO_LATE_H
#define COFFER_RUNTIME_CRYPTO_LATE_H

#include <stdbool.h>
#include <stdint.h>

/* Takes access to the tables away; once, after platform_set() and before guest code. */
void crypto_late_guard(void);

/* Relocates the tables and lets libcrypto ask for the processor's features. crypto_start() calls it. */
void crypto_late_ready(void);

/* Was a fault at `address` of that kind, and is it mended? The instruction then runs again. */
bool crypto_late_fault(uint64_t address);

#endif
