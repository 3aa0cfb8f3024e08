/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/syscall/site_form.h: which bytes around a system call instruction may be replaced, and by
 * what. Pure: looks at bytes, changes nothing. See sites.h for the forms. */
#ifndef COFFER_RUNTIME_SYSCALL_SITE_FORM_H
#define COFFER_RUNTIME_SYSCALL_SITE_FORM_H

#include "base/macros.h"

#include <stdint.h>

enum site_kind {
    SITE_UNKNOWN,       /* keeps trapping */
    SITE_MOV,           /* form A: b8 imm32 0f 05 */
    SITE_MOV_LONG,      /* form A: 48 c7 c0 imm32 0f 05 */
    SITE_PADDING,       /* form B: padding of seven bytes or more */
    SITE_BEHIND_RETURN, /* form B: five or six bytes behind what is surely a return */
    SITE_BEFORE,        /* form C: whatever single instruction stands before it */
};

struct site_form {
    enum site_kind kind;
    size_t start;   /* offset of the bytes that become a jump; for form B of the instruction */
    size_t size;    /* of those bytes; form C: of the instruction, of which five change at most */
    size_t padding; /* form B: offset of the padding */
    uint32_t nr;    /* form A: the call's number */
    uint8_t disp;   /* form C: where in it a displacement from %rip is; 0: none */
};

#define SITE_FORMS_MAX 3

/* `text` is readable for `size` bytes, the instruction is at `at`; `base` is the address of
 * text[0]. The forms that would do, best first; how many. */
size_t site_forms_of(const uint8_t *text, size_t size, size_t at, uint64_t base,
                     struct site_form ret_forms[SITE_FORMS_MAX]);

/* Form C: the addresses a trampoline may have, [*ret_from, *ret_to], so that a jump of five bytes at
 * `start` reaches it and only its first `size` bytes differ from what is there. False: none. */
bool site_form_reach(const uint8_t *text, uint64_t base, const struct site_form *form,
                     uint64_t *ret_from, uint64_t *ret_to);

#endif
