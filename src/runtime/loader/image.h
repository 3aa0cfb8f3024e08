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

/* Opens a regular file that may be executed. 0 or -errno as execve(2). `fd` >= 0: that descriptor
 * of the guest is the program and `path` only its name. */
must_check int image_open(const char *path, int fd, struct image *ret_image);
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
