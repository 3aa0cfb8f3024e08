/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define KERNEL_KIB_PER_THREAD 28 /* 16 of stack, about 12 of task, signal and vector state */
#define FIELD_MAX ((int64_t)1 << 40)

static int number_parse(struct slice line, int64_t *ret_number)
{
    size_t at = 0;
    int64_t number = 0;
    while (at < line.size && (line.bytes[at] == ' ' || line.bytes[at] == '\t'))
        at++;
    if (at == line.size || line.bytes[at] < '0' || line.bytes[at] > '9')
        return -ERANGE;
    for (; at < line.size && line.bytes[at] >= '0' && line.bytes[at] <= '9'; at++) {
        number = number * 10 + (line.bytes[at] - '0');
        if (number >= FIELD_MAX)
            return -ERANGE;
    }
    *ret_number = number;
    return 0;
}

int memory_field_parse(struct slice text, const char *name, int64_t *ret_kib)
{
    size_t name_size = strlen(name);
    while (text.size > 0) {
        const uint8_t *newline = memchr(text.bytes, '\n', text.size);
        size_t size = newline ? (size_t)(newline - text.bytes) : text.size;
        if (size > name_size && memcmp(text.bytes, name, name_size) == 0 &&
            text.bytes[name_size] == ':')
            return number_parse(slice_of(text.bytes + name_size + 1, size - name_size - 1),
                                ret_kib);
        size = MIN(size + 1, text.size);
        text = slice_of(text.bytes + size, text.size - size);
    }
    return -ENOENT;
}

static int proc_read(const char *path, char *text, size_t size, struct slice *ret_text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, size);
    int r = n < 0 ? -errno : 0;
    close(fd);
    if (r == 0)
        *ret_text = slice_of(text, (size_t)n);
    return r;
}

static int private_read(int pid, int64_t *ret_kib)
{
    char path[64], text[8192];
    struct slice file = {0};
    int64_t clean = 0, dirty = 0, huge = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    int r = proc_read(path, text, sizeof text, &file);
    if (r == 0)
        r = memory_field_parse(file, "Private_Clean", &clean);
    if (r == 0)
        r = memory_field_parse(file, "Private_Dirty", &dirty);
    if (r == 0 && memory_field_parse(file, "Private_Hugetlb", &huge) < 0)
        huge = 0;
    if (r == 0)
        *ret_kib = clean + dirty + huge;
    return r;
}

int memory_of_process(int pid, struct memory *ret_memory)
{
    char path[64], text[8192];
    struct slice file = {0};
    struct memory memory = {0};
    int64_t tables = 0, threads = 0;

    memory.is_estimate = private_read(pid, &memory.private_kib) < 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    int r = proc_read(path, text, sizeof text, &file);
    if (r == 0 && memory.is_estimate)
        r = memory_field_parse(file, "RssAnon", &memory.private_kib);
    if (r == 0)
        r = memory_field_parse(file, "VmPTE", &tables);
    if (r == 0)
        r = memory_field_parse(file, "Threads", &threads);
    memory.kernel_kib = tables + threads * KERNEL_KIB_PER_THREAD;
    if (r == 0)
        *ret_memory = memory;
    return r;
}

uint64_t memory_available(void)
{
    char text[4096];
    struct slice file = {0};
    int64_t kib = 0;
    if (proc_read("/proc/meminfo", text, sizeof text, &file) < 0 ||
        memory_field_parse(file, "MemAvailable", &kib) < 0)
        return UINT64_MAX;
    return (uint64_t)kib << 10;
}
