/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/syscall/site_form.h"
#include "tap.h"

#define FORM(bytes_, at_) site_form_of((const uint8_t *)(bytes_), sizeof(bytes_) - 1, (at_), 0x1000)

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

TEST(only_a_system_call_instruction_is_a_site)
{
    CHECK_EQ(FORM("\xb8\x27\x00\x00\x00\x0f\x0b", 5).kind, SITE_UNKNOWN);
    CHECK_EQ(FORM("\x0f", 0).kind, SITE_UNKNOWN);
}

TAP_MAIN()
