/* SPDX-License-Identifier: Apache-2.0 */
/* A static program cannot load libraries or resolve names, and ours must not: both would bring in
 * code and answers of the host. OpenSSL holds references to these functions; the linker (--wrap, see
 * meson.build) puts these in their place, which refuse. For each static program with OpenSSL. */
#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>

void *__wrap_dlopen(const char *file, int mode);
void *__wrap_dlsym(void *restrict handle, const char *restrict name);
int __wrap_dlclose(void *handle);
char *__wrap_dlerror(void);
int __wrap_dladdr(const void *address, Dl_info *info);
int __wrap_getaddrinfo(const char *restrict name, const char *restrict service,
                       const struct addrinfo *restrict hints, struct addrinfo **restrict ret_list);
void __wrap_freeaddrinfo(struct addrinfo *list);
struct hostent *__wrap_gethostbyname(const char *name);

void *__wrap_dlopen(const char *file, int mode)
{
    (void)file;
    (void)mode;
    return NULL;
}

void *__wrap_dlsym(void *restrict handle, const char *restrict name)
{
    (void)handle;
    (void)name;
    return NULL;
}

int __wrap_dlclose(void *handle)
{
    (void)handle;
    return -1;
}

char *__wrap_dlerror(void)
{
    static char text[] = "this program loads no libraries";
    return text;
}

int __wrap_dladdr(const void *address, Dl_info *info)
{
    (void)address;
    (void)info;
    return 0;
}

int __wrap_getaddrinfo(const char *restrict name, const char *restrict service,
                       const struct addrinfo *restrict hints, struct addrinfo **restrict ret_list)
{
    (void)name;
    (void)service;
    (void)hints;
    (void)ret_list;
    return EAI_FAIL;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
    (void)list;
}

struct hostent *__wrap_gethostbyname(const char *name)
{
    (void)name;
    return NULL;
}
