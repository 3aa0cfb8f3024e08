/* SPDX-License-Identifier: Apache-2.0 */
/* These functions of the library are what its manager points to on such a processor. They are called
 * by name because a manager takes 200 KB and links all 12 MB of the library; the build asks for the
 * names, and tests/unit/crypto/ compares what they answer with published vectors and with OpenSSL. */
#include "crypto/aead_wide.h"

#include <cpuid.h>
#include <errno.h>
#include <intel-ipsec-mb.h>
#include <stdatomic.h>
#include <stdlib.h>

void aes_keyexp_256_enc_avx512(const void *key, void *expanded);
void aes_gcm_precomp_256_vaes_avx512(struct gcm_key_data *key);
void aes_gcm_enc_256_vaes_avx512(const struct gcm_key_data *key, struct gcm_context_data *context,
                                 uint8_t *out, const uint8_t *in, uint64_t size,
                                 const uint8_t *nonce, const uint8_t *associated,
                                 uint64_t associated_size, uint8_t *tag, uint64_t tag_size);
void aes_gcm_dec_256_vaes_avx512(const struct gcm_key_data *key, struct gcm_context_data *context,
                                 uint8_t *out, const uint8_t *in, uint64_t size,
                                 const uint8_t *nonce, const uint8_t *associated,
                                 uint64_t associated_size, uint8_t *tag, uint64_t tag_size);

struct wide_key {
    struct gcm_key_data data; /* aligned to 64 */
};

/* CPUID leaf 7 (Intel SDM, volume 2A): BMI1, BMI2, AVX512 F, DQ, BW, VL; VAES, VPCLMULQDQ. */
#define LEAF_7_EBX (1u << 3 | 1u << 8 | 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31)
#define LEAF_7_ECX (1u << 9 | 1u << 10)
#define LEAF_1_ECX (1u << 1 | 1u << 25 | 1u << 27) /* PCLMULQDQ, AES, OSXSAVE */
#define XCR0_STATE 0xe6u /* the system keeps SSE, AVX and the three parts of AVX-512 */

static bool processor_has_all(void)
{
    unsigned a, b, c, d;
    __cpuid(0, a, b, c, d);
    if (a < 7)
        return false;
    __cpuid(1, a, b, c, d);
    if ((c & LEAF_1_ECX) != LEAF_1_ECX)
        return false;
    __cpuid_count(7, 0, a, b, c, d);
    if ((b & LEAF_7_EBX) != LEAF_7_EBX || (c & LEAF_7_ECX) != LEAF_7_ECX)
        return false;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & XCR0_STATE) == XCR0_STATE;
}

bool aead_wide_works(void)
{
    /* Where CPUID is intercepted it takes microseconds, so not before somebody encrypts. */
    enum { UNKNOWN, NO, YES };
    static _Atomic int known;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == UNKNOWN) {
        answer = processor_has_all() ? YES : NO;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == YES;
}

int wide_key_new(const struct key256 *key, struct wide_key **ret_key)
{
    struct wide_key *wide = aligned_alloc(_Alignof(struct wide_key), sizeof *wide);
    if (!wide)
        return -ENOMEM;
    memset(wide, 0, sizeof *wide);
    aes_keyexp_256_enc_avx512(key->bytes, wide->data.expanded_keys);
    aes_gcm_precomp_256_vaes_avx512(&wide->data);
    *ret_key = wide;
    return 0;
}

int wide_key_copy(const struct wide_key *key, struct wide_key **ret_key)
{
    struct wide_key *wide = aligned_alloc(_Alignof(struct wide_key), sizeof *wide);
    if (!wide)
        return -ENOMEM;
    *wide = *key;
    *ret_key = wide;
    return 0;
}

void wide_key_free(struct wide_key *key)
{
    if (key)
        secret_wipe(key, sizeof *key);
    free(key);
}

void wide_seal(const struct wide_key *key, const uint8_t nonce[AEAD_NONCE_SIZE],
               struct slice associated, const void *in, size_t size, void *out,
               uint8_t ret_tag[AEAD_TAG_SIZE])
{
    struct gcm_context_data context;
    aes_gcm_enc_256_vaes_avx512(&key->data, &context, out, in, size, nonce, associated.bytes,
                                associated.size, ret_tag, AEAD_TAG_SIZE);
    secret_wipe(&context, sizeof context); /* of the key stream */
}

void wide_open_unverified(const struct wide_key *key, const uint8_t nonce[AEAD_NONCE_SIZE],
                          struct slice associated, const void *in, size_t size, void *out,
                          uint8_t ret_tag[AEAD_TAG_SIZE])
{
    struct gcm_context_data context;
    aes_gcm_dec_256_vaes_avx512(&key->data, &context, out, in, size, nonce, associated.bytes,
                                associated.size, ret_tag, AEAD_TAG_SIZE);
    secret_wipe(&context, sizeof context);
}
