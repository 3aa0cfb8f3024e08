/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/loader/image.h: an open program file, at the host or behind the file shield. */
#ifndef COFFER_RUNTIME_LOADER_IMAGE_H
#define COFFER_RUNTIME_LOADER_IMAGE_H

#include "base/macros.h"
#include "runtime/loader/elf.h"

#include <sys/types.h>

struct file;

struct image {
    int fd;            /* a host descriptor of ours, or -1 */
    struct file *file; /* or a shielded file, one reference */
    uint64_t size;
};

/* Where to find a program. */
struct image_place {
    const char *path; /* as the program will know it; AT_EXECFN */
    int fd;           /* >= 0: the program is behind this descriptor of the guest, */
    const char *rest; /* or, if this is not NULL, at this path from there */
    bool no_follow;   /* a link at the end is -ELOOP */
};

/* Opens a regular file that may be executed. 0 or -errno as execve(2). */
must_check int image_open(const struct image_place *place, struct image *ret_image);
/* 0, or -ETXTBSY if somebody has it open for writing and the host says so. */
must_check int image_check_writers(const struct image *image);
void image_done(struct image *image);

/* elf_read_fn over an image. */
must_check int image_read(void *image, uint64_t offset, void *bytes, size_t size);

/* As much as there is, up to `size`. */
must_check ssize_t image_read_some(const struct image *image, uint64_t offset, void *bytes,
                                   size_t size);

/* Maps the segments of `elf`; *ret_base is what to add to its addresses. */
must_check int image_map(const struct image *image, const struct elf *elf, uint64_t wanted_base,
                         uint64_t *ret_base);

#endif
