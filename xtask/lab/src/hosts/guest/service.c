/* What services do that fail in ways only a service can, and who sends signals: one program, one mode each.
 *
 *   service serve              sleeps for ever; ends at SIGTERM by status 0
 *   service deaf               ignores SIGTERM
 *   service never-ready        never says READY=1
 *   service hang               says READY=1, feeds the watchdog once, and no more
 *   service fork MODE…         goes on in a child that has detached itself, as Type=forking wants it
 *   service exit-later S N     ends by status N after S seconds
 *   service own-timer          a timer of its own sends it SIGABRT, which it does not catch
 *   service own-raise          raise(SIGABRT)
 *   service resend             crashes; its handler sends the signal again by kill(getpid()), as crash reporters do
 *   service send SIGNAL PID    sends a signal to another process
 *   service kill-cgroup PATH   writes 1 to cgroup.kill
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void forever(void) {
    for (;;)
        pause();
}

static void notify(const char *message) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (!path || fd < 0 || strlen(path) >= sizeof address.sun_path)
        return;
    strcpy(address.sun_path, path);
    if (path[0] == '@')
        address.sun_path[0] = 0;
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    if (sendto(fd, message, strlen(message), 0, (void *)&address, size) < 0)
        perror("notify");
    close(fd);
}

static void end_well(int signal) {
    (void)signal;
    _exit(0);
}

static void own_timer(void) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGABRT};
    struct itimerspec in = {.it_value = {.tv_sec = 1}};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 || timer_settime(timer, 0, &in, NULL) < 0)
        exit(2);
    forever();
}

static void report_and_resend(int number) {
    static const char words[] = "crash reporter: it crashed\n";
    if (write(2, words, sizeof words - 1) < 0)
        _exit(2);
    signal(number, SIG_DFL);
    kill(getpid(), number);
}

__attribute__((noinline)) static void parse_request(volatile int *field) {
    *field = 1;
    __asm__ volatile("" ::: "memory");
}

static void resend(void) {
    struct sigaction action = {.sa_handler = report_and_resend};
    sigaction(SIGSEGV, &action, NULL);
    parse_request((volatile int *)8);
}

static void detach(void) {
    pid_t child = fork();
    if (child < 0)
        exit(2);
    if (child > 0)
        exit(0);
    setsid();
}

static int kill_cgroup(const char *path) {
    char file[4096];
    snprintf(file, sizeof file, "%s/cgroup.kill", path);
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, "1", 1) != 1;
}

static int run(int argc, char **argv) {
    const char *mode = argc > 0 ? argv[0] : "";
#define IS(name) (strcmp(mode, name) == 0)
    if (IS("serve")) {
        signal(SIGTERM, end_well);
        forever();
    } else if (IS("deaf")) {
        signal(SIGTERM, SIG_IGN);
        forever();
    } else if (IS("never-ready")) {
        forever();
    } else if (IS("hang")) {
        notify("READY=1");
        notify("WATCHDOG=1");
        forever();
    } else if (IS("fork")) {
        detach();
        return run(argc - 1, argv + 1);
    } else if (IS("exit-later") && argc > 2) {
        sleep(atoi(argv[1]));
        return atoi(argv[2]);
    } else if (IS("own-timer")) {
        own_timer();
    } else if (IS("own-raise")) {
        sleep(1);
        raise(SIGABRT);
    } else if (IS("resend")) {
        sleep(1);
        resend();
    } else if (IS("send") && argc > 2) {
        return kill(atoi(argv[2]), atoi(argv[1])) < 0;
    } else if (IS("kill-cgroup") && argc > 1) {
        return kill_cgroup(argv[1]);
    }
    return 2;
}

int main(int argc, char **argv) {
    return run(argc - 1, argv + 1);
}
