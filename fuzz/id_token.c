/* SPDX-License-Identifier: Apache-2.0 */
/* ID tokens and sets of keys: the only token that is believed is the one that was signed, and only with a
 * set that has the key that signed it. Input: 't' and a token, or 'k' and a set of keys; anything else is
 * decoded as base64url, which has one spelling for each value. */
#include "dms/out/id_token.h"
#include "base/macros.h"
#include "server/base64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* Made once with a key that is gone. */
static const char genuine[] =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJz"
    "dWIiOiJhZGEiLCJhdWQiOiJjb2ZmZXIiLCJleHAiOjIwMDAwMDA2MDAsImlhdCI6MjAwMDAwMDAw"
    "MCwibm9uY2UiOiJuLTBTNl9XekEyTWoifQ.BJkC55H67J_JQ-OMR9-qyLnHMJtIWhFQrjAu5a0Lp"
    "J5bmx56GLkDgqSt6dicEKQIiysMo0mvPmO8g5kR-dNTBw";
static const char key[] = "aMvREeO_g_f-r2dL2Rj80lR39W6FJ5nOH3YXBAEUlU4";

static const struct id_wanted wanted = {"https://id.example", "coffer", "n-0S6_WzA2Mj", ID_ALL,
                                        2000000060,           -1};

static void token_try(struct slice token)
{
    json_t *claims = NULL;
    json_t *set = json_pack("{s:[{s:s,s:s,s:s,s:s}]}", "keys", "kty", "OKP", "crv", "Ed25519",
                            "kid", "k1", "x", key);
    int r = id_token_check(token, set, &wanted, &claims, NULL);
    HOLDS((r == 0) == slice_is_text(token, genuine));
    HOLDS(r == 0 || r == -EBADMSG || r == -EKEYREJECTED || r == -ENOKEY);
    json_decref(claims);
    json_decref(set);
}

static bool has_key(const json_t *set)
{
    const json_t *keys = json_object_get(set, "keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *x = json_string_value(json_object_get(json_array_get(keys, i), "x"));
        if (x && strcmp(x, key) == 0)
            return true;
    }
    return false;
}

static void set_try(struct slice text)
{
    json_t *claims = NULL, *taken = NULL;
    json_t *set = json_loadb((const char *)text.bytes, text.size, JSON_REJECT_DUPLICATES, NULL);
    if (set && jwk_set_take(set, &taken) == 0) {
        int r = id_token_check(slice_of_text(genuine), taken, &wanted, &claims, NULL);
        HOLDS(r < 0 || has_key(set));
        /* RSA and P-256 keys are parsed as well: by a token that names them. */
        static const char *const heads[] = {"eyJhbGciOiJSUzI1NiJ9.e30.AA",
                                            "eyJhbGciOiJFUzI1NiJ9.e30.AA"};
        for (size_t i = 0; i < ARRAY_COUNT(heads); i++)
            HOLDS(id_token_check(slice_of_text(heads[i]), taken, &wanted, &claims, NULL) < 0);
    }
    json_decref(claims);
    json_decref(taken);
    json_decref(set);
}

static void encoding_try(struct slice text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t *bytes = malloc(text.size + 1);
    HOLDS(bytes);
    ssize_t n = base64url_decode(text, bytes);
    HOLDS(n < 0 || (size_t)n == text.size * 6 / 8);
    for (size_t i = 0; n >= 0 && i < text.size; i++) {
        size_t bit = i * 6;
        unsigned two =
            (unsigned)bytes[bit / 8] << 8 | (bit / 8 + 1 < (size_t)n ? bytes[bit / 8 + 1] : 0);
        HOLDS(text.bytes[i] == (uint8_t)digits[two >> (10 - bit % 8) & 63]);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] == 't')
        token_try(rest);
    else if (data[0] == 'k')
        set_try(rest);
    else
        encoding_try(rest);
    return 0;
}
