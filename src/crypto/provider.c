/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/provider.h"
#include "crypto/memory.h"

#include <errno.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* runtime/crypto_late.h, where it is linked: libcrypto may not have been made ready yet. */
__attribute__((weak)) void crypto_late_ready(void);

enum { OPERATION_COUNT = 32, DISPATCH_COUNT = 32 };

/* In libcrypto.a only; a shared libcrypto keeps it to itself. */
extern OSSL_provider_init_fn ossl_default_provider_init __attribute__((weak));

/* By first name. What TLS 1.2 and 1.3 with AES-GCM and ChaCha20 need, tickets (CBC), certificates
 * under EC, RSA and Ed25519 keys (SHA-1 only names them), randomness, and what crypto.h offers. */
static const char *const NAMES[] = {
    "SHA1",        "SHA2-256",    "SHA2-384",    "SHA2-512",
    "AES-128-GCM", "AES-256-GCM", "AES-256-CBC", "ChaCha20-Poly1305",
    "AES-256-CTR", "AES-256-ECB", "HMAC",        "HKDF",
    "TLS13-KDF",   "TLS1-PRF",    "CTR-DRBG",    "SEED-SRC",
    "EC",          "RSA",         "RSA-PSS",     "X25519",
    "ED25519",     "ECDH",        "ECDSA",       "DER",
};

static OSSL_FUNC_provider_query_operation_fn *g_query;
static OSSL_ALGORITHM *_Atomic g_algorithms[OPERATION_COUNT]; /* made once, kept for ever */
static OSSL_DISPATCH g_dispatch[DISPATCH_COUNT];

static bool is_used(const char *names)
{
    size_t len = strcspn(names, ":");
    for (size_t i = 0; i < ARRAY_COUNT(NAMES); i++)
        if (strlen(NAMES[i]) == len && strncasecmp(NAMES[i], names, len) == 0)
            return true;
    return false;
}

static const OSSL_ALGORITHM *query(void *ctx, int operation, int *no_cache)
{
    const OSSL_ALGORITHM *all = g_query(ctx, operation, no_cache);
    if (!all || operation < 0 || operation >= OPERATION_COUNT)
        return NULL;
    OSSL_ALGORITHM *used = atomic_load(&g_algorithms[operation]), *other = NULL;
    if (used)
        return used;
    size_t count = 0, kept = 0;
    while (all[count].algorithm_names)
        count++;
    used = calloc(count + 1, sizeof *used); /* ends in zeros, as it must */
    if (!used)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (is_used(all[i].algorithm_names))
            used[kept++] = all[i];
    if (atomic_compare_exchange_strong(&g_algorithms[operation], &other, used))
        return used;
    free(used);
    return other;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **ctx)
{
    const OSSL_DISPATCH *table;
    if (!ossl_default_provider_init(handle, in, &table, ctx))
        return 0;
    size_t count = 0;
    for (; table[count].function_id; count++) {
        if (count + 1 == DISPATCH_COUNT)
            return 0;
        g_dispatch[count] = table[count];
        if (table[count].function_id != OSSL_FUNC_PROVIDER_QUERY_OPERATION)
            continue;
        g_query = OSSL_FUNC_provider_query_operation(&table[count]);
        g_dispatch[count].function = (void (*)(void))query;
    }
    *out = g_dispatch;
    return g_query != NULL;
}

int crypto_start(void)
{
    uint64_t options =
        OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ATEXIT;
    static _Atomic bool started;
    if (crypto_late_ready)
        crypto_late_ready();
    if (!atomic_load(&started))
        crypto_memory_start();
    if (OPENSSL_init_crypto(options, NULL) != 1)
        return -ENOMEM;
    /* Asking whether the default provider is there already would load it. */
    if (!ossl_default_provider_init || atomic_exchange(&started, true))
        return 0;
    if (OSSL_PROVIDER_add_builtin(NULL, "coffer", provider_init) != 1 ||
        !OSSL_PROVIDER_load(NULL, "coffer"))
        return -ENOMEM;
    return 0;
}
