/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self/maps and its kin tell of the program's memory, and of nothing else. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oracle.h"

#define PAGE 4096ul

struct line {
    uint64_t from, to, offset, ino;
    unsigned major, minor;
    char perms[5], name[512];
};

/* The line about an address; false if there is none. */
static int find(const char *file, const void *at, struct line *ret)
{
    FILE *maps = fopen(file, "r");
    char text[1024];
    int found = 0;
    while (maps && !found && fgets(text, sizeof text, maps)) {
        struct line l = {0};
        if (sscanf(text,
                   "%" SCNx64 "-%" SCNx64 " %4[rwxps-] %" SCNx64 " %x:%x %" SCNu64 " %511[^\n]",
                   &l.from, &l.to, l.perms, &l.offset, &l.major, &l.minor, &l.ino, l.name) < 7)
            continue;
        found = l.from <= (uint64_t)at && (uint64_t)at < l.to;
        *ret = l;
    }
    if (maps)
        fclose(maps);
    return found;
}

static void say(const char *what, const void *at)
{
    struct line l;
    if (!find("/proc/self/maps", at, &l)) {
        printf("%s: not mapped\n", what);
        return;
    }
    const char *name = strrchr(l.name, '/');
    printf("%s: %s offset %" PRIx64 " inode %s name %s\n", what, l.perms, l.offset,
           l.ino ? "some" : "none", name ? name : l.name);
    fflush(stdout);
}

/* Every mapping is readable where it says so: none lies where the runtime does. */
static void all(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char text[1024];
    uint64_t last = 0, heaps = 0, stacks = 0, vdsos = 0, bad = 0, ours = 0;
    while (fgets(text, sizeof text, maps)) {
        uint64_t from = 0, to = 0;
        bad += sscanf(text, "%" SCNx64 "-%" SCNx64, &from, &to) != 2 || from < last || to <= from;
        last = to;
        heaps += strstr(text, "[heap]") != NULL;
        stacks += strstr(text, "[stack]") != NULL;
        vdsos += strstr(text, "[vdso]") != NULL;
        ours += strstr(text, "coffer-runtime") != NULL || strstr(text, "memfd") != NULL;
    }
    fclose(maps);
    printf("heaps %d stacks %d vdso %d bad %d ours %d\n", (int)heaps, (int)stacks, (int)vdsos,
           (int)bad, (int)ours);
}

/* Code that has run often is one mapping still. */
static void code(void)
{
    struct line l, again;
    for (int i = 0; i < 300; i++)
        lseek(0, 0, SEEK_CUR);
    T(find("/proc/self/maps", (void *)lseek, &l));
    T(find("/proc/self/maps", (void *)read, &again));
    T(l.from == again.from && l.to == again.to);
    T(find("/proc/self/maps", (char *)l.to, &again) && strcmp(l.name, again.name) == 0 &&
      strcmp(l.perms, again.perms) == 0);
}

int main(int argc, char **argv)
{
    int local;
    struct line l;
    struct stat about;
    if (argc != 2 || chdir(argv[1]) < 0)
        return 1;
    free(malloc(100));
    char *heap = sbrk(PAGE);
    say("code", main);
    say("heap", heap);
    say("stack", &local);
    say("null", NULL);
    char *anonymous = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("anonymous", anonymous);
    T(mprotect(anonymous, PAGE, PROT_NONE));
    say("anonymous", anonymous);
    T(munmap(anonymous, PAGE));
    say("anonymous", anonymous);
    int fd = open("a file", O_CREAT | O_RDWR, 0600);
    T(ftruncate(fd, 4 * PAGE));
    char *shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
    say("shared", shared);
    T(munmap(shared, PAGE));
    say("shared", shared);
    say("shared", shared + PAGE);
    char *private = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
    say("private", private);
    say("private", private + PAGE);
    T(fstat(fd, &about));
    T(find("/proc/self/maps", private, &l));
    T(l.ino == about.st_ino);
    T(find("/proc/self/maps", shared + PAGE, &l));
    T(l.ino == about.st_ino);
    T(find("/proc/thread-self/maps", shared + PAGE, &l));
    T(find("/proc/self/smaps", shared + PAGE, &l));
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", getpid());
    T(find(path, shared + PAGE, &l));
    snprintf(path, sizeof path, "/proc/self/task/%d/maps", getpid());
    T(find(path, shared + PAGE, &l));
    T(stat("/proc/self/maps", &about));
    printf("%o\n", about.st_mode);
    T(access("/proc/self/maps", R_OK));
    T(access("/proc/self/maps", X_OK));
    all();
    code();
    return 0;
}
