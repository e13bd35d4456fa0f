/* Ways to be ended by a signal: one small program, one mode a way, for the tests of who sent it. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A report of its own, and then the end that there would have been without it. */
static void report(int number) {
    signal(number, SIG_DFL);
    kill(getpid(), number);
}

int *volatile nowhere = (int *)8;

__attribute__((noinline)) void parse_order(void) { *nowhere = 1; }

__attribute__((noinline)) void handle_request(void) { parse_order(); }

static void *request(void *unused) {
    handle_request();
    return unused;
}

static void own_timer(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGABRT};
    struct itimerspec soon = {.it_value = {.tv_nsec = 20 * 1000 * 1000}};
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &soon, NULL);
}

/* As many do: SIGSEGV is taken on a stack of its own. */
static void on_own_stack(int number) {
    static char stack[65536];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = report, .sa_flags = SA_ONSTACK};
    sigaltstack(&own, NULL);
    sigaction(number, &action, NULL);
}

/* A siginfo that claims to come from a timer. */
static int forge(pid_t pid, int number) {
    siginfo_t info = {.si_signo = number, .si_code = SI_TIMER};
    return syscall(SYS_rt_sigqueueinfo, pid, number, &info) == 0 ? 0 : errno;
}

/* A child that asks to be ended with its parent, which then ends. */
static void with_parent(void) {
    int ready[2];
    char byte = 0;
    if (pipe(ready) != 0)
        exit(2);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (write(ready[1], &byte, 1) != 1)
            _exit(2);
        for (;;)
            pause();
    }
    if (read(ready[0], &byte, 1) != 1)
        exit(2);
    printf("%d\n", child);
    fflush(stdout);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    /* Who runs tests in the background, or by nohup(1), has some of them ignored, and so would its children. */
    for (int other = 1; other <= SIGRTMAX; other++)
        signal(other, SIG_DFL);
    int number = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(mode, "raise") == 0)
        raise(number);
    if (strcmp(mode, "timer") == 0)
        own_timer();
    if (strcmp(mode, "alarm") == 0)
        ualarm(20 * 1000, 0);
    if (strcmp(mode, "resend") == 0) {
        signal(SIGSEGV, report);
        handle_request();
    }
    if (strcmp(mode, "resend-elsewhere") == 0) {
        on_own_stack(SIGSEGV);
        pthread_t thread;
        pthread_create(&thread, NULL, request, NULL);
        pthread_join(thread, NULL);
    }
    if (strcmp(mode, "resend-abort") == 0) {
        signal(SIGABRT, report);
        abort();
    }
    if (strcmp(mode, "cpu-limit") == 0) {
        struct rlimit limit = {.rlim_cur = 1, .rlim_max = 2};
        setrlimit(RLIMIT_CPU, &limit);
        for (;;)
            ;
    }
    if (strcmp(mode, "file-limit") == 0) {
        struct rlimit limit = {.rlim_cur = 0, .rlim_max = 0};
        FILE *file = tmpfile();
        setrlimit(RLIMIT_FSIZE, &limit);
        if (file != NULL && fputc('x', file) == 'x')
            fflush(file);
    }
    if (strcmp(mode, "forge") == 0 && argc > 3)
        return forge(number, atoi(argv[3]));
    if (strcmp(mode, "with-parent") == 0) {
        with_parent();
        return 0;
    }
    for (;;)
        pause();
}
