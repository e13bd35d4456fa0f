/* One way to crash per mode. `seam` keeps calls real: no inlining, no tail call. */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef REAL
#define REAL __attribute__((noinline, noclone))
#endif

volatile int seam;
int *volatile nowhere = (int *)8;
const char *volatile no_text;
void (*volatile no_function)(void);
void (*volatile garbage)(void) = (void (*)(void))0x41414141;

REAL void write_nowhere(int depth) {
    char room[64];
    memset(room, depth, sizeof room);
    seam = room[depth];
    *nowhere = depth; /* the line of the crash */
    seam = room[0];
}

REAL int middle(int depth) {
    write_nowhere(depth + 1);
    return seam + 1;
}

REAL int outer(int depth) { return middle(depth + seam) + 1; }

REAL void die(void) {
    abort();
}

REAL void give_up(int why) {
    seam = why;
    die();
}

REAL int call_null(void) {
    no_function();
    return seam;
}

REAL int call_garbage(void) {
    garbage();
    return seam;
}

REAL int recurse(int depth) {
    volatile char room[200];
    room[depth % 200] = (char)depth;
    int below = recurse(depth + 1);
    return below + room[depth % 200];
}

REAL int smash(unsigned long value) {
    unsigned long room[2];
    for (volatile int i = 0; i < 24; i++)
        ((volatile unsigned long *)room)[i] = value;
    return (int)room[seam];
}

REAL int free_twice(void) {
    void *block = malloc(24);
    void *volatile again = block;
    free(block);
    free(again);
    return seam;
}

REAL int ask_length(void) { return (int)strlen(no_text) + seam; }

REAL int ask_time(void) {
    struct timespec *volatile nowhere_time = (struct timespec *)8;
    clock_gettime(CLOCK_MONOTONIC, nowhere_time);
    return seam;
}

REAL int check(int value) {
    assert(value == 4242);
    return seam;
}

REAL void *work(void *argument) {
    seam = outer((int)(long)argument);
    return NULL;
}

REAL int in_thread(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    pthread_join(thread, NULL);
    return seam;
}

static void report_and_abort(int signal) {
    (void)signal;
    die();
    seam = 2;
}

REAL int handled(int flags) {
    static char other_stack[1 << 16];
    stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = report_and_abort, .sa_flags = flags};
    sigaction(SIGSEGV, &action, NULL);
    return outer(0) + seam;
}

/* The frame of a function that keeps its stack aligned: found by a register that is not the usual one. */
REAL int aligned(int depth) {
    __attribute__((aligned(64))) volatile char room[256];
    room[depth] = 1;
    return outer(depth) + room[seam];
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    int result = 0;
    if (strcmp(mode, "segv") == 0)
        result = outer(0);
    if (strcmp(mode, "aligned") == 0)
        result = aligned(0);
    if (strcmp(mode, "abort") == 0)
        give_up(1);
    if (strcmp(mode, "assert") == 0)
        result = check(argc);
    if (strcmp(mode, "null-call") == 0)
        result = call_null();
    if (strcmp(mode, "garbage-call") == 0)
        result = call_garbage();
    if (strcmp(mode, "recurse") == 0)
        result = recurse(0);
    if (strcmp(mode, "smash") == 0)
        result = smash(0x41414141);
    if (strcmp(mode, "free-twice") == 0)
        result = free_twice();
    if (strcmp(mode, "length") == 0)
        result = ask_length();
    if (strcmp(mode, "time") == 0)
        result = ask_time();
    if (strcmp(mode, "thread") == 0)
        result = in_thread();
    if (strcmp(mode, "handled") == 0)
        result = handled(0);
    if (strcmp(mode, "handled-elsewhere") == 0)
        result = handled(SA_ONSTACK);
    return result + seam;
}
