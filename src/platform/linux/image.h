/* SPDX-License-Identifier: Apache-2.0 */
/* platform/linux/image.h: a process as libc's start left it, to begin others from.
 *
 * Nearly all of what a host exec of a static program costs is the start of its libc, which asks the
 * processor for its features some forty times, and each is a trap in a virtual machine. A parent that
 * executes the same program again and again lets one child put its memory, as it is when main()
 * begins, into a memfd. Later ones map that (copy on write) at the same addresses instead, and go on
 * at main(): the state of libc is then what a child of fork() would have. Processes of one family
 * share the addresses of the program and of libc's heap by that, as those of fork() do; stacks and
 * everything mapped later lie elsewhere in each.
 *
 * Trust: the memfd is sealed and comes from the parent; it holds no secret but libc's canary. Whatever
 * does not fit (an address that is taken, a kernel that refuses) leaves the ordinary start.
 *
 * Only in coffer-runtime, whose entry point is image_entry; declared weak where others link the caller. */
#ifndef COFFER_PLATFORM_LINUX_IMAGE_H
#define COFFER_PLATFORM_LINUX_IMAGE_H

#include "base/macros.h"

#include <stdbool.h>

/* argv of a program that may begin from an image: NAME, IMAGE_FLAG, anything, the memfd's number. */
#define IMAGE_FLAG "--continue-from"
#define IMAGE_ARGC 4

/* First thing in main(): fills the empty memfd and seals it. 0 or -errno. */
must_check int image_make(int fd);

/* What was told to PR_SET_MM_MAP when this process began from an image; false: it did not. */
struct prctl_mm_map;
bool image_mm(struct prctl_mm_map *ret);

/* Has image_make() finished on it? */
must_check bool image_is_ready(int fd);

#endif
