/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/refusal.h"

#include "tap.h"

#include <errno.h>

static char g_document[64 << 10];

static void document_read(void)
{
    FILE *file = fopen(REFUSALS_DOCUMENT, "r");
    REQUIRE(file != NULL);
    size_t size = fread(g_document, 1, sizeof g_document - 1, file);
    g_document[size] = '\0';
    fclose(file);
}

TEST(every_refusal_has_code_message_remedy_and_a_line_in_the_manual)
{
    document_read();
    for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
        enum refusal_reason reason = (enum refusal_reason)i;
        char row[1024];
        snprintf(row, sizeof row, "| `%s` | %s | %s |\n", refusal_code(reason),
                 refusal_message(reason), refusal_remedy(reason));
        CHECK(refusal_remedy(reason)[0] != '\0');
        if (!strstr(g_document, row)) {
            printf("# docs/refusals.md lacks: %s", row);
            CHECK(!"the manual is true");
        }
        for (unsigned j = 1; j < i; j++)
            CHECK(strcmp(refusal_code(reason), refusal_code((enum refusal_reason)j)) != 0);
    }
}

TEST(a_reason_out_of_range_is_an_internal_one)
{
    CHECK_TEXT(refusal_code((enum refusal_reason)1000), "INTERNAL");
}

TEST(values_from_outside_are_cut_to_their_room)
{
    struct refusal refusal = {0};
    struct error e = {0};
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CHECK_EQ(refusal_set(&refusal, REFUSAL_SVN, text, 1, text, text), -EACCES);
    CHECK_EQ(strlen(refusal.seen), REFUSAL_VALUE_SIZE - 1);
    CHECK_EQ(refusal_error(&refusal, &e), -EACCES);
}

TAP_MAIN()
