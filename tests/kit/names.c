/*
 * The names that a gateway under test finds, put in front of libc's with LD_PRELOAD by names.rs.
 *
 * A name below .test is known where the folder TEST_NAMES has a file of that name, and leads to this machine; each time
 * it is asked for, the file asked-NAME beside the folder's files grows by a byte. Every other name is libc's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int is_ours(const char *name) {
    size_t length = name ? strlen(name) : 0;
    return length > 5 && !strcmp(name + length - 5, ".test");
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    lookup *next = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *folder = getenv("TEST_NAMES");
    if (!folder || !is_ours(name)) return next(name, service, hints, found);
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int failed = access(path, F_OK) ? EAI_NONAME : next("127.0.0.1", service, hints, found);
    snprintf(path, sizeof path, "%s/asked-%s", folder, name);
    int asked = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (asked < 0 || write(asked, "", 1) != 1) abort(); /* A test that counts must be told. */
    close(asked);
    return failed;
}
