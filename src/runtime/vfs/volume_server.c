/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/volume_server.h"

#include "base/log.h"
#include "platform/host.h"
#include "runtime/fd_table.h"
#include "runtime/vfs/mapping.h"
#include "runtime/vfs/stand_in.h"
#include "runtime/vfs/write_behind.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 3
#define ORPHAN_PATIENCE_MS 2000
#define HELPER_STACK_SIZE ((size_t)128 << 10)
#define WORKER_STACK_SIZE ((size_t)256 << 10)

/* runtime/memory/memory.h, where it is linked in. */
__attribute__((weak)) void memory_release_guest(void);
__attribute__((weak)) void memory_fork_done(void);
__attribute__((weak)) void sites_fork_done(void);
/* runtime/process/process.h: the hidden duplicate of standard error. */
__attribute__((weak)) int process_stderr(void);

struct server {
    struct owner *owner;
    struct ring *ring;
    int parent_pid;
    int change_fd;         /* eventfd: the set of clients has changed */
    struct ring_spin spin; /* the leader's */
    bool apart;            /* the leader's: the last client was on another processor */
    pthread_mutex_t lock;  /* protects: pidfds, client_count */
    int pidfds[OWNER_CLIENTS_MAX];
    uint32_t serials[OWNER_CLIENTS_MAX]; /* counts who has had this number: a late word of a
                                          * death must not end the next */
    uint32_t parents[OWNER_CLIENTS_MAX];
    bool orphans[OWNER_CLIENTS_MAX]; /* the parent died before it said who this is */
    unsigned client_count;
    _Atomic bool push_wanted; /* something has changed since the last owner_push() */
    int64_t push_at_ns;       /* when that is due; 0: not thought of. Of the thread that waits */
};

LARGE_TABLE static struct server g_server;

/* --- clients --- */

static void note_change(struct server *s)
{
    uint64_t one = 1;
    (void)!write(s->change_fd, &one, sizeof one);
}

/* Takes back the slots of a client that is gone. False while one of them is being served: its
 * files must not be closed under the hand that uses them. */
static bool slots_are_quiet(struct server *s, uint32_t client, uint32_t serial)
{
    bool quiet = true;
    pthread_mutex_lock(&s->lock);
    if (s->serials[client] != serial) {
        pthread_mutex_unlock(&s->lock);
        return true;
    }
    for (unsigned i = 0; i < RING_SLOTS; i++) {
        struct ring_slot *slot = &s->ring->slots[i];
        int state = atomic_load(&slot->state);
        if (SLOT_STATE(state) == SLOT_FREE || SLOT_CLIENT(state) != client)
            continue;
        if (SLOT_STATE(state) == SLOT_SERVING ||
            !atomic_compare_exchange_strong(&slot->state, &state, SLOT_FREE)) {
            quiet = false;
            continue;
        }
        atomic_fetch_add(&s->ring->freed, 1);
        ring_wake(&s->ring->freed, INT_MAX);
    }
    pthread_mutex_unlock(&s->lock);
    return quiet;
}

#define SERIAL_ANY UINT32_MAX

/* Under the lock: it holds nothing any more. */
static void client_end(struct server *s, uint32_t client)
{
    if (s->owner->clients[client].live) {
        owner_client_end(s->owner, client);
        s->client_count--;
    }
}

/* By its own word: its number is another's only when its process is gone, or what is done with the
 * next one's slots would be done with the slot that it awaits the answer in. */
static unsigned client_leaves(struct server *s, uint32_t client)
{
    pthread_mutex_lock(&s->lock);
    client_end(s, client);
    s->owner->clients[client].leaves = s->pidfds[client] > 0;
    unsigned left = s->client_count;
    pthread_mutex_unlock(&s->lock);
    note_change(s);
    return left;
}

/* Returns how many clients are left. */
static unsigned client_gone(struct server *s, uint32_t client, uint32_t serial)
{
    pthread_mutex_lock(&s->lock);
    if (serial != SERIAL_ANY && serial != s->serials[client]) {
        pthread_mutex_unlock(&s->lock);
        return 1;
    }
    s->serials[client]++;
    client_end(s, client);
    s->owner->clients[client].leaves = false;
    if (s->pidfds[client] > 0)
        close(s->pidfds[client]);
    s->pidfds[client] = 0;
    s->orphans[client] = false;
    for (uint32_t i = 0; i < OWNER_CLIENTS_MAX; i++)
        s->orphans[i] |= s->owner->clients[i].live && s->pidfds[i] == 0 && s->parents[i] == client;
    unsigned left = s->client_count;
    pthread_mutex_unlock(&s->lock);
    note_change(s);
    return left;
}

static int64_t client_pid(struct server *s, struct request *rq)
{
    if (rq->handle >= OWNER_CLIENTS_MAX || rq->ino > INT_MAX)
        return -EINVAL;
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)rq->ino, 0);
    if (fd < 0) {
        client_gone(s, rq->handle, (uint32_t)rq->more); /* it is dead and buried already */
        return 0;
    }
    pthread_mutex_lock(&s->lock);
    bool current = s->serials[rq->handle] == rq->more;
    if (current && s->pidfds[rq->handle] > 0)
        close(s->pidfds[rq->handle]);
    if (current) {
        s->pidfds[rq->handle] = fd;
        s->orphans[rq->handle] = false;
    } else {
        close(fd); /* it has said goodbye, and another may have its number */
    }
    pthread_mutex_unlock(&s->lock);
    note_change(s);
    return current ? owner_execute(s->owner, rq) : 0;
}

static int64_t client_fork(struct server *s, struct request *rq)
{
    pthread_mutex_lock(&s->lock);
    int64_t r = owner_execute(s->owner, rq);
    s->client_count += r == 0;
    if (r == 0) {
        rq->more = s->serials[rq->handle];
        s->parents[rq->handle] = rq->client;
        s->orphans[rq->handle] = false;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* --- requests --- */

/* The first change since the last push: the one who waits shall not wait for ever. */
static void note_written(struct server *s)
{
    if (atomic_load_explicit(&s->owner->changed, memory_order_relaxed) &&
        !atomic_exchange(&s->push_wanted, true))
        note_change(s);
}

static int64_t execute(struct server *s, struct request *rq)
{
    switch (rq->op) {
    case REQUEST_CLIENT_FORK:
        return client_fork(s, rq);
    case REQUEST_CLIENT_PID:
        return client_pid(s, rq);
    case REQUEST_CLIENT_DROP:
        if (rq->handle >= OWNER_CLIENTS_MAX)
            return -EINVAL;
        return rq->handle == rq->client ? client_leaves(s, rq->handle)
                                        : client_gone(s, rq->handle, SERIAL_ANY);
    default:
        return owner_execute(s->owner, rq);
    }
}

/* `op` is the request's as it was judged: the client may still change the slot, and must not get a call that
 * changes something past the one worker that leads. */
static void serve(struct server *s, unsigned index, uint32_t client, uint32_t op)
{
    struct ring_slot *slot = &s->ring->slots[index];
    uint8_t *data = s->ring->data[index];
    struct request rq = slot->request;
    struct creds creds = slot->creds;
    uint8_t names[2 * REQUEST_TEXT_MAX];
    uint64_t in_size = (uint64_t)rq.in.size + rq.in2.size;
    int64_t result = -EINVAL;
    rq.op = op;
    rq.client = client;
    rq.creds = slot->has_creds ? &creds : NULL;
    if (rq.in.size <= RING_DATA_SIZE && rq.in2.size <= RING_DATA_SIZE &&
        rq.out_size <= RING_DATA_SIZE && round_up(in_size, 64) + rq.out_size <= RING_DATA_SIZE) {
        rq.in.bytes = data;
        rq.in2.bytes = data + rq.in.size;
        /* Names and links are judged: from a copy that cannot change. Data is only stored. */
        if (rq.op != REQUEST_WRITE && in_size <= sizeof names) {
            memcpy(names, data, in_size);
            rq.in.bytes = names;
            rq.in2.bytes = names + rq.in.size;
        }
        rq.out = data + round_up(in_size, 64);
        result = execute(s, &rq);
    }
    slot->request = rq;
    slot->result = result;
    atomic_store(&slot->state, SLOT_OF(SLOT_DONE, client));
    if (atomic_load(&slot->sleeping))
        ring_wake(&slot->state, 1);
    note_written(s);
}

/* One worker leads: it takes the requests and answers what takes no time, so that there is one
 * thread to wake, warm on its processor. With a slow one in its hands it lets another lead, which
 * costs nothing unless a request comes meanwhile. */
static bool lead_take(struct server *s)
{
    int away = 1;
    return atomic_compare_exchange_strong(&s->ring->away, &away, 0);
}

static void call_another(struct ring *ring)
{
    atomic_fetch_add(&ring->calls, 1);
    ring_wake(&ring->calls, 1);
}

static void lead_give(struct server *s)
{
    atomic_store(&s->ring->away, 1);
    if (atomic_load(&s->ring->pending) != 0)
        call_another(s->ring); /* who asked when we were not away yet called nobody */
}

/* False if another leads now. */
static bool serve_any(struct server *s)
{
    unsigned bits;
    while ((bits = (unsigned)atomic_load(&s->ring->pending)) != 0) {
        unsigned i = (unsigned)__builtin_ctz(bits);
        _Atomic int *word = &s->ring->slots[i].state;
        /* The bit first: whoever sets it again has written its state before. */
        atomic_fetch_and(&s->ring->pending, (int)~(1u << i));
        int now = atomic_load(word);
        uint32_t client = SLOT_CLIENT(now);
        if (SLOT_STATE(now) == SLOT_REQUESTED && client < OWNER_CLIENTS_MAX &&
            atomic_compare_exchange_strong(word, &now, SLOT_OF(SLOT_SERVING, client))) {
            s->apart = atomic_load_explicit(&s->ring->slots[i].cpu, memory_order_relaxed) !=
                       atomic_load_explicit(&s->ring->cpu, memory_order_relaxed);
            uint32_t op = __atomic_load_n(&s->ring->slots[i].request.op, __ATOMIC_RELAXED);
            bool slow = request_is_slow(op);
            if (slow)
                lead_give(s);
            serve(s, i, client, op);
            if (slow && !lead_take(s))
                return false;
        }
    }
    return true;
}

static bool spin_for_request(struct server *s)
{
    if (!ring_spin_wanted(&s->spin))
        return false;
    bool there = false;
    for (unsigned i = 0; !there && i < RING_SPINS; i++) {
        ring_pause();
        there = atomic_load_explicit(&s->ring->pending, memory_order_relaxed) != 0;
    }
    ring_spin_ended(&s->spin, there);
    return there;
}

static void follow(struct server *s)
{
    for (;;) {
        int calls = atomic_load(&s->ring->calls);
        if (atomic_load(&s->ring->pending) != 0 && lead_take(s))
            return;
        (void)host_call(SYS_futex, &s->ring->calls, 0 /* FUTEX_WAIT */, calls, 0, 0, 0);
    }
}

static void *worker_main(void *arg)
{
    struct server *s = arg;
    follow(s);
    for (;;) {
        atomic_store_explicit(&s->ring->cpu, ring_cpu(), memory_order_relaxed);
        if (!serve_any(s)) {
            follow(s);
            continue;
        }
        if (s->apart && spin_for_request(s))
            continue;
        atomic_store(&s->ring->sleeping, 1);
        if (atomic_load(&s->ring->pending) == 0)
            (void)host_call(SYS_futex, &s->ring->pending, 0 /* FUTEX_WAIT */, 0, 0, 0, 0);
        atomic_store(&s->ring->sleeping, 0);
    }
    return NULL;
}

/* --- the process --- */

/* A fork that was killed on its way: nobody will come. A child that lives says so at once. */
static void drop_orphans(struct server *s)
{
    for (uint32_t i = 0; i < OWNER_CLIENTS_MAX; i++) {
        pthread_mutex_lock(&s->lock);
        bool orphan = s->orphans[i];
        uint32_t serial = s->serials[i];
        pthread_mutex_unlock(&s->lock);
        if (orphan && slots_are_quiet(s, i, serial))
            client_gone(s, i, serial);
    }
}

static bool any_orphan(const struct server *s)
{
    for (uint32_t i = 0; i < OWNER_CLIENTS_MAX; i++)
        if (s->orphans[i])
            return true;
    return false;
}

/* The last client's farewell is answered before we go. */
static void finish_answers(struct server *s)
{
    for (unsigned i = 0; i < RING_SLOTS; i++)
        while (SLOT_STATE(atomic_load(&s->ring->slots[i].state)) == SLOT_SERVING)
            sched_yield();
}

/* Asked again under the lock: the number that was polled may have been closed and be another client's
 * by the time poll() looked at it. */
static bool has_ended(struct server *s, uint32_t client, uint32_t serial)
{
    pthread_mutex_lock(&s->lock);
    struct pollfd now = {.fd = s->pidfds[client], .events = POLLIN};
    bool ended = s->serials[client] == serial && now.fd > 0 && poll(&now, 1, 0) == 1 &&
                 (now.revents & POLLIN);
    pthread_mutex_unlock(&s->lock);
    return ended;
}

/* --- what was written goes to the host --- */

static int patience(struct server *s, bool orphans)
{
    int longest = orphans ? ORPHAN_PATIENCE_MS : -1;
    if (!atomic_load(&s->push_wanted))
        return longest;
    if (s->push_at_ns == 0)
        s->push_at_ns = host_monotonic_ns() + WRITE_BEHIND_MS * 1000000ll;
    return longest < 0 ? WRITE_BEHIND_MS : MIN(longest, WRITE_BEHIND_MS);
}

static void push_when_due(struct server *s)
{
    if (s->push_at_ns == 0 || host_monotonic_ns() < s->push_at_ns)
        return;
    s->push_at_ns = 0;
    atomic_store(&s->push_wanted, false);
    int r = atomic_exchange(&s->owner->changed, false) ? owner_push(s->owner) : 0;
    if (r < 0)
        LOG_ERROR("what was written could not be stored", LOG_INT("error", r));
}

static void wait_for_end(struct server *s)
{
    LARGE_TABLE static struct pollfd polled[OWNER_CLIENTS_MAX + 1];
    LARGE_TABLE static uint32_t clients[OWNER_CLIENTS_MAX + 1], serials[OWNER_CLIENTS_MAX + 1];
    for (;;) {
        nfds_t count = 1;
        polled[0] = (struct pollfd){.fd = s->change_fd, .events = POLLIN};
        pthread_mutex_lock(&s->lock);
        bool over = s->client_count == 0, orphans = any_orphan(s);
        for (uint32_t i = 0; i < OWNER_CLIENTS_MAX; i++) {
            if (s->pidfds[i] <= 0)
                continue;
            clients[count] = i;
            serials[count] = s->serials[i];
            polled[count++] = (struct pollfd){.fd = s->pidfds[i], .events = POLLIN};
        }
        pthread_mutex_unlock(&s->lock);
        if (over)
            return;
        bool busy = false;
        int ready = poll(polled, count, patience(s, orphans));
        push_when_due(s);
        if (ready == 0)
            drop_orphans(s);
        if (ready <= 0)
            continue;
        uint64_t changes;
        if (polled[0].revents)
            (void)!read(s->change_fd, &changes, sizeof changes);
        for (nfds_t i = 1; i < count; i++) {
            if (!(polled[i].revents & POLLIN) || !has_ended(s, clients[i], serials[i]))
                continue;
            if (slots_are_quiet(s, clients[i], serials[i]))
                client_gone(s, clients[i], serials[i]);
            else
                busy = true;
        }
        if (busy)
            sched_yield();
    }
}

static int start_workers(struct server *s)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK_SIZE);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < WORKERS; i++) {
        pthread_t thread;
        r = pthread_create(&thread, &attr, worker_main, s);
    }
    pthread_attr_destroy(&attr);
    return -r;
}

/* What the guest may not use up or write is not the server's measure. */
static void lift_limits(void)
{
    static const int resources[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_AS,
                                    RLIMIT_DATA};
    struct rlimit limit;
    for (size_t i = 0; i < ARRAY_COUNT(resources); i++) {
        if (getrlimit((__rlimit_resource_t)resources[i], &limit) < 0)
            continue;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit((__rlimit_resource_t)resources[i], &limit);
    }
}

/* Nothing of the guest stays: a pipe held open here would never end for its reader. */
static void let_go_of_guest(void)
{
    lift_limits();
    setsid();
    (void)!chdir("/");
    prctl(PR_SET_NAME, "coffer-volumes");
    (void)syscall(SYS_close_range, 0, (unsigned)fd_hidden_base() - 1, 0);
    (void)syscall(SYS_close_range, (unsigned)fd_hidden_base() + FD_HIDDEN_COUNT, ~0u, 0);
    for (int fd = 0; fd < 3; fd++)
        (void)!open("/dev/null", O_RDWR);
    if (process_stderr && process_stderr() > 2)
        (void)dup3(0, process_stderr(), O_CLOEXEC);
    mapping_forget();
    if (memory_release_guest) {
        sites_fork_done(); /* taken by vfs_fork_prepare() */
        memory_fork_done();
        memory_release_guest();
    }
}

static _Noreturn void server_main(struct owner *owner, struct ring *ring, int parent_pid)
{
    struct server *s = &g_server;
    let_go_of_guest();
    s->owner = owner;
    s->ring = ring;
    s->parent_pid = parent_pid;
    s->change_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&s->lock, NULL);
    s->client_count = 1;
    owner->unlock_count = &ring->unlock_count;
    owner_publish_start(owner, &ring->published, ring->kept);
    s->pidfds[0] = (int)syscall(SYS_pidfd_open, parent_pid, 0);
    atomic_store(&ring->server_pid, getpid());
    atomic_store(&ring->away, 1);
    bool good = s->change_fd >= 0 && s->pidfds[0] > 0 && start_workers(s) == 0;
    atomic_store(&ring->ready, good ? 1 : -1);
    ring_wake(&ring->ready, INT_MAX);
    if (!good)
        _exit(1);
    wait_for_end(s);
    finish_answers(s);
    int r = owner_close(owner);
    stand_in_remove_all();
    atomic_store(&ring->closed, 1);
    ring_wake(&ring->closed, INT_MAX);
    _exit(r < 0);
}

struct birth {
    struct owner *owner;
    struct ring *ring;
    int parent_pid;
    int child;
};

/* Runs in a process of its own that shares our memory, so that fork() finds every lock of the C
 * library in order, and the server is not our child. */
static int helper_main(void *arg)
{
    struct birth *birth = arg;
    int child = fork();
    if (child == 0)
        server_main(birth->owner, birth->ring, birth->parent_pid);
    birth->child = child < 0 ? -errno : child;
    _exit(0);
}

static int give_birth(struct birth *birth)
{
    void *stack = mmap(NULL, HELPER_STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return -ENOMEM;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int helper =
        clone(helper_main, (char *)stack + HELPER_STACK_SIZE, CLONE_VM | CLONE_VFORK, birth);
    int r = helper < 0 ? -errno : 0;
    if (helper > 0)
        while (waitpid(helper, NULL, __WCLONE) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, HELPER_STACK_SIZE);
    return r < 0 ? r : MIN(birth->child, 0);
}

int volume_server_start(struct owner *owner, struct ring *ring)
{
    struct birth birth = {.owner = owner, .ring = ring, .parent_pid = getpid(), .child = -EAGAIN};
    int r = give_birth(&birth);
    if (r < 0)
        return r;
    while (atomic_load(&ring->ready) == 0) {
        ring_wait(&ring->ready, 0);
        if (atomic_load(&ring->ready) == 0 && kill(birth.child, 0) < 0 && errno == ESRCH)
            return -EIO;
    }
    return atomic_load(&ring->ready) == 1 ? 0 : -EIO;
}
