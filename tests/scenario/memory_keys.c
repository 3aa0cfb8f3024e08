/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys another process has in memory, for tests; needs the right to trace it.
 *
 *   memory-keys PID, then lines of standard input:
 *     bytes HEX    these bytes
 *     point HEX    the private key (P-256, in either order of its bytes) of this public key
 *     shares FILE FILE...   the root key that these opened shares restore
 *
 * Prints "found" or "absent" for each, in order. */
#include "base/hex.h"
#include "crypto/crypto.h"
#include "kbs/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WANTED_MAX = 16, SCALAR = 32, SHARES_MAX = 8 };

static struct wanted {
    bool is_point, found;
    uint8_t bytes[80];
    size_t size;
} g_wanted[WANTED_MAX];
static size_t g_count;
static EC_GROUP *g_group;
static BN_CTX *g_ctx;

static void fail(const char *what)
{
    fprintf(stderr, "memory-keys: %s\n", what);
    exit(2);
}

static void shares_take(char *names, struct wanted *w)
{
    static char texts[SHARES_MAX][1024];
    struct slice shares[SHARES_MAX];
    struct key256 root;
    unsigned count = 0;
    char *save = NULL;
    for (char *name = strtok_r(names, " ", &save); name && count < SHARES_MAX;
         name = strtok_r(NULL, " ", &save)) {
        FILE *file = fopen(name, "r");
        if (!file)
            fail(name);
        shares[count] = slice_of(texts[count], fread(texts[count], 1, sizeof texts[0], file));
        fclose(file);
        count++;
    }
    if (recovery_combine(shares, count, &root, NULL) < 0)
        fail("the shares restore nothing");
    memcpy(w->bytes, root.bytes, w->size = sizeof root.bytes);
}

static void wanted_read(void)
{
    char line[4096];
    while (g_count < WANTED_MAX && fgets(line, sizeof line, stdin)) {
        struct wanted *w = &g_wanted[g_count++];
        line[strcspn(line, "\n")] = '\0';
        char *value = strchr(line, ' ');
        if (!value)
            fail("a line has a word and a value");
        *value++ = '\0';
        w->is_point = strcmp(line, "point") == 0;
        if (strcmp(line, "shares") == 0) {
            shares_take(value, w);
            continue;
        }
        w->size = strlen(value) / 2;
        if (w->size < SCALAR || w->size > sizeof w->bytes ||
            hex_decode(slice_of_text(value), w->bytes, w->size) < 0)
            fail("no hexadecimal digits");
    }
}

/* Could 32 random bytes look so? Spares all but a few of the multiplications. */
static bool looks_random(const uint8_t *bytes)
{
    unsigned zeros = 0, high = 0, distinct = 0;
    bool seen[256] = {false};
    for (size_t i = 0; i < SCALAR; i++) {
        zeros += bytes[i] == 0;
        high += bytes[i] >= 0x80;
        distinct += !seen[bytes[i]];
        seen[bytes[i]] = true;
    }
    return zeros <= 4 && high >= 4 && distinct >= 18;
}

static void scalar_try(const BIGNUM *d)
{
    uint8_t bytes[P256_PUBLIC_SIZE];
    EC_POINT *point = EC_POINT_new(g_group);
    if (!point || EC_POINT_mul(g_group, point, d, NULL, NULL, g_ctx) != 1 ||
        EC_POINT_point2oct(g_group, point, POINT_CONVERSION_UNCOMPRESSED, bytes, sizeof bytes,
                           g_ctx) != sizeof bytes)
        memset(bytes, 0, sizeof bytes);
    for (size_t i = 0; i < g_count; i++)
        if (g_wanted[i].is_point && memcmp(bytes, g_wanted[i].bytes, sizeof bytes) == 0)
            g_wanted[i].found = true;
    EC_POINT_free(point);
}

static void region_search(const uint8_t *bytes, size_t size)
{
    static BIGNUM *d;
    d = d ? d : BN_new();
    for (size_t i = 0; i < g_count; i++)
        if (!g_wanted[i].is_point && memmem(bytes, size, g_wanted[i].bytes, g_wanted[i].size))
            g_wanted[i].found = true;
    for (size_t at = 0; at + SCALAR <= size; at += 8) {
        if (!looks_random(bytes + at))
            continue;
        BN_lebin2bn(bytes + at, SCALAR, d);
        scalar_try(d);
        BN_bin2bn(bytes + at, SCALAR, d);
        scalar_try(d);
    }
}

static void memory_search(const char *pid)
{
    char path[64], line[512], rights[8];
    unsigned long from, to;
    snprintf(path, sizeof path, "/proc/%.20s/mem", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%.20s/maps", pid);
    FILE *maps = fopen(path, "r");
    if (fd < 0 || !maps)
        fail("its memory cannot be read");
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[1] != 'w')
            continue;
        uint8_t *bytes = malloc(to - from);
        ssize_t n = bytes ? pread(fd, bytes, to - from, (off_t)from) : -1;
        if (n > 0)
            region_search(bytes, (size_t)n);
        free(bytes);
    }
    fclose(maps);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        fail("usage: memory-keys PID");
    g_group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    g_ctx = BN_CTX_new();
    if (!g_group || !g_ctx)
        fail("no memory");
    wanted_read();
    memory_search(argv[1]);
    for (size_t i = 0; i < g_count; i++)
        puts(g_wanted[i].found ? "found" : "absent");
    return 0;
}
