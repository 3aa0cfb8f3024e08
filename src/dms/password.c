/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/password.h"
#include "base/hex.h"
#include "base/macros.h"
#include "dms/digest.h"

#include <argon2.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

enum {
    ARGON_MEMORY_KIB = 19456, /* OWASP's first choice for Argon2id: 19 MiB, 2 passes, 1 lane */
    ARGON_PASSES = 2,
    ARGON_LANES = 1,
    FINGERPRINT_MEMORY_KIB = 1024,
    ARGON_HASH_SIZE = 32,
    SALT_SIZE = 16,
    CACHE_COUNT = 32,
    NAMES_COUNT = 64,
    BURST = 10,      /* failures of one name before the limit bites */
    BURST_ALL = 200, /* of all names together */
};
#define SECOND_NS ((uint64_t)1000000000)
#define CACHE_NS (300 * SECOND_NS)
#define FAILURE_NS (6 * SECOND_NS) /* then one more failure per so long */
#define FAILURE_ALL_NS (SECOND_NS / 5)

struct remembered {
    uint8_t mac[DIGEST_SIZE];
    int64_t user_key;
    uint64_t until_ns;
};

/* The generic cell rate algorithm: when all that was charged will be paid. */
struct failures {
    uint64_t name;
    uint64_t paid_ns;
};

struct passwords {
    struct worker *worker;
    struct key256 key;
    struct remembered cache[CACHE_COUNT];
    struct failures names[NAMES_COUNT];
    struct failures all;
    unsigned generation; /* a check begun before passwords_forget() is not remembered */
};

struct password_work {
    struct worker_job job;
    struct passwords *passwords;
    password_fn *fn; /* NULL: cancelled */
    void *arg;
    int64_t user_key;
    uint64_t started_ns;
    uint64_t name;
    unsigned generation;
    bool checks;
    bool has_hash;
    int result;
    uint8_t mac[DIGEST_SIZE];
    char hash[PASSWORD_HASH_SIZE];
    size_t size;
    uint8_t password[PASSWORD_SIZE_MAX];
};

/* Digests */

/* Over the user's name, a NUL and the password. */
static void mac_of(const struct passwords *passwords, const char *user, struct slice password,
                   uint8_t mac[DIGEST_SIZE])
{
    const struct slice parts[] = {slice_of(user, strlen(user) + 1), password};
    hmac_sha256(slice_of(passwords->key.bytes, KEY256_SIZE), parts, ARRAY_COUNT(parts), mac);
}

/* What a name is counted under: not secret, but an attacker must not choose collisions. */
static uint64_t name_of(const struct passwords *passwords, const char *user)
{
    uint8_t mac[DIGEST_SIZE];
    uint64_t name;
    mac_of(passwords, user, slice_of("", 0), mac);
    memcpy(&name, mac, sizeof name);
    return name;
}

/* Argon2id: its memory is mapped for each use and unmapped after it, so none stays */

static int memory_map(uint8_t **memory, size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return ARGON2_MEMORY_ALLOCATION_ERROR;
    *memory = at;
    return ARGON2_OK;
}

static void memory_unmap(uint8_t *memory, size_t size)
{
    (void)munmap(memory, size); /* the kernel clears pages before anyone else has them */
}

static int argon(struct slice password, const uint8_t salt[SALT_SIZE], uint32_t memory_kib,
                 uint32_t passes, uint8_t *out)
{
    argon2_context context = {
        .out = out,
        .outlen = ARGON_HASH_SIZE,
        .pwd = (uint8_t *)(uintptr_t)password.bytes,
        .pwdlen = (uint32_t)password.size,
        .salt = (uint8_t *)(uintptr_t)salt,
        .saltlen = SALT_SIZE,
        .t_cost = passes,
        .m_cost = memory_kib,
        .lanes = ARGON_LANES,
        .threads = 1,
        .version = ARGON2_VERSION_13,
        .allocate_cbk = memory_map,
        .free_cbk = memory_unmap,
    };
    return argon2id_ctx(&context) == ARGON2_OK ? 0 : -ENOMEM;
}

/* "argon2id1$SALT$HASH" in hexadecimal; the parameters are those of version 1. */
static const char prefix[] = "argon2id1$";

static void hex_put(char **to, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++, *to += 2)
        (void)snprintf(*to, 3, "%02x", bytes[i]);
}

int password_hash_now(struct slice password, char hash[PASSWORD_HASH_SIZE])
{
    uint8_t salt[SALT_SIZE], out[ARGON_HASH_SIZE];
    if (getrandom(salt, sizeof salt, 0) != sizeof salt)
        return -EIO;
    int r = argon(password, salt, ARGON_MEMORY_KIB, ARGON_PASSES, out);
    if (r < 0)
        return r;
    char *to = hash;
    memcpy(to, prefix, strlen(prefix));
    to += strlen(prefix);
    hex_put(&to, salt, sizeof salt);
    *to++ = '$';
    hex_put(&to, out, sizeof out);
    secret_wipe(out, sizeof out);
    return 0;
}

static int hex_take(const char **at, uint8_t *bytes, size_t size)
{
    if (strlen(*at) < 2 * size || hex_decode(slice_of(*at, 2 * size), bytes, size) < 0)
        return -EINVAL;
    *at += 2 * size;
    return 0;
}

static int hash_check(struct slice password, const char *hash)
{
    uint8_t salt[SALT_SIZE] = {0}, wanted[ARGON_HASH_SIZE] = {0}, got[ARGON_HASH_SIZE];
    bool known = hash && strncmp(hash, prefix, strlen(prefix)) == 0;
    const char *at = known ? hash + strlen(prefix) : "";
    known = known && hex_take(&at, salt, sizeof salt) == 0 && *at++ == '$' &&
            hex_take(&at, wanted, sizeof wanted) == 0;
    int r = argon(password, salt, ARGON_MEMORY_KIB, ARGON_PASSES, got);
    if (r == 0)
        r = ct_verify(got, wanted, sizeof got) == 0 && known ? 0 : -EKEYREJECTED;
    secret_wipe(got, sizeof got);
    return r;
}

/* SALT$HASH in hexadecimal. */
int password_fingerprint(struct slice password, char text[FINGERPRINT_SIZE])
{
    uint8_t salt[SALT_SIZE], out[ARGON_HASH_SIZE];
    if (getrandom(salt, sizeof salt, 0) != sizeof salt)
        return -EIO;
    int r = argon(password, salt, FINGERPRINT_MEMORY_KIB, 1, out);
    if (r < 0)
        return r;
    hex_put(&text, salt, sizeof salt);
    *text++ = '$';
    hex_put(&text, out, sizeof out);
    return 0;
}

int password_fingerprint_check(struct slice password, const char *text)
{
    uint8_t salt[SALT_SIZE], wanted[ARGON_HASH_SIZE], got[ARGON_HASH_SIZE];
    if (hex_take(&text, salt, sizeof salt) < 0 || *text++ != '$' ||
        hex_take(&text, wanted, sizeof wanted) < 0)
        return -EKEYREJECTED;
    int r = argon(password, salt, FINGERPRINT_MEMORY_KIB, 1, got);
    if (r < 0)
        return r;
    return ct_verify(got, wanted, sizeof got) == 0 ? 0 : -EKEYREJECTED;
}

/* The memory of what was verified */

int passwords_new(struct worker *worker, struct passwords **ret_passwords)
{
    struct passwords *passwords = secret_alloc(sizeof *passwords);
    if (!passwords)
        return -ENOMEM;
    memset(passwords, 0, sizeof *passwords);
    passwords->worker = worker;
    if (getrandom(&passwords->key, sizeof passwords->key, 0) != sizeof passwords->key) {
        passwords_free(passwords);
        return -EIO;
    }
    *ret_passwords = passwords;
    return 0;
}

void passwords_free(struct passwords *passwords)
{
    if (passwords)
        secret_free(passwords, sizeof *passwords);
}

int64_t passwords_remembered(struct passwords *passwords, const char *user, struct slice password,
                             uint64_t now_ns)
{
    uint8_t mac[DIGEST_SIZE];
    int64_t key = 0;
    mac_of(passwords, user, password, mac);
    for (size_t i = 0; i < CACHE_COUNT; i++)
        if (passwords->cache[i].until_ns > now_ns &&
            ct_verify(mac, passwords->cache[i].mac, sizeof mac) == 0)
            key = passwords->cache[i].user_key;
    return key;
}

void passwords_forget(struct passwords *passwords)
{
    secret_wipe(passwords->cache, sizeof passwords->cache);
    passwords->generation++;
}

static void remember(struct password_work *work)
{
    struct passwords *passwords = work->passwords;
    struct remembered *oldest = &passwords->cache[0];
    if (work->generation != passwords->generation)
        return;
    for (size_t i = 1; i < CACHE_COUNT; i++)
        if (passwords->cache[i].until_ns < oldest->until_ns)
            oldest = &passwords->cache[i];
    memcpy(oldest->mac, work->mac, DIGEST_SIZE);
    oldest->user_key = work->user_key;
    oldest->until_ns = work->started_ns + CACHE_NS;
}

/* The limit on failures */

static struct failures *failures_of(struct passwords *passwords, uint64_t name)
{
    struct failures *oldest = &passwords->names[0];
    for (size_t i = 0; i < NAMES_COUNT; i++) {
        if (passwords->names[i].name == name)
            return &passwords->names[i];
        if (passwords->names[i].paid_ns < oldest->paid_ns)
            oldest = &passwords->names[i];
    }
    *oldest = (struct failures){.name = name};
    return oldest;
}

static uint64_t wait_ns(const struct failures *failures, uint64_t each_ns, uint64_t burst,
                        uint64_t now_ns)
{
    uint64_t allowed_ns = now_ns + each_ns * (burst - 1);
    return failures->paid_ns > allowed_ns ? failures->paid_ns - allowed_ns : 0;
}

unsigned passwords_wait_s(struct passwords *passwords, const char *user, uint64_t now_ns)
{
    struct failures *name = failures_of(passwords, name_of(passwords, user));
    uint64_t ns = MAX(wait_ns(name, FAILURE_NS, BURST, now_ns),
                      wait_ns(&passwords->all, FAILURE_ALL_NS, BURST_ALL, now_ns));
    return (unsigned)((ns + SECOND_NS - 1) / SECOND_NS);
}

static void charge(struct failures *failures, uint64_t each_ns, uint64_t now_ns)
{
    failures->paid_ns = MAX(failures->paid_ns, now_ns) + each_ns;
}

void passwords_charge(struct passwords *passwords, const char *name, uint64_t now_ns)
{
    charge(failures_of(passwords, name_of(passwords, name)), FAILURE_NS, now_ns);
    charge(&passwords->all, FAILURE_ALL_NS, now_ns);
}

static void refund(struct password_work *work)
{
    struct passwords *passwords = work->passwords;
    failures_of(passwords, work->name)->paid_ns = 0;
    if (passwords->all.paid_ns > FAILURE_ALL_NS)
        passwords->all.paid_ns -= FAILURE_ALL_NS;
}

/* Work */

static void work_run(struct worker_job *job)
{
    struct password_work *work = container_of(job, struct password_work, job);
    struct slice password = slice_of(work->password, work->size);
    work->result = work->checks ? hash_check(password, work->has_hash ? work->hash : NULL)
                                : password_hash_now(password, work->hash);
}

static void work_done(struct worker_job *job)
{
    struct password_work *work = container_of(job, struct password_work, job);
    if (work->checks && work->result == 0) {
        refund(work);
        remember(work);
    }
    if (work->fn)
        work->fn(work->arg, work->result, work->checks ? NULL : work->hash);
    secret_wipe(work, sizeof *work);
    free(work);
}

static int work_new(struct passwords *passwords, struct slice password, password_fn *fn, void *arg,
                    struct password_work **ret_work)
{
    if (password.size > PASSWORD_SIZE_MAX)
        return -EINVAL;
    struct password_work *work = calloc(1, sizeof *work);
    if (!work)
        return -ENOMEM;
    work->job = (struct worker_job){.work = work_run, .done = work_done};
    work->passwords = passwords;
    work->fn = fn;
    work->arg = arg;
    work->size = password.size;
    if (password.size > 0)
        memcpy(work->password, password.bytes, password.size);
    *ret_work = work;
    return 0;
}

static int work_submit(struct password_work *work, struct password_work **ret_work)
{
    int r = worker_submit(work->passwords->worker, &work->job);
    if (r < 0) {
        secret_wipe(work, sizeof *work);
        free(work);
        return r;
    }
    *ret_work = work;
    return 0;
}

int password_check(struct passwords *passwords, const char *user, int64_t user_key,
                   struct slice password, const char *hash, uint64_t now_ns, password_fn *fn,
                   void *arg, struct password_work **ret_work)
{
    struct password_work *work;
    int r = work_new(passwords, password, fn, arg, &work);
    if (r < 0)
        return r;
    work->checks = true;
    work->user_key = user_key;
    work->started_ns = now_ns;
    work->generation = passwords->generation;
    work->name = name_of(passwords, user);
    work->has_hash = hash && strlen(hash) < PASSWORD_HASH_SIZE;
    if (work->has_hash)
        memcpy(work->hash, hash, strlen(hash) + 1);
    mac_of(passwords, user, password, work->mac);
    charge(failures_of(passwords, work->name), FAILURE_NS, now_ns);
    charge(&passwords->all, FAILURE_ALL_NS, now_ns);
    return work_submit(work, ret_work);
}

int password_hash(struct passwords *passwords, struct slice password, password_fn *fn, void *arg,
                  struct password_work **ret_work)
{
    struct password_work *work;
    int r = work_new(passwords, password, fn, arg, &work);
    return r < 0 ? r : work_submit(work, ret_work);
}

void password_cancel(struct password_work *work)
{
    if (work)
        work->fn = NULL;
}
