/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/journey.h: a path's walk, between place.c, which sets out, and place_walk.c, which goes; nobody
 * else's. A walk stands either at a host path (`here`, canonical: absolute, no links, no dots) or at an
 * inode of a volume. What is still to go is in `rest`. The host's readlink answers are untrusted text:
 * bounded by the buffer, and only ever resolved again. */
#ifndef COFFER_RUNTIME_VFS_JOURNEY_H
#define COFFER_RUNTIME_VFS_JOURNEY_H

#include "runtime/vfs/place.h"

struct journey {
    struct place *place;
    unsigned flags;
    unsigned links;
    bool on_volume;
    const struct mount *mount; /* of the volume we are on */
    uint32_t volume;
    uint64_t ino;
    /* Where it began: what a confined walk does not leave. */
    bool root_on_volume;
    uint32_t root_volume;
    uint64_t root_ino;
    uint64_t host_mount; /* with PLACE_NO_XDEV, the host's number of it */
    size_t here_size;
    size_t root_size;
    char root[PATH_MAX]; /* if it is the host's */
    char here[PATH_MAX]; /* "" is the root */
    char *rest;          /* within buffer */
    char buffer[2 * PATH_MAX];
};

/* Goes to the end of `rest`, and fills j->place. 0 or -errno. */
must_check int journey_travel(struct journey *j);

/* What the rules say of the host path `here`: fills j->place. 1, or -errno. */
must_check int journey_classify(struct journey *j);

/* The host's number of the mount that a host path is on; 0: it does not say. */
uint64_t journey_host_mount(const char *path);

/* A process's memory as a file: /proc/PID/mem, /proc/PID/task/TID/mem, /proc/PID/map_files/... */
bool journey_is_memory(const char *path);

#endif
