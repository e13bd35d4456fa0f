/* The faults that the integration tests make happen: one small static program, one mode per fault. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *end_group(void *status) {
    usleep(300 * 1000);
    exit((int)(long)status);
}

/* The leader goes first; the process lives on in its second thread. */
static void leader_first(int status) {
    pthread_t thread;
    pthread_create(&thread, NULL, end_group, (void *)(long)status);
    pthread_exit(NULL);
}

/* Touches memory until the cgroup's limit ends it. */
static void eat(void) {
    for (;;) {
        char *block = malloc(1 << 20);
        if (block != NULL)
            memset(block, 1, 1 << 20);
    }
}

static void *wait_for_the_end(void *unused) {
    pause();
    return unused;
}

/* Ends with this many threads beside its own. */
static int threads(int count) {
    pthread_t thread;
    for (int i = 0; i < count; i++)
        pthread_create(&thread, NULL, wait_for_the_end, NULL);
    return 0;
}

/* Holds this many MiB. */
static void hold(int mib) {
    for (int i = 0; i < mib; i++)
        memset(malloc(1 << 20), 1, 1 << 20);
    pause();
}

/* Holds this many MiB and spends a tenth of a second of CPU time. */
static int burn(int mib) {
    volatile unsigned long turns = 0;
    for (int i = 0; i < mib; i++)
        memset(malloc(1 << 20), 1, 1 << 20);
    while (clock() < CLOCKS_PER_SEC / 10)
        turns++;
    return 0;
}

/* A fault of a thread that is not the main one. */
static void *fall_over(void *unused) {
    *(volatile int *)8 = 1;
    return unused;
}

static void thread_segv(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, fall_over, NULL);
    pthread_join(thread, NULL);
}

static void recovered(int signal) {
    (void)signal;
    _exit(0);
}

/* Computes for ever. */
static void spin(void) {
    volatile unsigned long turns = 0;
    for (;;)
        turns++;
}

/* Computes for ever and writes down what comes out, many times a second. */
static void spin_and_write(void) {
    volatile unsigned long turns = 0;
    int out = open("/dev/null", O_WRONLY);
    for (;;)
        if (++turns % (1 << 20) == 0 && write(out, "x", 1) != 1)
            return;
}

/* Its second thread waits in state D for a vfork child that stays. */
static void *vfork_and_wait(void *unused) {
    if (vfork() == 0) {
        sleep(60);
        _exit(0);
    }
    return unused;
}

static void hung_thread(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, vfork_and_wait, NULL);
    pthread_join(thread, NULL);
}

static void zombies(int count) {
    for (int i = 0; i < count; i++)
        if (fork() == 0)
            _exit(0);
    pause();
}

static void open_many(int count) {
    for (int i = 0; i < count; i++)
        open("/dev/null", O_RDONLY);
    pause();
}

/* A child that is a program of its own, and a parent that stays. */
static void spawn(const char *program, const char *mode) {
    if (fork() == 0) {
        execl(program, program, mode, (char *)NULL);
        _exit(2);
    }
    pause();
}

/* Every tenth of a second: so many MiB, descriptors, threads or children more, none of them ever given back. Until it
 * has gone on for so long that nobody looks any more, for the host's sake. */
static void leak(const char *what, int count) {
    pthread_t thread;
    for (int turn = 0; turn < 600; turn++, usleep(100 * 1000))
        for (int i = 0; i < count; i++)
            switch (*what) {
            case 'm':
                memset(malloc(1 << 20), 1, 1 << 20);
                break;
            case 'f':
                open("/dev/null", O_RDONLY);
                break;
            case 't':
                pthread_create(&thread, NULL, wait_for_the_end, NULL);
                break;
            case 'c':
                if (fork() == 0)
                    for (;;)
                        pause();
            }
    pause();
}

/* The same to a plateau at once, and then nothing more. */
static void plateau(const char *what, int count) {
    pthread_t thread;
    for (int i = 0; i < count; i++) {
        if (*what == 'm')
            memset(malloc(1 << 20), 1, 1 << 20);
        if (*what == 'f')
            open("/dev/null", O_RDONLY);
        if (*what == 't')
            pthread_create(&thread, NULL, wait_for_the_end, NULL);
        if (*what == 'c' && fork() == 0)
            for (;;)
                pause();
    }
    pause();
}

/* As a container's init: starts one program, and ends as it did. */
static int pass(char **argv) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Runs the rest of its arguments as a program, as a supervisor does, and ends well. */
static int run(char **argv) {
    pid_t child = fork();
    if (child == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    waitpid(child, NULL, 0);
    return 0;
}

/* Leaves a daemon behind, which fails after this many milliseconds. */
static int daemonize(int ms) {
    if (fork() != 0)
        return 0;
    setsid();
    if (fork() != 0)
        _exit(0);
    usleep((useconds_t)ms * 1000);
    _exit(3);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 0;
    /* Tests that need a process in place first write a line to its stdin. */
    if (strncmp(mode, "wait-", 5) == 0) {
        char line[8];
        if (read(0, line, sizeof line) < 0)
            return 2;
        mode += 5;
    }
    if (strcmp(mode, "quick") == 0)
        return number;
    if (strcmp(mode, "run") == 0)
        return run(argv + 3);
    if (strcmp(mode, "pass") == 0)
        return pass(argv + 2);
    if (strcmp(mode, "daemon") == 0)
        return daemonize(number);
    if (strcmp(mode, "live") == 0) {
        usleep((useconds_t)number * 1000);
        return 3;
    }
    if (strcmp(mode, "segv") == 0)
        *(volatile int *)8 = 1;
    if (strcmp(mode, "thread-segv") == 0)
        thread_segv();
    if (strcmp(mode, "handled-segv") == 0) {
        signal(SIGSEGV, recovered);
        *(volatile int *)8 = 1;
    }
    if (strcmp(mode, "abort") == 0)
        abort();
    if (strcmp(mode, "eat") == 0)
        eat();
    if (strcmp(mode, "threads") == 0)
        return threads(number);
    if (strcmp(mode, "burn") == 0)
        return burn(number);
    if (strcmp(mode, "hold") == 0)
        hold(number);
    if (strcmp(mode, "leader-first") == 0)
        leader_first(number);
    if (strcmp(mode, "zombies") == 0)
        zombies(number);
    if (strcmp(mode, "spin") == 0)
        spin();
    if (strcmp(mode, "spin-and-write") == 0)
        spin_and_write();
    if (strcmp(mode, "hung-thread") == 0)
        hung_thread();
    if (strcmp(mode, "open-many") == 0)
        open_many(number);
    if (strcmp(mode, "spawn") == 0)
        spawn(argv[0], argv[2]);
    if (strcmp(mode, "leak") == 0 && argc > 3)
        leak(argv[2], atoi(argv[3]));
    if (strcmp(mode, "plateau") == 0 && argc > 3)
        plateau(argv[2], atoi(argv[3]));
    if (strcmp(mode, "pose") == 0 && argc > 2)
        prctl(PR_SET_NAME, argv[2]);
    if (strcmp(mode, "sleep") == 0 || strcmp(mode, "pose") == 0)
        pause();
    return 2;
}
