/* The load, and the clock it is measured by:
 *
 *   load storm COUNT WORKERS PROGRAM MARK   spawns PROGRAM MARK, each waited for by the worker that spawned
 *                                           it; COUNT 0: until stdin ends. Prints the nanoseconds it took, how
 *                                           many it spawned, and the pids of the last ones.
 *   load sleepers COUNT                     forks processes that sleep; prints how many there are, and why not
 *                                           more; ends them when stdin ends.
 *   load cpu PID                            prints the nanoseconds of CPU a process has used, threads that
 *                                           are gone included.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Pids remembered of a storm, the last ones. */
#define LAST 1024

struct shared {
    long stop, failed, made;
    pid_t last[LAST];
};

static long long now_ns(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        perror("clock_gettime");
        exit(1);
    }
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void until_stdin_ends(void) {
    char byte;
    while (read(0, &byte, 1) > 0) {}
}

static void work(struct shared *shared, long count, char *program, char *mark) {
    char *argv[] = {program, mark, NULL}, *envp[] = {NULL};
    for (long n = 0; (count == 0 || n < count) && !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED); n++) {
        pid_t pid;
        int status;
        if (posix_spawn(&pid, program, NULL, NULL, argv, envp) != 0 || waitpid(pid, &status, 0) != pid || status) {
            __atomic_fetch_add(&shared->failed, 1, __ATOMIC_RELAXED);
            continue;
        }
        long at = __atomic_fetch_add(&shared->made, 1, __ATOMIC_RELAXED);
        shared->last[at % LAST] = pid;
    }
}

static int storm(long count, long workers, char *program, char *mark) {
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    long long began = now_ns(CLOCK_MONOTONIC);
    for (long worker = 0; worker < workers; worker++) {
        pid_t pid = fork();
        if (pid < 0) {
            perror("fork");
            return 1;
        }
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            work(shared, count / workers + (worker < count % workers), program, mark);
            _exit(0);
        }
    }
    if (count == 0) {
        until_stdin_ends();
        __atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
    }
    while (wait(NULL) > 0) {}
    printf("%lld %ld %ld\n", now_ns(CLOCK_MONOTONIC) - began, shared->made, shared->failed);
    for (long at = 0; at < LAST && at < shared->made; at++) {
        printf("%d\n", shared->last[at]);
    }
    return 0;
}

static int sleepers(long count) {
    pid_t *pids = calloc(count, sizeof *pids);
    long made = 0;
    int why = 0;
    for (; pids && made < count; made++) {
        pid_t pid = fork();
        if (pid < 0) {
            why = errno;
            break;
        }
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) {
                pause();
            }
        }
        pids[made] = pid;
    }
    printf("%ld %s\n", made, why ? strerror(why) : "");
    fflush(stdout);
    until_stdin_ends();
    for (long at = 0; at < made; at++) {
        kill(pids[at], SIGKILL);
    }
    while (wait(NULL) > 0) {}
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 6 && strcmp(argv[1], "storm") == 0) {
        return storm(atol(argv[2]), atol(argv[3]), argv[4], argv[5]);
    }
    if (argc == 3 && strcmp(argv[1], "sleepers") == 0) {
        return sleepers(atol(argv[2]));
    }
    if (argc == 3 && strcmp(argv[1], "cpu") == 0) {
        clockid_t clock;
        int error = clock_getcpuclockid(atoi(argv[2]), &clock);
        if (error) {
            fprintf(stderr, "pid %s: %s\n", argv[2], strerror(error));
            return 1;
        }
        printf("%lld\n", now_ns(clock));
        return 0;
    }
    return 2;
}
