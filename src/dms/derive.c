/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/derive.h"

#include "base/log.h"
#include "dms/jpeg_size.h"
#include "dms/store_derived.h"
#include "dms/store_internal.h"
#include "dms/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define S ((uint64_t)1000000000)
#define TEXT_SIZE_MAX EXTRACT_SIZE_MAX
#define PICTURE_SIZE_MAX ((size_t)128 << 10)
#define INPUT_SIZE_MAX ((int64_t)256 << 20)
#define COPY_SIZE_MAX ((int64_t)8 << 20)
#define MEMORY_MAX ((size_t)1 << 30) /* of addresses; pdftotext holds its input */
enum { LOOKED_AT_ONCE = 100, CPU_S = 15, TIME_S = 30 };

#define THUMBNAIL_SIZE "320"

static const struct {
    const char *program;
    const char *argv[10];
    bool is_text;
} tools[DERIVED_KIND_COUNT] = {
    [DERIVED_PDF_TEXT] = {"pdftotext",
                          {"pdftotext", "-q", "-enc", "UTF-8", "-nopgbrk", "-", "-"},
                          true},
    [DERIVED_PDF_THUMBNAIL] = {"pdftoppm",
                               {"pdftoppm", "-q", "-f", "1", "-l", "1", "-scale-to", THUMBNAIL_SIZE,
                                "-jpeg", "-"},
                               false},
    [DERIVED_IMAGE_THUMBNAIL] = {"vipsthumbnail",
                                 {"vipsthumbnail", "stdin", "-s",
                                  THUMBNAIL_SIZE "x" THUMBNAIL_SIZE ">", "-o",
                                  ".jpg[Q=80,strip,background=255]"},
                                 false},
};

struct derive {
    struct dms *dms;
    char *paths[DERIVED_KIND_COUNT];
    unsigned kinds; /* bits: what can be made */
    int confinement_fd;
    struct loop_task task;
    struct tool *tool; /* at work */
    int64_t content;
    enum derived_kind kind;
};

static void tools_find(struct derive *derive, const char *directory, bool *ret_missing)
{
    *ret_missing = false;
    for (int kind = 0; kind < DERIVED_KIND_COUNT; kind++) {
        if (!tools[kind].program)
            continue;
        if (asprintf(&derive->paths[kind], "%s/%s", directory, tools[kind].program) < 0)
            derive->paths[kind] = NULL;
        if (derive->paths[kind] && access(derive->paths[kind], X_OK) == 0)
            derive->kinds |= 1U << kind;
        else
            *ret_missing = true;
    }
}

static void confine(struct derive *derive, const char *directory, bool unconfined)
{
    int r = tool_confinement(directory, &derive->confinement_fd);
    if (r == 0)
        return;
    if (!unconfined) {
        derive->kinds = 0;
        LOG_NOTICE("no text of PDF and no thumbnails: programs that read contents cannot be "
                   "confined here; --tools-unconfined runs them all the same",
                   LOG_INT("error", -r));
        return;
    }
    LOG_WARNING("programs that read contents run with limits, but not confined",
                LOG_INT("error", -r));
}

int derive_new(struct dms *dms, const char *directory, bool unconfined, struct derive **ret_derive)
{
    struct derive *derive = calloc(1, sizeof *derive);
    bool missing = false;
    if (!derive)
        return -ENOMEM;
    derive->dms = dms;
    derive->confinement_fd = -1;
    if (*directory)
        tools_find(derive, directory, &missing);
    if (missing)
        LOG_NOTICE("no text of PDF or no thumbnails: install poppler-utils and libvips-tools",
                   LOG_TEXT("directory", directory));
    if (derive->kinds)
        confine(derive, directory, unconfined);
    *ret_derive = derive;
    return 0;
}

void derive_free(struct derive *derive)
{
    if (!derive)
        return;
    tool_stop(derive->tool);
    loop_defer_stop(derive->dms->loop, &derive->task);
    if (derive->confinement_fd >= 0)
        (void)close(derive->confinement_fd);
    for (int kind = 0; kind < DERIVED_KIND_COUNT; kind++)
        free(derive->paths[kind]);
    free(derive);
}

/* A failure here is one of the database, which the next content may find gone. */
static void made(struct derive *derive, struct slice result, int width, int height)
{
    int r = derived_set(derive->dms->store, derive->content, derive->kind, result, width, height);
    if (r < 0) {
        derive->dms->store->to_derive = false;
        LOG_WARNING("what was made of a content could not be stored", LOG_INT("error", -r));
    }
    dms_commit_later(derive->dms);
}

static void on_end(void *arg, enum tool_end end, struct slice output)
{
    struct derive *derive = arg;
    int width = 0, height = 0;
    derive->tool = NULL;
    bool good = tools[derive->kind].is_text
                    ? end == TOOL_DONE || end == TOOL_LARGE
                    : end == TOOL_DONE && jpeg_size(output, &width, &height) == 0;
    metric_add(&derive->dms->metrics[good ? DMS_DERIVED : DMS_DERIVED_FAILED], 1);
    if (!good)
        LOG_DEBUG("nothing is made of a content", LOG_TEXT("program", tools[derive->kind].program),
                  LOG_INT("content", derive->content), LOG_INT("end", end));
    made(derive, good ? output : slice_of("", 0), width, height);
}

static void next(void *arg);

/* A small content as a file without a name. */
static int memory_file(struct slice bytes)
{
    int fd = memfd_create("content", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, bytes.bytes, bytes.size) == (ssize_t)bytes.size)
        return fd;
    (void)close(fd);
    return -ENOMEM; /* not the content's fault: it is tried again */
}

/* The same of a file. Under the runtime a program that has a file on the volume open has a way to the
 * volume, whatever its rules say; one that has a copy has none. */
static int memory_copy(int fd, int64_t size)
{
    int copy = memfd_create("content", MFD_CLOEXEC);
    off_t at = 0;
    while (copy >= 0 && at < size && sendfile(copy, fd, &at, (size_t)(size - at)) > 0)
        ;
    if (copy < 0 || at == size)
        return copy < 0 ? -errno : copy;
    (void)close(copy);
    return -EIO;
}

/* Larger ones are given as they are: a copy would cost more memory than the program. */
static int file_open(int fd, int64_t size)
{
    int copy = size <= COPY_SIZE_MAX ? memory_copy(fd, size) : fd;
    if (copy != fd)
        (void)close(fd);
    return copy;
}

static int input_open(struct derive *derive)
{
    SCOPED(buf_done) struct buf bytes = {0};
    int fd = -1;
    int64_t size = 0;
    int r = content_load(derive->dms->store, derive->content, &bytes, &fd, &size);
    if (r < 0)
        return r;
    if (size <= INPUT_SIZE_MAX)
        return fd >= 0 ? file_open(fd, size) : memory_file(buf_slice(&bytes));
    if (fd >= 0)
        (void)close(fd);
    return -EFBIG;
}

/* A program that cannot be started is not tried again before the next start, and its contents wait. */
static void begin(struct derive *derive, int fd)
{
    const struct tool_order order = {
        .path = derive->paths[derive->kind],
        .argv = tools[derive->kind].argv,
        .input_fd = fd,
        .confinement_fd = derive->confinement_fd,
        .size_max = tools[derive->kind].is_text ? TEXT_SIZE_MAX : PICTURE_SIZE_MAX,
        .memory_max = MEMORY_MAX,
        .cpu_s = CPU_S,
        .time_ns = TIME_S * S,
    };
    int r = tool_start(derive->dms->loop, &order, on_end, derive, &derive->tool);
    (void)close(fd);
    if (r == 0)
        return;
    derive->kinds &= ~(1U << derive->kind);
    LOG_WARNING("a program that reads contents cannot be started",
                LOG_TEXT("program", derive->paths[derive->kind]), LOG_INT("error", -r));
    loop_defer(derive->dms->loop, &derive->task, next, derive);
}

static void next(void *arg)
{
    struct derive *derive = arg;
    struct store *store = derive->dms->store;
    int r =
        derived_next(store, derive->kinds | 1U << DERIVED_LOOK, &derive->content, &derive->kind);
    if (r < 0) { /* nothing is left, or it is tried again with the next content */
        store->to_derive = false;
        if (r != -ENOENT)
            LOG_WARNING("what is to be made of contents could not be read", LOG_INT("error", -r));
        return;
    }
    if (derive->kind == DERIVED_LOOK) {
        r = derived_look(store, LOOKED_AT_ONCE);
        if (r < 0) {
            store->to_derive = false;
            LOG_WARNING("contents could not be looked at", LOG_INT("error", -r));
        }
        dms_commit_later(derive->dms);
        return;
    }
    int fd = input_open(derive);
    if (fd == -ENOENT || fd == -EFBIG || fd == -EIO)
        made(derive, slice_of("", 0), 0, 0);
    else if (fd < 0)
        store->to_derive = false; /* no memory, no descriptors: with the next content */
    else
        begin(derive, fd);
}

void derive_kick(struct derive *derive)
{
    if (!derive || derive->tool || !derive->kinds || !derive->dms->store->to_derive)
        return;
    loop_defer(derive->dms->loop, &derive->task, next, derive);
}
