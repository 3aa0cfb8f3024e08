/* SPDX-License-Identifier: Apache-2.0 */
/* platform/box/internal.h: what the files of the box share. */
#ifndef COFFER_PLATFORM_BOX_INTERNAL_H
#define COFFER_PLATFORM_BOX_INTERNAL_H

#include "platform/box/box.h"

#include <stdint.h>

#define BOX_CALLS 512 /* numbers of system calls */
#define EXCHANGE_BLOCKS_MAX 8
#define EXCHANGE_BLOCK_MAX ((size_t)1 << 20) /* no single buffer is larger */

extern const struct box_runtime *g_box;

/* --- exchange.c: the only memory that the host may read and write --- */

struct exchange_frame { /* what one call has of it; zeros: nothing */
    struct exchange_block {
        uint8_t *bytes;
        size_t size, used;
    } blocks[EXCHANGE_BLOCKS_MAX];
    int count;
};

must_check int exchange_start(void);

/* 16-byte aligned; NULL if the area is used up. Any thread, signal handlers too. */
void *exchange_take(struct exchange_frame *frame, size_t size);
void exchange_release(struct exchange_frame *frame);
bool exchange_holds(unsigned long address, size_t size);

/* --- rules.c --- */

enum box_kind {
    BOX_COPIED,   /* all its bytes go through the exchange area */
    BOX_EXCEPTED, /* addresses and words as they are, the rest copied; for the reason in the rule */
    BOX_REFUSED,  /* not from an enclave */
    BOX_MAPPED,   /* mmap: see map.c */
};

struct box_rule {
    short nr;
    uint8_t kind; /* enum box_kind */
    short error;  /* of BOX_REFUSED */
    const char *why;
};

const struct box_rule *box_rule_of(long nr);

/* --- report.c: counters --- */

enum box_count {
    COUNT_CALLS,
    COUNT_EXCEPTED,
    COUNT_REFUSED,
    COUNT_NO_SHAPE, /* violations from here on: nothing says what the arguments are */
    COUNT_OUTSIDE,  /* an address outside the exchange area would have reached the host */
    COUNT_AS_VALUE, /* a value that is an address of mapped memory */
    COUNT_KINDS,
};

void box_count(enum box_count kind, long nr);
void box_bytes(size_t in, size_t out);

/* Writes the report; what the process may end with instead of `status`. */
int box_end(const char *report, int status);

/* --- pass.c, map.c, gate.S --- */

/* `stop` may be NULL: then a signal does not end the call. */
long box_pass(const volatile uint32_t *stop, long nr, const long args[6], bool excepted);
long box_map(const long args[6]);

/* The system call instruction of everything that no signal ends. */
long box_gate(long nr, const long args[6]);
extern const char box_gate_after[];

#endif
