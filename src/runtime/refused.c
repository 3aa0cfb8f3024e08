/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the C library that load code or ask services of the host while they run: name
 * service, resolver, dynamic loading. OpenSSL refers to them though the runtime never calls those
 * parts of it. Defined here they fail, and the linker leaves the library's own out, with everything
 * behind them (tests/scenario/runtime_link.py looks). */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)result;
    return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *list)
{
    (void)list;
}

int getnameinfo(const struct sockaddr *address, socklen_t size, char *node, socklen_t node_size,
                char *service, socklen_t service_size, int flags)
{
    (void)address;
    (void)size;
    (void)node;
    (void)node_size;
    (void)service;
    (void)service_size;
    (void)flags;
    return EAI_FAIL;
}

const char *gai_strerror(int code)
{
    (void)code;
    return "names are not resolved here";
}

struct hostent *gethostbyname(const char *name)
{
    (void)name;
    h_errno = NO_RECOVERY;
    return NULL;
}

struct servent *getservbyname(const char *name, const char *protocol)
{
    (void)name;
    (void)protocol;
    return NULL;
}

void *dlopen(const char *file, int mode)
{
    (void)file;
    (void)mode;
    return NULL;
}

void *dlsym(void *restrict handle, const char *restrict name)
{
    (void)handle;
    (void)name;
    return NULL;
}

int dlclose(void *handle)
{
    (void)handle;
    return -1;
}

char *dlerror(void)
{
    static char text[] = "nothing is loaded here";
    return text;
}

int dladdr(const void *address, Dl_info *info)
{
    (void)address;
    (void)info;
    return 0;
}
