/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/syscall/site_form.h"
#include "runtime/syscall/insn.h"
#include "tap.h"

#include <string.h>

static struct site_form first_form(const char *bytes, size_t size, size_t at)
{
    struct site_form forms[SITE_FORMS_MAX] = {{0}};
    if (site_forms_of((const uint8_t *)bytes, size, at, 0x1000, forms) == 0)
        forms[0].kind = SITE_UNKNOWN;
    return forms[0];
}
#define FORM(bytes_, at_) first_form((bytes_), sizeof(bytes_) - 1, (at_))

TEST(a_mov_before_the_call_becomes_the_jump)
{
    struct site_form f = FORM("\x90\xb8\x27\x00\x00\x00\x0f\x05\xc3", 6);
    CHECK_EQ(f.kind, SITE_MOV);
    CHECK_EQ(f.start, 1);
    CHECK_EQ(f.size, 5);
    CHECK_EQ(f.nr, 39);
    f = FORM("\x48\xc7\xc0\x6e\x00\x00\x00\x0f\x05", 7);
    CHECK_EQ(f.kind, SITE_MOV_LONG);
    CHECK_EQ(f.nr, 110);
}

TEST(a_mov_to_another_register_is_left_alone)
{
    CHECK_EQ(FORM("\x41\xb8\x27\x00\x00\x00\x0f\x05\xc3", 6).kind, SITE_UNKNOWN); /* %r8d */
    CHECK_EQ(FORM("\x90\xb8\x27\x00\x01\x00\x0f\x05\xc3", 6).kind, SITE_UNKNOWN); /* no call */
}

TEST(the_sigreturn_that_unwinders_look_for_stays)
{
    CHECK_EQ(FORM("\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", 7).kind, SITE_UNKNOWN);
    CHECK_EQ(FORM("\x90\xb8\x0f\x00\x00\x00\x0f\x05\xc3", 6).kind, SITE_UNKNOWN);
}

TEST(padding_behind_a_return_takes_the_jump)
{
    /* xor; syscall; cmp; ret, then eight bytes of padding up to the boundary */
    struct site_form f =
        FORM("\x31\xc0\x0f\x05\x48\x39\xc3\xc3\x0f\x1f\x84\x00\x00\x00\x00\x00", 2);
    CHECK_EQ(f.kind, SITE_PADDING);
    CHECK_EQ(f.start, 2);
    CHECK_EQ(f.padding, 8);
}

TEST(short_padding_needs_a_return_beyond_doubt)
{
    CHECK_EQ(FORM("\x0f\x05\x90\x90\x90\x90\x90\x90\x48\x89\xc3\x0f\x1f\x44\x00\x00", 0).kind,
             SITE_UNKNOWN); /* mov %rax,%rbx ends in the same byte */
    CHECK_EQ(FORM("\x0f\x05\x90\x90\x90\x90\x48\x83\xc4\x28\xc3\x0f\x1f\x44\x00\x00", 0).kind,
             SITE_BEHIND_RETURN);
}

/* 48 bytes of one-byte instructions, then `tail`; the call is its last two bytes but `behind`. */
static struct site_form form_behind(const char *tail, size_t size, size_t behind, uint8_t text[64])
{
    memset(text, 0x50, 64);
    memcpy(text + 48, tail, size);
    return first_form((const char *)text, 64, 48 + size - 2 - behind);
}

TEST(the_instruction_before_moves_if_it_may_run_elsewhere)
{
    uint8_t text[64];
    struct site_form f = form_behind("\x48\x89\xdf\x0f\x05", 5, 0, text); /* mov %rbx, %rdi */
    CHECK_EQ(f.kind, SITE_BEFORE);
    CHECK_EQ(f.size, 3);
    f = form_behind("\x8b\x05\x10\x00\x00\x00\x0f\x05", 8, 0, text); /* mov 16(%rip), %eax */
    CHECK_EQ(f.kind, SITE_BEFORE);
    CHECK_EQ(f.disp, 2);
    CHECK_EQ(form_behind("\xff\xd0\x0f\x05", 4, 0, text).kind, SITE_UNKNOWN); /* call *%rax */
    CHECK_EQ(form_behind("\x75\x02\x0f\x05", 4, 0, text).kind, SITE_UNKNOWN); /* jnz */
    CHECK_EQ(form_behind("\x9d\x0f\x05", 3, 0, text).kind, SITE_UNKNOWN);     /* popf: one byte */
}

TEST(what_might_begin_elsewhere_does_not_move)
{
    /* mov $0xdf8948, %eax would end as mov %rbx, %rdi does, if the text began one byte earlier */
    static const uint8_t text[] = "\xb8\x48\x89\xdf\x00\x0f\x05\x90\x90\x90\x90\x90\x90\x90";
    CHECK_EQ(first_form((const char *)text, sizeof(text) - 1, 5).kind, SITE_UNKNOWN);
}

TEST(a_short_jump_ends_in_the_bytes_that_stay)
{
    uint8_t text[64];
    uint64_t from, to;
    struct site_form f = form_behind("\x31\xc0\x0f\x05\x48\x3d", 6, 2, text); /* xor %eax, %eax */
    CHECK_EQ(f.size, 2);
    CHECK(site_form_reach(text, 0x1000, &f, &from, &to));
    CHECK_EQ(from, 0x1000 + 48 + 5 + 0x48050f00ull);
    CHECK_EQ(to, from + 0xff);
    f = form_behind("\x31\xc0\x0f\x05\x89\xc3", 6, 2, text); /* leads below address zero */
    CHECK_EQ(f.size, 2);
    CHECK(!site_form_reach(text, 0x1000, &f, &from, &to));
    CHECK(site_form_reach(text, 0x7f0000000000, &f, &from, &to));
    CHECK_EQ(to, 0x7f0000000000ull + 48 + 5 - 0x76faf001ull);
}

static struct insn decode(const char *bytes, size_t size)
{
    return insn_decode((const uint8_t *)bytes, size);
}

TEST(instructions_are_as_long_as_they_are)
{
    CHECK_EQ(decode("\x48\xb8\1\2\3\4\5\6\7\x08", 10).size, 10);     /* movabs */
    CHECK_EQ(decode("\x66\xb8\x01\x02", 4).size, 4);                 /* mov $, %ax */
    CHECK_EQ(decode("\xf7\x04\x24\1\2\3\4", 7).size, 7);             /* testl $, (%rsp) */
    CHECK_EQ(decode("\xf7\x1c\x24\1\2\3\4", 7).size, 3);             /* negl (%rsp) */
    CHECK_EQ(decode("\x62\xf1\x7c\x48\x10\x44\x24\x01", 8).size, 8); /* vmovups, EVEX */
    CHECK_EQ(decode("\xc5\xf8\x77", 3).size, 3);                     /* vzeroupper */
    CHECK_EQ(decode("\x0f\x3a\x0f\xc1\x08", 5).size, 5);             /* palignr */
    CHECK_EQ(decode("\xe8\0\0\0\0", 5).kind, INSN_FIXED);
    CHECK_EQ(decode("\xff\x25\0\0\0\0", 6).kind, INSN_FIXED);
    CHECK_EQ(decode("\x48\x8d\x05\0\0\0\0", 7).kind, INSN_NEAR);
    CHECK_EQ(decode("\x06", 1).kind, INSN_INVALID);
    CHECK_EQ(decode("\x48\x8d", 2).kind, INSN_UNKNOWN); /* ends too early */
}

TEST(only_a_system_call_instruction_is_a_site)
{
    CHECK_EQ(FORM("\xb8\x27\x00\x00\x00\x0f\x0b", 5).kind, SITE_UNKNOWN);
    CHECK_EQ(FORM("\x0f", 0).kind, SITE_UNKNOWN);
}

TAP_MAIN()
