/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/explain/table.h: `coffer run --explain` without a program: what happens to each system
 * call, from syscall/table.def, as docs/compatibility.md has it. */
#ifndef COFFER_RUNTIME_EXPLAIN_TABLE_H
#define COFFER_RUNTIME_EXPLAIN_TABLE_H

#include <stdio.h>

void explain_table(FILE *out);

#endif
