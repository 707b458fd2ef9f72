/*
 * The wall clock of a gateway under test, put in front of libc's with LD_PRELOAD by clock.rs.
 *
 * The file named by TEST_CLOCK holds three 64-bit numbers: nanoseconds that wall time is ahead, where it is not zero
 * the instant at which wall time stands still, and nanoseconds that CLOCK_MONOTONIC is ahead. The test writes them while
 * the gateway runs. CLOCK_MONOTONIC stays true when wall time is stepped, as it does when an operator or NTP sets a
 * machine's clock; it is ahead where the test has time go on for both.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

struct hands { volatile int64_t ahead, frozen, passed; };

static struct hands untouched;
static struct hands *hands = &untouched;

__attribute__((constructor)) static void find_hands(void) {
    const char *path = getenv("TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *found = mmap(NULL, sizeof(struct hands), PROT_READ, MAP_SHARED, file, 0);
    if (found == MAP_FAILED) abort(); /* A test that believes in its clock must have it. */
    close(file);
    hands = found;
}

static struct timespec wall(clockid_t clock) {
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    int64_t at = hands->frozen ? hands->frozen : now.tv_sec * SECOND + now.tv_nsec + hands->ahead;
    return (struct timespec){ .tv_sec = at / SECOND, .tv_nsec = at % SECOND };
}

static int measured(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (failed || (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)) return failed;
    int64_t at = now->tv_sec * SECOND + now->tv_nsec + hands->passed;
    *now = (struct timespec){ .tv_sec = at / SECOND, .tv_nsec = at % SECOND };
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return measured(clock, now);
    *now = wall(clock);
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec at = wall(CLOCK_REALTIME);
    *now = (struct timeval){ .tv_sec = at.tv_sec, .tv_usec = at.tv_nsec / 1000 };
    return 0;
}

time_t time(time_t *now) {
    time_t at = wall(CLOCK_REALTIME).tv_sec;
    if (now) *now = at;
    return at;
}
