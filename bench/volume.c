/* SPDX-License-Identifier: Apache-2.0 */
/* The encrypted volume beside plain files on the same disk, interleaved in one run: medians of the
 * rounds, and their ratio. usage: bench-volume [DIR] (default: a new directory under /var/tmp).
 * BENCH_ROUNDS: how many rounds (5). BENCH_ONLY: only rows whose name has this in it. BENCH_FILES: how
 * many small files (1000). */
#include "volume/volume.h"
#include "platform/host.h"
#include "platform/ops.h"
#include "volume/backend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MIB = 1 << 20,
    FILE_MIB = 64,
    RANDOM_OPS = 2000,
    SYNC_OPS = 200,
    FILES = 1000,
    FILES_MAX = 1000000,
    ROUNDS_MAX = 99,
    LOG_MIB = 1024
};

static char g_dir[200];
static struct volume *g_volume;
static struct volume_backend *g_backend;
static struct volume_options g_options;
static const struct key256 g_key = {{42}};
static uint8_t g_bytes[MIB];
static uint64_t g_ino, g_random = 1;
static int g_fd = -1, g_plain_dir = -1, g_files = FILES;

/* Another one, which compresses, for text. */
static struct volume *g_packed;
static struct volume_backend *g_packed_backend;
static uint64_t g_packed_ino;
static uint8_t g_text[MIB];

static void die(const char *what, long r)
{
    fprintf(stderr, "bench-volume: %s: %s\n", what, strerror((int)-r));
    exit(1);
}

static void must(const char *what, long r)
{
    if (r < 0)
        die(what, r == -1 ? -errno : r);
}

static uint64_t random_block(void)
{
    g_random = g_random * 6364136223846793005 + 1442695040888963407;
    return (g_random >> 33) % (FILE_MIB * (uint64_t)MIB / 4096) * 4096;
}

/* --- each case: on the volume, on plain files --- */

static void volume_write_all(void)
{
    for (int i = 0; i < FILE_MIB; i++)
        must("write", volume_write(g_volume, g_ino, (uint64_t)i * MIB, g_bytes, MIB));
    must("sync", volume_sync(g_volume, g_ino, true));
}

static void plain_write_all(void)
{
    for (int i = 0; i < FILE_MIB; i++)
        must("pwrite", pwrite(g_fd, g_bytes, MIB, (off_t)i * MIB));
    must("fdatasync", fdatasync(g_fd));
}

static void volume_read_all(void)
{
    for (int i = 0; i < FILE_MIB; i++)
        must("read", volume_read(g_volume, g_ino, (uint64_t)i * MIB, g_bytes, MIB));
}

static void plain_read_all(void)
{
    for (int i = 0; i < FILE_MIB; i++)
        must("pread", pread(g_fd, g_bytes, MIB, (off_t)i * MIB));
}

static void packed_write_all(void)
{
    for (int i = 0; i < FILE_MIB; i++)
        must("write", volume_write(g_packed, g_packed_ino, (uint64_t)i * MIB, g_text, MIB));
    must("sync", volume_sync(g_packed, g_packed_ino, true));
}

static void packed_read_all(void)
{
    for (int i = 0; i < FILE_MIB; i++)
        must("read", volume_read(g_packed, g_packed_ino, (uint64_t)i * MIB, g_bytes, MIB));
}

static void packed_read_random(void)
{
    for (int i = 0; i < RANDOM_OPS; i++)
        must("read", volume_read(g_packed, g_packed_ino, random_block(), g_bytes, 4096));
}

static void volume_read_random(void)
{
    for (int i = 0; i < RANDOM_OPS; i++)
        must("read", volume_read(g_volume, g_ino, random_block(), g_bytes, 4096));
}

static void plain_read_random(void)
{
    for (int i = 0; i < RANDOM_OPS; i++)
        must("pread", pread(g_fd, g_bytes, 4096, (off_t)random_block()));
}

static void volume_write_random(void)
{
    for (int i = 0; i < RANDOM_OPS; i++)
        must("write", volume_write(g_volume, g_ino, random_block(), g_bytes, 4096));
    must("sync", volume_sync(g_volume, g_ino, true));
}

static void plain_write_random(void)
{
    for (int i = 0; i < RANDOM_OPS; i++)
        must("pwrite", pwrite(g_fd, g_bytes, 4096, (off_t)random_block()));
    must("fdatasync", fdatasync(g_fd));
}

static void volume_write_synced(void)
{
    for (int i = 0; i < SYNC_OPS; i++) {
        must("write", volume_write(g_volume, g_ino, random_block(), g_bytes, 4096));
        must("sync", volume_sync(g_volume, g_ino, true));
    }
}

static void plain_write_synced(void)
{
    for (int i = 0; i < SYNC_OPS; i++) {
        must("pwrite", pwrite(g_fd, g_bytes, 4096, (off_t)random_block()));
        must("fdatasync", fdatasync(g_fd));
    }
}

static const char *name_of(int i)
{
    static char name[24];
    (void)snprintf(name, sizeof name, "small-%d", i);
    return name;
}

static void volume_files_make(void)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    for (int i = 0; i < g_files; i++) {
        uint64_t ino;
        must("make", volume_make(g_volume, VOLUME_ROOT_INO, slice_of_text(name_of(i)), &attr,
                                 (struct slice){0}, &ino));
        must("write", volume_write(g_volume, ino, 0, g_bytes, 1000));
    }
}

static void plain_files_make(void)
{
    for (int i = 0; i < g_files; i++) {
        int fd = openat(g_plain_dir, name_of(i), O_WRONLY | O_CREAT | O_EXCL, 0600);
        must("open", fd);
        must("write", write(fd, g_bytes, 1000));
        close(fd);
    }
}

static void volume_files_stat(void)
{
    struct volume_attr attr;
    uint64_t ino;
    for (int i = 0; i < g_files; i++) {
        must("lookup", volume_lookup(g_volume, VOLUME_ROOT_INO, slice_of_text(name_of(i)), &ino));
        must("getattr", volume_getattr(g_volume, ino, &attr));
    }
}

static void plain_files_stat(void)
{
    struct stat st;
    for (int i = 0; i < g_files; i++)
        must("stat", fstatat(g_plain_dir, name_of(i), &st, 0));
}

static void volume_files_remove(void)
{
    for (int i = 0; i < g_files; i++)
        must("unlink", volume_unlink(g_volume, VOLUME_ROOT_INO, slice_of_text(name_of(i))));
}

static void plain_files_remove(void)
{
    for (int i = 0; i < g_files; i++)
        must("unlink", unlinkat(g_plain_dir, name_of(i), 0));
}

static void volume_close_it(void)
{
    must("close", volume_close(g_volume));
    g_volume = NULL;
}

static void volume_open_it(void)
{
    struct error e = {0};
    if (g_volume)
        return;
    int r = volume_open(&g_options, &g_volume, &e);
    if (r < 0)
        die(error_text(&e, r), r);
}

/* From here on with a plaintext cache that holds the file, and all of it in there. */
static void volume_cache_on(void)
{
    volume_close_it();
    g_options.cache_size = 2 * FILE_MIB * (size_t)MIB;
    volume_open_it();
    volume_read_all();
}

static void volume_cache_off(void)
{
    volume_close_it();
    g_options.cache_size = 0;
    volume_open_it();
}

static void plain_nothing(void) {}

static void plain_close_it(void)
{
    must("close", close(g_fd));
}

static void plain_open_it(void)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/plain/file", g_dir);
    g_fd = open(path, O_RDWR);
    must("open", g_fd);
}

static const struct bench {
    const char *name;
    void (*volume)(void);
    void (*plain)(void);
    double count; /* of units; 0: of small files */
    const char *unit;
} g_benches[] = {
    {"write 1 MiB sequential, sync at the end", volume_write_all, plain_write_all, FILE_MIB, "MiB"},
    {"read 1 MiB sequential", volume_read_all, plain_read_all, FILE_MIB, "MiB"},
    {"read 4 KiB random", volume_read_random, plain_read_random, RANDOM_OPS, "op"},
    {NULL, volume_cache_on, plain_nothing, 1, ""},
    {"read 1 MiB sequential, plaintext cached", volume_read_all, plain_read_all, FILE_MIB, "MiB"},
    {"read 4 KiB random, plaintext cached", volume_read_random, plain_read_random, RANDOM_OPS,
     "op"},
    {NULL, volume_cache_off, plain_nothing, 1, ""},
    {"overwrite 4 KiB random, sync at the end", volume_write_random, plain_write_random, RANDOM_OPS,
     "op"},
    {"overwrite 4 KiB random, sync each", volume_write_synced, plain_write_synced, SYNC_OPS, "op"},
    {"small files: create and write 1000 bytes", volume_files_make, plain_files_make, 0, "op"},
    {"small files: look up and stat", volume_files_stat, plain_files_stat, 0, "op"},
    {"small files: remove", volume_files_remove, plain_files_remove, 0, "op"},
    {"text, compressed: write 1 MiB sequential", packed_write_all, plain_write_all, FILE_MIB,
     "MiB"},
    {"text, compressed: read 1 MiB sequential", packed_read_all, plain_read_all, FILE_MIB, "MiB"},
    {"text, compressed: read 4 KiB random", packed_read_random, plain_read_random, RANDOM_OPS,
     "op"},
    {"close", volume_close_it, plain_close_it, 1, "op"},
    {"open", volume_open_it, plain_open_it, 1, "op"},
};

static int double_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, double_order);
    return values[count / 2];
}

static double cpu_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1000;
}

static void run(void (*fn)(void), double *ret_us, double *ret_cpu_us)
{
    int64_t start = host_monotonic_ns();
    double cpu = cpu_us();
    fn();
    *ret_us = (double)(host_monotonic_ns() - start) / 1000;
    *ret_cpu_us = cpu_us() - cpu;
}

/* Lines as of a log: time, level, names and numbers. */
static void text_make(void)
{
    static const char *const words[] = {"connection", "accepted", "request", "GET", "/documents/",
                                        "user",       "bytes",    "status",  "200", "tenant"};
    size_t at = 0;
    for (unsigned line = 0; at < sizeof g_text - 200; line++) {
        at += (size_t)snprintf((char *)g_text + at, 60, "2026-01-01T%02u:%02u:%02u.%06u info",
                               line / 3600 % 24, line / 60 % 60, line % 60,
                               (unsigned)random_block() / 4096 * 17);
        for (int i = 0; i < 8; i++)
            at += (size_t)snprintf((char *)g_text + at, 30, " %s=%u",
                                   words[random_block() / 4096 % ARRAY_COUNT(words)],
                                   (unsigned)(random_block() / 4096));
        g_text[at++] = '\n';
    }
}

static void setup_packed(void)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    char path[256];
    struct error e = {0};
    struct volume_options options = g_options;
    text_make();
    (void)snprintf(path, sizeof path, "%s/packed", g_dir);
    must("volume_dir_open", volume_dir_open(path, true, &g_packed_backend));
    options.backend = g_packed_backend;
    options.compress = true;
    must("create", volume_create(&options, 0, 0, &e));
    must("open", volume_open(&options, &g_packed, &e));
    must("make", volume_make(g_packed, VOLUME_ROOT_INO, slice_of_text("file"), &attr,
                             (struct slice){0}, &g_packed_ino));
}

static void setup(const char *dir)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    char path[256];
    struct error e = {0};
    (void)snprintf(g_dir, sizeof g_dir, "%s", dir ? dir : "/var/tmp/bench-volume-XXXXXX");
    if (!dir && !mkdtemp(g_dir))
        die("mkdtemp", -errno);
    (void)snprintf(path, sizeof path, "%s/plain", g_dir);
    must("mkdir", mkdir(path, 0700));
    g_plain_dir = open(path, O_RDONLY | O_DIRECTORY);
    g_fd = openat(g_plain_dir, "file", O_RDWR | O_CREAT, 0600);
    must("open", g_fd);
    (void)snprintf(path, sizeof path, "%s/volume", g_dir);
    must("volume_dir_open", volume_dir_open(path, true, &g_backend));
    g_options = (struct volume_options){
        .backend = g_backend, .key = &g_key, .id = "bench", .mode = VOLUME_MODE_NONE};
    int r = volume_create(&g_options, 0, 0, &e);
    if (r == 0)
        r = volume_open(&g_options, &g_volume, &e);
    if (r < 0)
        die(error_text(&e, r), r);
    must("make", volume_make(g_volume, VOLUME_ROOT_INO, slice_of_text("file"), &attr,
                             (struct slice){0}, &g_ino));
}

/* What the files in a directory take on the disk. */
static unsigned long disk_kib(const char *path)
{
    unsigned long blocks = 0;
    struct stat st;
    DIR *dir = opendir(path);
    if (!dir)
        die("opendir", -errno);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
            blocks += (unsigned long)st.st_blocks;
    (void)closedir(dir);
    return blocks / 2;
}

/* The host's cache no longer has what the files hold. */
static void forget(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        die("opendir", -errno);
    for (struct dirent *entry; (entry = readdir(dir));) {
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY);
        if (fd >= 0 && fsync(fd) == 0)
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        if (fd >= 0)
            (void)close(fd);
    }
    (void)closedir(dir);
}

/* What an open volume with little in it takes, after some work and a sync. */
static void print_memory(void)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    char path[256];
    struct error e = {0};
    struct volume *v;
    struct volume_backend *b;
    struct volume_options options = g_options;
    uint64_t ino;
    (void)snprintf(path, sizeof path, "%s/little", g_dir);
    size_t before = mallinfo2().uordblks;
    must("volume_dir_open", volume_dir_open(path, true, &b));
    options.backend = b;
    must("create", volume_create(&options, 0, 0, &e));
    must("open", volume_open(&options, &v, &e));
    must("close", volume_close(v));
    printf("disk of an empty volume: %lu KiB (goal: at most 128)\n", disk_kib(path));
    must("open", volume_open(&options, &v, &e));
    for (int i = 0; i < 100; i++) {
        must("make", volume_make(v, VOLUME_ROOT_INO, slice_of_text(name_of(i)), &attr,
                                 (struct slice){0}, &ino));
        must("write", volume_write(v, ino, 0, g_bytes, 20000));
        must("sync", volume_sync(v, 0, true));
    }
    printf("memory of an open volume after 100 files of 20 KB: %zu KiB (goal: under 300)\n",
           (mallinfo2().uordblks - before) / 1024);
    must("close", volume_close(v));
    volume_dir_close(b);
}

/* What was written since the last checkpoint is read at the opening: LOG_MIB of it, not in any cache. */
static void print_crash(void)
{
    static const struct volume_attr attr = {.mode = S_IFREG | 0600};
    static const struct volume_tuning rare = {.segment_size = 512 << 10,
                                              .checkpoint_size = UINT32_MAX,
                                              .checkpoint_count = UINT32_MAX,
                                              .garbage_size = 768 << 10};
    char path[256];
    struct error e = {0};
    struct volume *v;
    struct volume_backend *b;
    struct volume_options options = g_options;
    uint64_t ino;
    double us, cpu;
    (void)snprintf(path, sizeof path, "%s/crash", g_dir);
    must("volume_dir_open", volume_dir_open(path, true, &b));
    options.backend = b;
    options.tuning = &rare;
    must("create", volume_create(&options, 0, 0, &e));
    must("open", volume_open(&options, &v, &e));
    must("make",
         volume_make(v, VOLUME_ROOT_INO, slice_of_text("file"), &attr, (struct slice){0}, &ino));
    for (int i = 0; i < LOG_MIB; i++)
        must("write", volume_write(v, ino, (uint64_t)i * MIB, g_bytes, MIB));
    must("sync", volume_sync(v, ino, true));
    volume_abandon(v);
    forget(path);
    struct volume *old = g_volume;
    struct volume_options old_options = g_options;
    g_volume = NULL;
    g_options = options;
    run(volume_open_it, &us, &cpu);
    printf("opening after a crash, %d MiB of log since the last checkpoint, cold: %.0f ms (goal: "
           "under "
           "1000)\n",
           LOG_MIB, us / 1000);
    must("close", volume_close(g_volume));
    g_volume = old;
    g_options = old_options;
    volume_dir_close(b);
}

int main(int argc, char **argv)
{
    static double times[2][ARRAY_COUNT(g_benches)][ROUNDS_MAX];
    static double cpu[2][ARRAY_COUNT(g_benches)][ROUNDS_MAX];
    const char *env = getenv("BENCH_ROUNDS"), *only = getenv("BENCH_ONLY");
    int rounds = env ? (int)strtol(env, NULL, 10) : 5;
    rounds = MAX(1, MIN(rounds, (int)ROUNDS_MAX));
    const char *files = getenv("BENCH_FILES");
    g_files = files ? (int)strtol(files, NULL, 10) : FILES;
    g_files = MAX(1, MIN(g_files, (int)FILES_MAX));
    platform_set(&platform_sim);
    memset(g_bytes, 'x', sizeof g_bytes);
    setup(argc > 1 ? argv[1] : NULL);
    setup_packed();
    for (int k = 0; k < rounds; k++)
        for (size_t i = 0; i < ARRAY_COUNT(g_benches); i++) {
            if (only && !strstr(g_benches[i].name ? g_benches[i].name : "", only))
                continue;
            run(g_benches[i].volume, &times[0][i][k], &cpu[0][i][k]);
            run(g_benches[i].plain, &times[1][i][k], &cpu[1][i][k]);
        }
    printf("microseconds per unit, median of %d rounds\n%-42s %12s %12s %7s %10s %10s\n", rounds,
           "", "volume", "plain", "ratio", "CPU volume", "CPU plain");
    for (size_t i = 0; i < ARRAY_COUNT(g_benches); i++) {
        if (!g_benches[i].name || (only && !strstr(g_benches[i].name, only)))
            continue;
        double count = g_benches[i].count > 0 ? g_benches[i].count : g_files;
        double a = median(times[0][i], rounds) / count;
        double b = median(times[1][i], rounds) / count;
        printf("%-42s %8.1f /%-3s %8.1f /%-3s %7.2f %10.1f %10.1f\n", g_benches[i].name, a,
               g_benches[i].unit, b, g_benches[i].unit, a / b, median(cpu[0][i], rounds) / count,
               median(cpu[1][i], rounds) / count);
    }
    must("close", volume_close(g_volume));
    volume_dir_close(g_backend);
    struct volume_stats stats;
    volume_statfs(g_packed, &stats);
    if (!only || strstr("compressed", only))
        printf("%d MiB of text take, compressed: %.1f MiB\n", FILE_MIB,
               (double)(stats.size_total - stats.size_free) / MIB);
    must("close", volume_close(g_packed));
    volume_dir_close(g_packed_backend);
    print_memory();
    if (!only || strstr("crash", only))
        print_crash();
    char command[300];
    (void)snprintf(command, sizeof command, "rm -r -- '%s'", g_dir);
    return system(command) == 0 ? 0 : 1;
}
