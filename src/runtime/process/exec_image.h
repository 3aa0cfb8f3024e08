/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/process/exec_image.h: the image that the runtimes of this family begin from when a child of
 * vfork() executes a program (platform/linux/image.h). Made by the second such child, because one alone
 * would not win what it costs. Where there is none the ordinary way is taken, and nothing fails. */
#ifndef COFFER_RUNTIME_PROCESS_EXEC_IMAGE_H
#define COFFER_RUNTIME_PROCESS_EXEC_IMAGE_H

#include <stdbool.h>

enum exec_image_use {
    EXEC_IMAGE_NONE,
    EXEC_IMAGE_MAKE,  /* the new runtime is to make it */
    EXEC_IMAGE_BEGIN, /* the new runtime begins from it */
};

/* In a parent, before each vfork(). */
void exec_image_prepare(void);

/* In a child of vfork(), before its host exec: what the new runtime does, and the descriptor, which stays
 * open across the exec; else exec_image_release() undoes it. */
enum exec_image_use exec_image_take(int *ret_fd);
void exec_image_release(enum exec_image_use use, int fd);

/* In the new runtime: its own children begin from it too. */
void exec_image_adopt(int fd);

#endif
