/* SPDX-License-Identifier: Apache-2.0 */
/* net/internal.h: what the files of the network shield share.
 *
 * Locks, outermost first: the gate (below), a socket's file.lock, g_net.watch_lock. None of them is
 * held while anything blocks, while guest memory is touched (but for the buffers of a read or
 * write, which were probed), or while fd.h or file_put() is called. */
#ifndef COFFER_RUNTIME_NET_INTERNAL_H
#define COFFER_RUNTIME_NET_INTERNAL_H

#include "base/handover.h"
#include "runtime/config.h"
#include "runtime/fd.h"
#include "runtime/lock.h"
#include "runtime/net/renewal.h"
#include "runtime/net/tls_conn.h"

#include <poll.h>
#include <sys/socket.h>

#define NET_TIMEOUT_NONE ((int64_t)-1)

enum net_kind {
    NET_RAW,      /* not decided yet, or plain: calls go to the host after the rules are asked */
    NET_TLS,      /* a connection, accepted or made */
    NET_LISTENER, /* what it accepts becomes NET_TLS */
    NET_HANDOVER, /* the same, but connections come from the agent */
};

struct owner_page;
struct watch;

struct net_socket {
    struct file file;
    enum net_kind kind;
    const struct runtime_net_rule *rule; /* of TLS, LISTENER, HANDOVER */
    int64_t receive_timeout_ns, send_timeout_ns;
    bool read_shut;
    bool resets;     /* SO_LINGER without time: close() is to cut the connection */
    bool corked;     /* TCP_CORK: small writes wait for each other */
    bool has_corked; /* on the list of cork.c */
    struct net_socket *next_corked;
    int64_t handshake_until_ns; /* 0: not on the list of handshake.c */
    struct net_socket *earlier_handshake, *later_handshake;
    int low_water; /* SO_RCVLOWAT, in bytes of plaintext; 0: never set */

    /* TLS: under file.lock, inside the gate */
    struct tls_conn *tls;    /* NULL until claimed */
    bool claimed;            /* this process does the TLS */
    bool foreign;            /* another one does */
    _Atomic uint32_t *owner; /* shared with other processes since a fork; NULL: ours alone */
    struct owner_page *owner_page;
    bool handed_over;
    uint64_t handover_id;

    /* HANDOVER: what the guest believes to have bound */
    struct sockaddr_storage name;
    socklen_t name_size;
    bool listening;

    struct watch *watches;              /* under watch_lock */
    struct net_socket *next, *previous; /* all sockets; under list_lock */
};

struct net_state {
    const struct runtime_config *config;
    bool has_destinations;  /* some rule makes an outgoing connection TLS */
    bool has_tls;           /* some rule makes any connection TLS */
    bool sees_names;        /* Unix sockets may have names on volumes */
    lock_word context_lock; /* protects: contexts */
    struct tls_context *contexts[RUNTIME_NET_RULES_MAX]; /* by rule, made at first use */
    lock_word list_lock;                                 /* protects: sockets; a leaf */
    struct net_socket *sockets;
    lock_word watch_lock; /* protects: every struct watch, watches of sockets, epoll files' lists */
    uint64_t mark;        /* see watch.h */
    int handover_fd;      /* hidden; -1: none */
    int drain_pid;        /* who listens on it, and gets SIGTERM */
    bool draining;
    struct handover_status *status; /* the agent's page, or one of our own */
};

extern struct net_state g_net;
extern const struct file_ops net_socket_ops;

/* --- the gate: while a fork is under way no thread is inside OpenSSL (net/gate.c) ------------- */

void gate_enter(void);
void gate_leave(void);
must_check int gate_init(void);

/* Under list_lock: a socket no longer uses its word. */
void owner_page_put(struct owner_page *page);

/* Gate and the socket's lock. */
void socket_lock(struct net_socket *s);
void socket_unlock(struct net_socket *s);

/* --- sockets (net/socket.c) ------------------------------------------------------------------ */

/* A socket whose later calls must be seen: one that may become TLS, or may send anywhere. */
must_check bool socket_must_see(int domain, int type);

/* A new one with one reference; NULL without memory. */
must_check struct net_socket *socket_new(enum net_kind kind, const struct runtime_net_rule *rule,
                                         int flags);

/* A reference, unless the last one has gone. */
must_check bool socket_try_get(struct net_socket *s);

/* The socket behind a guest descriptor with a reference, or NULL if it is something else. */
must_check struct net_socket *socket_get(int fd);
void socket_put(struct net_socket *s);
void socket_putp(struct net_socket **s);

/* Under the lock: makes the connection this process's. 0, -EIO (another's) or -ENOMEM. */
must_check int socket_claim(struct net_socket *s);

/* Under the lock, after TLS was done: keeps counters and watches right. `was` is what
 * socket_before() said before. */
struct socket_was {
    bool established, failed;
};
struct socket_was socket_before(const struct net_socket *s);
void socket_after(struct net_socket *s, struct socket_was was, bool write_blocked);

/* TLS_* bits, doing what the socket allows; a foreign connection has failed. Under the lock. */
unsigned socket_advance(struct net_socket *s);

/* Waits at the host until `events` hold or the deadline (net_now_ns(); negative: none) has
 * passed. 0, -EAGAIN (too late), or a signal's code as a restartable call gives it. */
must_check int64_t socket_wait(struct net_socket *s, short events, int64_t deadline_ns);

/* The monotonic clock, through the vDSO: waits ask for it each time, and a system call for that would
 * be one in four of a busy server's. The host may lie, as about all time. */
int64_t net_now_ns(void);
int64_t deadline_after(int64_t timeout_ns);

int64_t net_socket_read(struct file *f, const struct iovec *iov, int count, int64_t offset,
                        int flags);
int64_t net_socket_write(struct file *f, const struct iovec *iov, int count, int64_t offset,
                         int flags);

/* --- rules (net/rules.c) --------------------------------------------------------------------- */

must_check int rules_check(const struct runtime_config *config, struct error *e);

/* The port of an internet address; -1 for other families. */
int address_port(const struct sockaddr_storage *address, socklen_t size);

/* Which rule decides; -EACCES (said in the log) if none and there is a policy, or if it denies.
 * *ret_rule is NULL where the host decides. */
must_check int rules_for_listen(int port, enum net_protocol protocol,
                                const struct runtime_net_rule **ret_rule);
must_check int rules_for_destination(const struct sockaddr_storage *address, socklen_t size,
                                     bool stream, const struct runtime_net_rule **ret_rule);

/* A Unix socket's own name, or where it connects or sends. 0 or -EACCES; what has no name is free. */
must_check int rules_for_unix(const struct sockaddr_storage *address, socklen_t size, bool listen);

/* The same without a word in the log, and whoever has a policy: NULL if no rule fits. */
must_check const struct runtime_net_rule *
rules_find_destination(const struct sockaddr_storage *address, socklen_t size, bool stream);

/* May such a socket be made at all? 0 or -EACCES. */
must_check int rules_for_socket(int domain, int type, int protocol);

/* The TLS context of a rule, made at first use, and again when its files have changed; the caller
 * frees this reference. The error has been logged. */
must_check int rules_context(const struct runtime_net_rule *rule, struct tls_context **ret_context);

/* --- hand-over (net/handover.c) --------------------------------------------------------------- */

must_check int handover_init(const struct runtime_config *config, struct error *e);

/* The guest listens on `fd`, which becomes the hand-over socket. 0 or -errno. */
must_check int handover_listen(struct net_socket *s, int fd);

/* The next connection's descriptor and id. -EAGAIN: none now (or draining). */
must_check int handover_accept(int fd, bool close_on_exec, uint64_t *ret_id);

/* One message from the agent: 0, or -EBADMSG if it is none that an agent sends. */
must_check int handover_parse(struct slice bytes, struct handover_message *ret_message);

void handover_begun(uint64_t id);
void handover_closed(uint64_t id);
void handover_returned(uint64_t id);

/* --- sockets from and for other processes (net/adopt.c) -------------------------------------- */

/* Before the guest's first instruction: what it inherits. */
void adopt_inherited(void);

/* The control data of a message that is about to leave, at a guest's address: 0, -EPERM (said in the
 * log), -EFAULT, -ENOBUFS or -ENOMEM. */
must_check int adopt_check_sent(unsigned long control, size_t size);

/* The control data of a message that came: its sockets get their shields. 0 or as above. */
must_check int adopt_received(unsigned long control, size_t size);

/* --- exec (net/exec.c) ------------------------------------------------------------------------- */

/* Puts back what net_exec_restore() was given. 0, -EBADMSG or -ENOMEM. */
must_check int exec_resume(void);

/* --- what is still to be sent when a socket is closed (net/linger.c) -------------------------- */

/* Takes over the connection (always) on a duplicate of `fd` if something is left to send. */
void linger_add(struct tls_conn *tls, int fd);

/* Sends what can be sent. How long a wait may take at most before calling again; negative: any. */
int64_t linger_turn(void);
void linger_finish(int64_t timeout_ns);
void linger_after_fork(void);

/* --- handshakes that take too long (net/handshake.c) ------------------------------------------ */

extern int64_t g_handshake_limit_ns; /* tests make it small */

/* A connection is there, before anybody else can find it, or under its lock; the handshake is done, or has
 * failed, or the socket goes away. */
void handshake_begins(struct net_socket *s);
void handshake_is_over(struct net_socket *s);

/* Ends those that are late: ETIMEDOUT. As linger_turn(). And: both, for who waits for the guest. */
int64_t handshake_turn(void);
int64_t net_turn(void);
void handshake_after_fork(void);

/* --- small writes that wait for more (net/cork.c) --------------------------------------------- */

/* Under the lock, after a write: keeps the list right. */
void cork_note(struct net_socket *s);

/* Sends what waits on this socket. */
void cork_flush(struct net_socket *s);

/* Sends what waits on any socket: the guest is about to wait for something. */
void cork_flush_all(void);

/* The socket is going away. */
void cork_forget(struct net_socket *s);
void cork_after_fork(void);

/* --- epoll (net/watch.c, net/epoll.c) --------------------------------------------------------- */

/* Under the socket's lock: the connection's state changed. `received`: bytes may have been taken off
 * the host's socket, so an edge the host has promised may never come; `may_write`: a writer that was
 * told to wait may go on, or will. */
void watches_update(struct net_socket *s, bool took_edge, bool owes_out);

/* The socket is going away, or is another kind of socket now. */
void watches_drop(struct net_socket *s);

#endif
