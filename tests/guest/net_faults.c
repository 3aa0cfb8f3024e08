/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers of socket calls that the program may not touch, or that a thread takes away meanwhile. See
 * net_guest.h. */
#include "net_guest.h"

#include <pthread.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define ROUNDS 300

static char *g_memory; /* four pages; the second one comes and goes */
static volatile int g_stop;

static void drain(int fd, const char *what)
{
    char bytes[256];
    long n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    show_text(what, bytes, n);
}

/* The second page is gone: what begins before it is given whole or not at all. */
static void across(int client, int server)
{
    char *edge = g_memory + PAGE - 4;
    struct iovec iov[2] = {{g_memory, 4}, {g_memory + PAGE, 4}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    memcpy(edge, "edge", 4);
    memcpy(g_memory, "good", 4);
    mprotect(g_memory + PAGE, PAGE, PROT_NONE);
    show("send across", send(client, edge, 10, 0));
    show("send from nowhere", send(client, edge + 4, 10, 0));
    show("write across", write(client, edge, 10));
    show("writev, second gone", writev(client, iov, 2));
    show("sendmsg, second gone", sendmsg(client, &m, 0));
    show("send to its edge", send(client, edge, 4, 0));
    (void)wait_for(server, POLLIN);
    drain(server, "what came");
    show("send six", send(client, "sixsix", 6, 0));
    (void)wait_for(server, POLLIN);
    show("recv across", recv(server, edge, 10, 0));
    show("recv nowhere", recv(server, edge + 4, 10, 0));
    show("read across", read(server, edge, 10));
    show("peek across", recv(server, edge, 10, MSG_PEEK));
    show("readv, second gone", readv(server, iov, 2));
    show("recvmsg, second gone", recvmsg(server, &m, 0));
    show("recv, null", recv(server, NULL, 10, 0));
    show_text("recv two", edge, recv(server, edge, 2, 0));
    drain(server, "the rest");
    show("nothing is left", recv(server, edge, 1, MSG_DONTWAIT));
    mprotect(g_memory + PAGE, PAGE, PROT_READ | PROT_WRITE);
}

static void *come_and_go(void *arg)
{
    (void)arg;
    while (!g_stop) {
        mprotect(g_memory + PAGE, PAGE, PROT_NONE);
        mmap(g_memory + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0);
    }
    return NULL;
}

/* Every byte that was sent arrives, whatever the memory does meanwhile. */
static void while_it_goes(int client, int server)
{
    long sent = 0, received = 0, wrong = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, come_and_go, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        long n = send(client, g_memory + PAGE - 100, 2000, MSG_DONTWAIT);
        sent += n > 0 ? n : 0;
        wrong += n < 0 && errno != EFAULT && errno != EAGAIN;
        n = recv(server, g_memory + PAGE - i, 3000, MSG_DONTWAIT);
        received += n > 0 ? n : 0;
        wrong += n < 0 && errno != EFAULT && errno != EAGAIN;
    }
    g_stop = 1;
    pthread_join(thread, NULL);
    while (received < sent && wait_for(server, POLLIN)) {
        char bytes[4096];
        long n = recv(server, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0)
            break;
        received += n > 0 ? n : 0;
    }
    show("wrong errors", wrong);
    show("lost bytes", sent - received);
}

int main(void)
{
    int client, server, listener = listener_new(0);
    signal(SIGPIPE, count_pipe);
    g_memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pair_new(listener, &client, &server);
    across(client, server);
    while_it_goes(client, server);
    pair_close(client, server);
    return 0;
}
