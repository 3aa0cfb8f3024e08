/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting a key against its definition: a polynomial over GF(2^8), any M points of which give it and
 * M - 1 of which give nothing. And what is built on it: shares for holders, backups. */
#include "kbs/recovery.h"

#include "crypto/crypto.h"
#include "kbs/shamir.h"
#include "tap.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

/* The definition of multiplication: polynomials over GF(2), then the remainder. */
static uint8_t multiply_by_definition(uint8_t a, uint8_t b)
{
    unsigned product = 0;
    for (int i = 0; i < 8; i++)
        if (b >> i & 1)
            product ^= (unsigned)a << i;
    for (int i = 15; i >= 8; i--)
        if (product >> i & 1)
            product ^= 0x11bu << (i - 8);
    return (uint8_t)product;
}

TEST(the_field_is_the_field)
{
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++)
            if (gf256_multiply((uint8_t)a, (uint8_t)b) !=
                multiply_by_definition((uint8_t)a, (uint8_t)b))
                CHECK_EQ(a, b);
        if (a)
            CHECK_EQ(gf256_multiply((uint8_t)a, gf256_invert((uint8_t)a)), 1);
    }
    CHECK_EQ(gf256_multiply(0x57, 0x83), 0xc1); /* FIPS 197, section 4.2 */
}

/* y = secret + c1 x + c2 x^2 ..., computed power by power. */
TEST(shares_are_points_of_the_polynomial)
{
    uint8_t secret[SHAMIR_SECRET_SIZE], random[SHAMIR_SECRET_SIZE * 3];
    struct shamir_share shares[7];
    REQUIRE(crypto_random(secret, sizeof secret) == 0 && crypto_random(random, sizeof random) == 0);
    CHECK_EQ(shamir_split(secret, 4, 7, random, shares), 0);
    for (unsigned s = 0; s < 7; s++) {
        CHECK_EQ(shares[s].x, s + 1);
        for (unsigned i = 0; i < SHAMIR_SECRET_SIZE; i++) {
            uint8_t y = secret[i], power = 1;
            for (unsigned k = 0; k < 3; k++) {
                power = multiply_by_definition(power, shares[s].x);
                y ^= multiply_by_definition(random[i * 3 + k], power);
            }
            CHECK_EQ(shares[s].y[i], y);
        }
    }
}

TEST(every_choice_of_enough_shares_restores_the_secret)
{
    uint8_t secret[SHAMIR_SECRET_SIZE], again[SHAMIR_SECRET_SIZE], random[SHAMIR_SECRET_SIZE * 5];
    REQUIRE(crypto_random(secret, sizeof secret) == 0 && crypto_random(random, sizeof random) == 0);
    for (unsigned need = 2; need <= 6; need++) {
        struct shamir_share all[6], some[6];
        CHECK_EQ(shamir_split(secret, need, 6, random, all), 0);
        for (unsigned choice = 0; choice < 64; choice++) {
            unsigned count = 0;
            for (unsigned i = 0; i < 6; i++)
                if (choice >> i & 1)
                    some[count++] = all[i];
            if (count == 0)
                continue;
            CHECK_EQ(shamir_combine(some, count, again), 0);
            /* More than enough are as good: they lie on the same polynomial. */
            CHECK_EQ(memcmp(secret, again, sizeof secret) == 0, count >= need);
        }
    }
}

/* Two of three, one byte: whatever one share is, each secret has exactly one coefficient that gives it.
 * So a share alone says nothing. */
TEST(one_share_fits_every_secret_equally)
{
    for (unsigned x = 0; x < 3; x++) {
        unsigned fits[256] = {0};
        for (unsigned secret_byte = 0; secret_byte < 256; secret_byte++) {
            uint8_t secret[SHAMIR_SECRET_SIZE] = {(uint8_t)secret_byte};
            for (unsigned c = 0; c < 256; c++) {
                uint8_t random[SHAMIR_SECRET_SIZE] = {(uint8_t)c};
                struct shamir_share shares[3];
                REQUIRE(shamir_split(secret, 2, 3, random, shares) == 0);
                if (shares[x].y[0] == 0xa7)
                    fits[secret_byte]++;
            }
        }
        for (unsigned secret_byte = 0; secret_byte < 256; secret_byte++)
            CHECK_EQ(fits[secret_byte], 1);
    }
}

TEST(what_makes_no_sense_is_refused)
{
    struct shamir_share shares[3] = {{1, {0}}, {1, {0}}, {0, {0}}};
    uint8_t secret[SHAMIR_SECRET_SIZE] = {0}, random[SHAMIR_SECRET_SIZE] = {0};
    CHECK_EQ(shamir_combine(shares, 2, secret), -EINVAL);
    CHECK_EQ(shamir_combine(shares + 1, 2, secret), -EINVAL);
    CHECK_EQ(shamir_combine(shares, 0, secret), -EINVAL);
    CHECK_EQ(shamir_split(secret, 1, 3, random, shares), -EINVAL);
    CHECK_EQ(shamir_split(secret, 3, 2, random, shares), -EINVAL);
}

static struct key256 g_root = {{1, 2, 3}};
static EVP_PKEY *g_holders[3];
static struct buf g_sealed[3], g_open[3];

TEST(a_share_is_for_its_holder_alone)
{
    for (int i = 0; i < 3; i++)
        REQUIRE((g_holders[i] = EVP_EC_gen("P-256")) != NULL);
    CHECK_EQ(recovery_split(&g_root, 2, g_holders, 3, g_sealed), 0);
    for (int i = 0; i < 3; i++) {
        struct buf other = {0};
        CHECK_EQ(recovery_share_open(buf_slice(&g_sealed[i]), g_holders[i], &g_open[i]), 0);
        CHECK_EQ(recovery_share_open(buf_slice(&g_sealed[i]), g_holders[(i + 1) % 3], &other),
                 -EBADMSG);
        for (size_t at = 0; at < g_sealed[i].size; at += 11) {
            g_sealed[i].bytes[at] ^= 4;
            CHECK(recovery_share_open(buf_slice(&g_sealed[i]), g_holders[i], &other) < 0);
            g_sealed[i].bytes[at] ^= 4;
        }
        buf_done(&other);
    }
    EVP_PKEY *curve = EVP_EC_gen("P-384");
    EVP_PKEY *wrong[] = {curve, g_holders[0]};
    struct buf sealed[2] = {{0}};
    CHECK_EQ(recovery_split(&g_root, 2, wrong, 2, sealed), -EOPNOTSUPP);
    EVP_PKEY_free(curve);
    buf_done(&sealed[0]);
    buf_done(&sealed[1]);
}

TEST(shares_of_one_splitting_restore_the_key)
{
    struct key256 again = {{0}};
    struct error e = {0};
    struct slice two[] = {buf_slice(&g_open[2]), buf_slice(&g_open[0])};
    CHECK_EQ(recovery_combine(two, 2, &again, &e), 0);
    CHECK(memcmp(again.bytes, g_root.bytes, sizeof again.bytes) == 0);
    CHECK_EQ(recovery_combine(two, 1, &again, &e), -ENODATA);
    CHECK(strstr(e.text, "2 shares are needed") != NULL);
    two[1] = two[0];
    CHECK_EQ(recovery_combine(two, 2, &again, &e), -EBADMSG);
    two[1] = buf_slice(&g_sealed[0]);
    CHECK_EQ(recovery_combine(two, 2, &again, &e), -EBADMSG);
    struct buf others[3] = {{0}}, open = {0};
    REQUIRE(recovery_split(&g_root, 2, g_holders, 3, others) == 0);
    REQUIRE(recovery_share_open(buf_slice(&others[0]), g_holders[0], &open) == 0);
    two[1] = buf_slice(&open);
    CHECK_EQ(recovery_combine(two, 2, &again, &e), -EBADMSG);
    CHECK(strstr(e.text, "same splitting") != NULL);
    buf_done(&open);
    for (int i = 0; i < 3; i++) {
        buf_done(&others[i]);
        buf_done(&g_sealed[i]);
        buf_done(&g_open[i]);
        EVP_PKEY_free(g_holders[i]);
    }
}

TEST(a_backup_opens_with_its_root_key_alone)
{
    SCOPED(buf_done) struct buf backup = {0}, again = {0};
    const struct key256 other = {{9}};
    CHECK_EQ(backup_seal(&g_root, slice_of_text("a database"), &backup), 0);
    CHECK_EQ(backup_open(&g_root, buf_slice(&backup), &again), 0);
    CHECK(slice_is_text(buf_slice(&again), "a database"));
    CHECK_EQ(backup_open(&other, buf_slice(&backup), &again), -EKEYREJECTED);
    CHECK_EQ(backup_open(&g_root, slice_of(backup.bytes, 20), &again), -EBADMSG);
    for (size_t at = 0; at < backup.size; at++) {
        backup.bytes[at] ^= 1;
        CHECK(backup_open(&g_root, buf_slice(&backup), &again) < 0);
        backup.bytes[at] ^= 1;
    }
}

TAP_MAIN()
