/*
 * The disk of a gateway under test, put in front of libc's with LD_PRELOAD by disk.rs.
 *
 * The file named by TEST_DISK holds the numbers of `struct page`, which the test writes while the gateway runs. Only files
 * whose path contains TEST_DISK_FILE are touched, and by a disk that is full every database: everything else of the process
 * (its log, its sockets) works as ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct page {
    int64_t full;        /* writes: no space left, for any database; 2: only for the one that is named, not for its log */
    int64_t broken;      /* syncs: input/output error */
    int64_t kill_before; /* the so many-eth sync of a log from now on: killed instead of it */
    int64_t kill_after;  /* the same, killed when it has been done */
    int64_t failed;      /* how many writes and syncs this library refused, for the test to read */
};

static volatile struct page *page;
static const char *name;

__attribute__((constructor)) static void open_page(void) {
    const char *path = getenv("TEST_DISK");
    name = getenv("TEST_DISK_FILE");
    if (!path || !name) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *mapped = mmap(0, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) page = mapped;
    close(file);
}

static int is_named(int file, const char *part, const char *end) {
    char link[64], path[4096];
    char *digit = link + sizeof link;
    *--digit = 0;
    do *--digit = (char)('0' + file % 10); while (file /= 10);
    digit -= strlen("/proc/self/fd/");
    memcpy(digit, "/proc/self/fd/", strlen("/proc/self/fd/"));
    ssize_t length = readlink(digit, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    size_t tail = strlen(end);
    return strstr(path, part) && (size_t)length >= tail && !strcmp(path + length - tail, end);
}

static int is_ours(int file, const char *end) {
    return is_named(file, name, end);
}

static int refuse(int error) {
    __sync_fetch_and_add(&page->failed, 1);
    errno = error;
    return -1;
}

static int is_full(int file) {
    if (!page || !page->full || file < 0) return 0;
    return page->full == 2 ? is_ours(file, ".db") : is_named(file, ".db", "");
}

/* Counts down; true for the one that reaches zero. */
static int is_the_one(volatile int64_t *left) {
    return *left > 0 && __sync_sub_and_fetch(left, 1) == 0;
}

static int synced(int file, long call) {
    int is_log = page && file >= 0 && is_ours(file, "-wal");
    if (page && page->broken && file >= 0 && is_ours(file, "")) return refuse(EIO);
    if (is_log && is_the_one(&page->kill_before)) kill(getpid(), SIGKILL);
    int done = (int)syscall(call, file);
    if (is_log && is_the_one(&page->kill_after)) kill(getpid(), SIGKILL);
    return done;
}

int fsync(int file) { return synced(file, SYS_fsync); }
int fdatasync(int file) { return synced(file, SYS_fdatasync); }

ssize_t write(int file, const void *bytes, size_t count) {
    return is_full(file) ? refuse(ENOSPC) : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return is_full(file) ? refuse(ENOSPC) : syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return is_full(file) ? refuse(ENOSPC) : syscall(SYS_pwrite64, file, bytes, count, at);
}
