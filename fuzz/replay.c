/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over its corpus without libFuzzer, so that `make check` replays every seed
 * under the sanitizers with any compiler: each file as it is, cut short, and with single bytes
 * changed. Deterministic and bounded: the same tree runs the same inputs. A target that dies has
 * failed; the input that did it is written beside the message.
 *
 *     replay-TARGET CORPUS_DIRECTORY */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 4096
#define FILE_SIZE_MAX (1 << 20)
#define RUNS_MAX 60000 /* per kind of change, shared evenly by the files */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

/* What is being run, for the report of a crash. */
static struct {
    const char *file;
    const uint8_t *bytes;
    size_t size;
} now;

static void write_crasher(void)
{
    char path[64];
    if (!now.bytes)
        return; /* not an input's fault alone: a leak found at the end */
    snprintf(path, sizeof path, "crash-%ld", (long)getpid());
    FILE *out = fopen(path, "w");
    if (out) {
        fwrite(now.bytes, 1, now.size, out);
        fclose(out);
    }
    fprintf(stderr, "# died on an input of %zu bytes made from %s, kept in ./%s\n", now.size,
            now.file, path);
}

/* The target sees a copy of exactly its size on the heap, so that ASan sees one byte too far. */
static void run(const char *file, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, bytes, size);
    now.file = file;
    now.bytes = copy;
    now.size = size;
    LLVMFuzzerTestOneInput(copy, size);
    now.bytes = NULL;
    free(copy);
}

static void run_truncations(const char *file, const uint8_t *bytes, size_t size, size_t runs)
{
    size_t step = size / runs + 1;
    for (size_t cut = 0; cut < size; cut += step)
        run(file, bytes, cut);
}

static void run_mutations(const char *file, uint8_t *bytes, size_t size, size_t runs)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff, 0x20};
    size_t positions = runs / sizeof masks + 1;
    size_t step = size / positions + 1;
    for (size_t i = 0; i < size; i += step) {
        for (size_t m = 0; m < sizeof masks; m++) {
            bytes[i] ^= masks[m];
            run(file, bytes, size);
            bytes[i] ^= masks[m];
        }
    }
}

static uint8_t *file_read(const char *path, size_t *ret_size)
{
    FILE *in = fopen(path, "r");
    uint8_t *bytes = in ? malloc(FILE_SIZE_MAX) : NULL;
    if (!bytes) {
        printf("Bail out! cannot read %s: %s\n", path, strerror(errno));
        exit(99);
    }
    *ret_size = fread(bytes, 1, FILE_SIZE_MAX, in);
    fclose(in);
    return bytes;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The corpus' files in a fixed order. A missing directory is an empty corpus. */
static size_t files_list(const char *folder, char **paths)
{
    DIR *dir = opendir(folder);
    size_t count = 0;
    for (struct dirent *entry; dir && count < FILES_MAX && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && asprintf(&paths[count], "%s/%s", folder, entry->d_name) >= 0)
            count++;
    if (dir)
        closedir(dir);
    qsort(paths, count, sizeof *paths, by_name);
    return count;
}

int main(int argc, char **argv)
{
    static char *paths[FILES_MAX];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(write_crasher);
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    size_t count = files_list(argv[1], paths);
    size_t share = RUNS_MAX / (count + 1) + 1;
    printf("TAP version 13\n1..3\n");
    for (int kind = 0; kind < 3; kind++) {
        static const char *const kinds[] = {"as it is", "cut short", "with single bytes changed"};
        run("nothing", NULL, 0);
        for (size_t i = 0; i < count; i++) {
            size_t size;
            uint8_t *bytes = file_read(paths[i], &size);
            if (kind == 0)
                run(paths[i], bytes, size);
            else if (kind == 1)
                run_truncations(paths[i], bytes, size, share);
            else
                run_mutations(paths[i], bytes, size, share);
            free(bytes);
        }
        printf("ok %d - corpus of %zu files, %s\n", kind + 1, count, kinds[kind]);
    }
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    return 0;
}
