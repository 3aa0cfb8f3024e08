/* SPDX-License-Identifier: Apache-2.0 */
/* net/watch.h: what an epoll instance of the guest's wants to know of a shielded socket.
 *
 * The guest's epoll descriptor stays the host's. A plain descriptor in it is registered as the guest
 * said. For a shielded one the host's data is a mark that leads to a struct watch, which holds the
 * guest's events and data, and what the host is asked for is what TLS needs. Plaintext that the host
 * knows nothing of puts its watch on the instance's ready list, which epoll_wait() looks at first.
 *
 * Level-triggered: the watch stays listed as long as something is there. Edge-triggered: the host's
 * edges are passed on if they brought something for the guest; an edge the host owes but may not
 * deliver, because the runtime has taken the bytes already, is listed (edge_in), and so is the one
 * that a writer waits for (edge_out). Everything here is under g_net.watch_lock. */
#ifndef COFFER_RUNTIME_NET_WATCH_H
#define COFFER_RUNTIME_NET_WATCH_H

#include "runtime/net/internal.h"

#include <sys/epoll.h>

struct epoll_file {
    struct file file;
    struct watch **slots;
    uint32_t slot_count;
    uint32_t slot_hint; /* none below is free */
    struct watch *ready, *ready_last;
    uint32_t ready_count;
    uint32_t waiting; /* threads in the host's epoll_wait, or about to be */
    int wake_fd;      /* hidden eventfd that ends such a wait; -1: not needed yet */
    bool outside;     /* somebody waits for this descriptor itself, at the host: in poll() or in
                       * another instance. wake_fd is then readable while the list has something */
    bool wake_set;
};

struct watch {
    struct epoll_file *epoll; /* NULL: dropped */
    struct net_socket *socket;
    int fd;
    uint32_t slot;
    uint32_t generation;
    uint32_t references;
    uint32_t events; /* as the guest gave them */
    uint64_t data;
    uint32_t host_events;
    bool disabled; /* EPOLLONESHOT has fired */
    bool edge_in, edge_out;
    bool listed;
    struct watch *next_of_socket;
    struct watch *next, *previous; /* ready list */
};

extern const struct file_ops epoll_file_ops;

/* Is a shielded socket in this instance? */
bool epoll_has_watches(struct file *f);

/* Marks: the upper bits are random and no user address has them, so no program's own data is one. */
#define WATCH_SLOT_BITS 20
#define WATCH_SLOT_MAX ((1u << WATCH_SLOT_BITS) - 2)
#define WATCH_SLOT_WAKE ((1u << WATCH_SLOT_BITS) - 1)
#define WATCH_GENERATION_MASK 0xfffu

uint64_t watch_mark(uint32_t slot, uint32_t generation);
bool watch_is_mark(uint64_t data);

/* All under the lock. */
void epoll_watched(struct epoll_file *ep); /* its descriptor is waited for from now on */
void epoll_settle(struct epoll_file *ep);  /* after watches were unlisted */
void watch_list(struct watch *w);          /* onto the ready list, at its end; wakes a waiter */
void watch_unlist(struct watch *w);
void watch_armed(struct watch *w); /* added or modified: whatever holds counts as a change; also
                                    * needs the socket's lock */
uint32_t watch_host_events(const struct watch *w); /* also needs the socket's lock */
long watch_tell_host(struct watch *w, int operation);
void watch_drop(struct watch *w); /* out of both lists; memory goes with the last reference */
void watch_put(struct watch *w);
must_check struct watch *watch_find(struct epoll_file *ep, const struct net_socket *s, int fd);
must_check struct watch *watch_of_mark(struct epoll_file *ep, uint64_t mark);
must_check int watch_add(struct epoll_file *ep, struct net_socket *s, int fd,
                         const struct epoll_event *event);

/* Says what to tell the guest now, if anything. `from_host`: the host has just reported `host`. */
must_check bool watch_judge(struct watch *w, unsigned bits, uint32_t host, bool from_host,
                            struct epoll_event *ret_event);

/* What of the watch's events holds, given TLS_* bits and what the host said. */
uint32_t watch_ready(const struct watch *w, unsigned bits, uint32_t host);

#endif
