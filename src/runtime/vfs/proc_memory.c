/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self/maps and its kin: what the host says of the guest's ranges, under the guest's names.
 * The runtime's own mappings are left out; the guest's memory by way of files (mem, map_files,
 * pagemap) is refused, for it is the runtime's memory as well. The host's text is only filtered:
 * what it lies about, it lies about to the guest. */
#include "runtime/vfs/proc_memory.h"
#include "base/buf.h"
#include "platform/host.h"
#include "runtime/memory/memory.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/mapping.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* runtime/memory/memory.h, where it is linked in. */
__attribute__((weak)) void memory_each(memory_range_fn *each, void *ctx);
__attribute__((weak)) void memory_names(struct memory_names *ret_names);

#define TEXT_MAX ((size_t)64 << 20)
#define NAME_COLUMN 73

static const char *const filtered[] = {"maps", "smaps", "numa_maps"};

/* "PID/" or "PID/task/TID/" is skipped; NULL if there is none. */
static const char *below_task(const char *path, bool *ret_self)
{
    char *end;
    *ret_self = strncmp(path, "self/", 5) == 0 || strncmp(path, "thread-self/", 12) == 0;
    if (*ret_self) {
        path += path[0] == 's' ? 5 : 12;
    } else {
        if (!isdigit((unsigned char)path[0]))
            return NULL;
        long pid = strtol(path, &end, 10);
        *ret_self = pid == host_call(SYS_getpid);
        if (*end != '/')
            return NULL;
        path = end + 1;
    }
    if (strncmp(path, "task/", 5) == 0 && isdigit((unsigned char)path[5])) {
        (void)strtol(path + 5, &end, 10);
        path = *end == '/' ? end + 1 : path;
    }
    return path;
}

int proc_memory_find(const char *path, bool reads, struct place *p)
{
    bool self;
    const char *below = strncmp(path, "/proc/", 6) == 0 ? below_task(path + 6, &self) : NULL;
    if (!below)
        return 0;
    if (strcmp(below, "mem") == 0 || strcmp(below, "pagemap") == 0 ||
        strncmp(below, "map_files/", 10) == 0)
        return -EACCES;
    for (size_t i = 0; reads && self && i < ARRAY_COUNT(filtered); i++)
        if (strcmp(below, filtered[i]) == 0) {
            *p = (struct place){.kind = PLACE_SELF};
            snprintf(p->path, sizeof p->path, "%s", filtered[i]);
            return 1;
        }
    return 0;
}

bool proc_memory_is(const char *what)
{
    for (size_t i = 0; i < ARRAY_COUNT(filtered); i++)
        if (strcmp(what, filtered[i]) == 0)
            return true;
    return false;
}

/* --- the guest's ranges --- */

struct ranges_seen {
    struct buf buf; /* pairs of uint64_t */
    bool failed;
};

static void note_range(void *ctx, uint64_t from, uint64_t to)
{
    struct ranges_seen *seen = ctx;
    const uint64_t pair[2] = {from, to};
    seen->failed |= buf_append(&seen->buf, pair, sizeof pair) < 0;
}

struct entry {
    uint64_t from, to, offset, ino;
    unsigned major, minor;
    char perms[5];
    const char *name;
};

struct view {
    const uint64_t *pairs;
    size_t count;
    struct memory_names names;
    struct buf out;
    bool keeps; /* the lines that follow belong to a mapping that is shown */
    bool joins; /* one line for mappings that only rewritten code pages keep apart */
    struct entry
        last; /* shown by the last line, which begins at `last_at`; no name: not to be joined */
    size_t last_at;
};

/* The first of the guest's ranges that ends behind `at`. */
static const uint64_t *range_at(const struct view *v, uint64_t at)
{
    size_t low = 0, high = v->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->pairs[2 * middle + 1] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < v->count ? v->pairs + 2 * low : NULL;
}

/* --- lines --- */

/* A number that is followed by `end`, which is passed over. */
static uint64_t parse_number(const char **at, int base, char end, bool *good)
{
    char *behind;
    uint64_t number = strtoull(*at, &behind, base);
    *good &= isxdigit((unsigned char)**at) && *behind == end;
    *at = *good ? behind + 1 : *at;
    return number;
}

/* "FROM-TO PERM OFFSET MAJOR:MINOR INODE   NAME"; false for any other line. */
static bool parse_entry(const char *line, struct entry *e)
{
    bool good = true;
    *e = (struct entry){0};
    e->from = parse_number(&line, 16, '-', &good);
    e->to = parse_number(&line, 16, ' ', &good);
    if (!good || strspn(line, "rwxps-") != 4 || line[4] != ' ')
        return false;
    memcpy(e->perms, line, 4);
    line += 5;
    e->offset = parse_number(&line, 16, ' ', &good);
    e->major = (unsigned)parse_number(&line, 16, ':', &good);
    e->minor = (unsigned)parse_number(&line, 16, ' ', &good);
    e->ino = parse_number(&line, 10, ' ', &good);
    e->name = line + strspn(line, " ");
    return good && e->from < e->to;
}

static bool inside(uint64_t from, uint64_t to, uint64_t low, uint64_t high)
{
    return low <= from && to <= high;
}

/* Pages of a program's code that were changed are mappings of their own to the kernel. */
static void join(struct view *v, struct entry *e)
{
    const struct entry *last = &v->last;
    if (v->joins && last->name && last->to == e->from && memcmp(last->perms, e->perms, 4) == 0 &&
        last->ino == e->ino && last->major == e->major && last->minor == e->minor &&
        last->offset + (last->to - last->from) == e->offset && strcmp(last->name, e->name) == 0) {
        v->out.size = v->last_at;
        e->offset = last->offset;
        e->from = last->from;
    }
    v->last = *e;
    v->last_at = v->out.size;
}

/* One mapping, or the part of one that is the guest's. */
static int put_entry(struct view *v, const struct entry *whole, uint64_t from, uint64_t to)
{
    struct entry e = *whole;
    char text[PATH_MAX + 128], path[PATH_MAX];
    e.offset += e.ino != 0 ? from - e.from : 0;
    e.from = from;
    e.to = to;
    struct mapping_file file;
    if (inside(from, to, v->names.brk_start, v->names.brk_end))
        e.name = "[heap]";
    else if (inside(from, to, v->names.stack_start, v->names.stack_end))
        e.name = "[stack]";
    if (mapping_file_at(from, &file, path, sizeof path)) {
        e.offset = file.offset;
        e.ino = file.ino;
        e.major = major(file.device), e.minor = minor(file.device);
        e.name = path;
    }
    if (e.ino != 0 && e.name != path)
        join(v, &e);
    else
        v->last = (struct entry){0};
    int n = snprintf(text, sizeof text,
                     "%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " %02x:%02x %" PRIu64 " ", e.from,
                     e.to, e.perms, e.offset, e.major, e.minor, e.ino);
    if (e.name[0] != '\0')
        (void)snprintf(text + n, sizeof text - (size_t)n, "%*s%s", MAX(NAME_COLUMN - n, 0), "",
                       e.name);
    int r = buf_append_text(&v->out, text);
    return r == 0 ? buf_append_byte(&v->out, '\n') : r;
}

static bool is_kernels(const char *name)
{
    return strncmp(name, "[v", 2) == 0; /* vdso, vvar, vvar_vclock, vsyscall */
}

static int filter_entry(struct view *v, const struct entry *e)
{
    v->keeps = is_kernels(e->name);
    if (v->keeps)
        return put_entry(v, e, e->from, e->to);
    int r = 0;
    const uint64_t *range;
    for (uint64_t at = e->from; r == 0 && (range = range_at(v, at)) && range[0] < e->to;
         at = range[1]) {
        v->keeps = true;
        r = put_entry(v, e, MAX(e->from, range[0]), MIN(e->to, range[1]));
    }
    return r;
}

/* A line of numa_maps begins with where the mapping does; it has no end. */
static bool numa_is_guests(const struct view *v, const char *line)
{
    char *end;
    uint64_t at = strtoull(line, &end, 16);
    const uint64_t *range = range_at(v, at);
    return end != line && range && range[0] <= at;
}

static bool begins_with_range(const char *line)
{
    return line[strspn(line, "0123456789abcdefABCDEF")] == '-';
}

static int filter_line(struct view *v, const char *what, const char *line)
{
    struct entry e;
    if (strcmp(what, "numa_maps") == 0)
        v->keeps = numa_is_guests(v, line);
    else if (parse_entry(line, &e))
        return filter_entry(v, &e);
    else if (begins_with_range(line)) /* cut, or no kernel's: it belongs to nothing that is shown */
        v->keeps = false;
    if (!v->keeps)
        return 0;
    int r = buf_append_text(&v->out, line);
    return r == 0 ? buf_append_byte(&v->out, '\n') : r;
}

static int read_whole(const char *what, struct buf *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/%s", what);
    int fd = host_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    ssize_t n = 1;
    while (n > 0 && text->size < TEXT_MAX) {
        uint8_t *room = buf_reserve(text, 16 << 10);
        n = room ? host_pread(fd, room, 16 << 10, text->size) : -ENOMEM;
        text->size += n > 0 ? (size_t)n : 0;
    }
    host_close(fd);
    return n < 0 ? (int)n : buf_append_byte(text, '\0');
}

static int filter(const char *what, struct buf *ret_out)
{
    struct ranges_seen seen = {0};
    struct buf text = {0};
    struct view v = {.joins = strcmp(what, "maps") == 0};
    int r = read_whole(what, &text);
    if (memory_each && memory_names) {
        memory_each(note_range, &seen);
        memory_names(&v.names);
    }
    v.pairs = (const uint64_t *)(const void *)seen.buf.bytes;
    v.count = seen.buf.size / (2 * sizeof(uint64_t));
    char *rest = r == 0 && !seen.failed ? (char *)text.bytes : NULL, *line;
    while (r == 0 && rest && (line = strsep(&rest, "\n")) && (rest || *line))
        r = filter_line(&v, what, line);
    buf_done(&text);
    buf_done(&seen.buf);
    *ret_out = v.out;
    return seen.failed ? -ENOMEM : r;
}

int64_t proc_memory_open(const char *what, int flags)
{
    struct buf out = {0};
    int r = filter(what, &out);
    int64_t fd = r == 0 ? proc_text_open(what, slice_of(out.bytes, out.size), flags) : r;
    buf_done(&out);
    return fd;
}
