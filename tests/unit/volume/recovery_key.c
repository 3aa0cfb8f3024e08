/* SPDX-License-Identifier: Apache-2.0 */
/* A recovery key as text: everything that is there is taken, and nothing else passes. */
#include "volume/recovery_key.h"

#include "base/buf.h"

#include "tap.h"

#include <errno.h>

#define DIGITS "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEAD                                      \
    "coffer-volume-key 1\n"                       \
    "volume ffffffffffffffffffffffffffffff00\n"   \
    "name demo/documents/data\nmade 1790000000\n" \
    "key " DIGITS "\nhead 7 4294967296123 " DIGITS "\n"

TEST(a_recovery_key_says_all_that_opens_a_volume)
{
    struct recovery_key key;
    CHECK_EQ(
        recovery_key_parse(slice_of_text(HEAD "erase 3 " DIGITS "\nerase 4 " DIGITS "\n"), &key),
        0);
    CHECK_EQ(key.id[0], 0xff);
    CHECK_EQ(key.id[15], 0);
    CHECK_TEXT(key.name, "demo/documents/data");
    CHECK_EQ(key.made_s, 1790000000);
    CHECK_EQ(key.key.bytes[31], 0x1f);
    CHECK_EQ(key.head.epoch, 7);
    CHECK_EQ(key.head.sequence, 4294967296123);
    CHECK_EQ(key.head.tag[30], 0x1e);
    CHECK_EQ(key.erase_count, 2);
    CHECK_EQ(key.erase_numbers[1], 4);
    CHECK_EQ(key.erase_keys[1].bytes[1], 1);
    recovery_key_wipe(&key);
    CHECK_EQ(key.erase_count, 0);
}

TEST(nothing_else_passes_for_one)
{
    static const char text[] = HEAD "erase 3 " DIGITS "\n";
    static const char *const bad[] = {
        "",
        HEAD "erase 0 " DIGITS "\n",
        HEAD "erase 4 " DIGITS "\nerase 4 " DIGITS "\n",
        HEAD "erase 4294967296 " DIGITS "\n",
        HEAD "erase 03 " DIGITS "\n",
        HEAD "erase 3  " DIGITS "\n",
        HEAD "\n",
        HEAD HEAD,
        "coffer-volume-key 2\n",
    };
    struct recovery_key key;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(recovery_key_parse(slice_of_text(bad[i]), &key), -EBADMSG);
    for (size_t size = 0; size < sizeof text - 1; size++)
        if (size != sizeof HEAD - 1) /* one without erase keys */
            CHECK_EQ(recovery_key_parse(slice_of((const uint8_t *)text, size), &key), -EBADMSG);
}

TEST(there_are_no_more_erase_keys_than_there_is_room_for)
{
    struct buf text = {0};
    struct recovery_key key;
    CHECK_EQ(buf_append_text(&text, HEAD), 0);
    for (int i = 1; i <= RECOVERY_KEY_ERASE_MAX; i++)
        CHECK_EQ(buf_printf(&text, "erase %d " DIGITS "\n", i), 0);
    CHECK_EQ(recovery_key_parse(buf_slice(&text), &key), 0);
    CHECK_EQ(buf_printf(&text, "erase 99 " DIGITS "\n"), 0);
    CHECK_EQ(recovery_key_parse(buf_slice(&text), &key), -EBADMSG);
    buf_done(&text);
}

TAP_MAIN()
