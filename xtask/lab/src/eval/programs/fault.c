/* The corpus's faults and near misses that need exact control: one static program, one mode each.
 *
 * What it does is told to the file that $EVENTS names, a line each: `culprit PID` (in the host's pid namespace),
 * and `crossed TIME` at the moment from which the fault is real; for a fault that ends the process, just before. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1 << 20)

static void tell(const char *line) {
    const char *path = getenv("EVENTS");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    if (write(fd, line, strlen(line)) < 0)
        perror("events");
    close(fd);
}

/* By way of /proc/self: of a host's /proc, it is the host's pid, also within a pid namespace. */
static void culprit(void) {
    char self[32] = "", line[64];
    if (readlink("/proc/self", self, sizeof self - 1) < 0)
        return;
    snprintf(line, sizeof line, "culprit %s\n", self);
    tell(line);
}

static void crossed(void) {
    char line[64];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(line, sizeof line, "crossed %lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    tell(line);
}

static void pause_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&time, &time) < 0 && errno == EINTR)
        ;
}

static void forever(void) {
    for (;;)
        pause();
}

/* Crashes ------------------------------------------------------------------------------------------- */

static volatile int sink;

__attribute__((noinline)) static int recurse(int depth) {
    volatile char frame[4096];
    frame[depth % sizeof frame] = 1;
    return recurse(depth + 1) + frame[0];
}

static void beyond_the_file(void) {
    int fd = memfd_create("short", 0);
    char *page = ftruncate(fd, 4096) < 0 ? NULL : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (page && ftruncate(fd, 0) == 0)
        sink = *(volatile char *)page;
}

static void forbidden_call(void) {
    struct sock_filter filter[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    struct sock_fprog program = {1, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    getppid();
}

static void *die(void *how) {
    const char *name = how;
    volatile int zero = 0, hundred = 100;
    if (strcmp(name, "segv") == 0)
        *(volatile int *)8 = 1;
    if (strcmp(name, "abort") == 0)
        abort();
    if (strcmp(name, "fpe") == 0)
        sink = hundred / zero;
    if (strcmp(name, "ill") == 0)
        __builtin_trap();
    if (strcmp(name, "bus") == 0)
        beyond_the_file();
    if (strcmp(name, "overflow") == 0)
        sink = recurse(0);
    if (strcmp(name, "sys") == 0)
        forbidden_call();
    if (strcmp(name, "alarm") == 0) {
        raise(SIGALRM);
    }
    return NULL;
}

static void crash(const char *how, int in_thread) {
    pthread_t thread;
    culprit();
    crossed();
    if (!in_thread)
        die((void *)how);
    pthread_create(&thread, NULL, die, (void *)how);
    pthread_join(thread, NULL);
}

static sigjmp_buf back;
static void *guarded;

static void jump_back(int signal) {
    (void)signal;
    siglongjmp(back, 1);
}

/* A null check by way of the MMU, as runtimes do it. */
static int handled(int times) {
    struct sigaction action = {.sa_handler = jump_back};
    sigaction(SIGSEGV, &action, NULL);
    for (volatile int i = 0; i < times; i++)
        if (sigsetjmp(back, 1) == 0)
            *(volatile int *)8 = 1;
    return 0;
}

static void unprotect(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
}

/* A write barrier by way of the MMU, as garbage collectors do it. */
static int barrier(int times) {
    struct sigaction action = {.sa_sigaction = unprotect, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    guarded = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < times; i++) {
        mprotect(guarded, 4096, PROT_READ);
        *(volatile int *)guarded = i;
    }
    return 0;
}

/* Memory -------------------------------------------------------------------------------------------- */

static void fill(long bytes) {
    char *block = malloc(bytes);
    if (block)
        memset(block, 1, bytes);
    /* Or the compiler takes it all away. */
    __asm__ volatile("" : : "r"(block) : "memory");
}

/* So many KiB every so many ms; up to a most where one is given, and then it stays. The leak is real once this
 * much of it is there. */
static void grow(long kib, long every_ms, long most_kib, long crossed_kib) {
    culprit();
    for (long held = 0; most_kib == 0 || held < most_kib; held += kib) {
        if (crossed_kib >= 0 && held <= crossed_kib && crossed_kib < held + kib)
            crossed();
        fill(kib * 1024);
        pause_ms(every_ms);
    }
    forever();
}

static void *grow_without_end(void *unused) {
    pause_ms(200);
    for (;;)
        fill(MIB);
    return unused;
}

/* The leader goes first. */
static void grow_in_thread(void) {
    pthread_t thread;
    culprit();
    pthread_create(&thread, NULL, grow_without_end, NULL);
    pthread_exit(NULL);
}

/* Grows and shrinks without growing. */
static void saw(int mib, int turns) {
    for (int turn = 0; turn < turns; turn++) {
        void *blocks[1024];
        for (int i = 0; i < mib && i < 1024; i++) {
            blocks[i] = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            memset(blocks[i], 1, MIB);
            pause_ms(30);
        }
        for (int i = 0; i < mib && i < 1024; i++)
            munmap(blocks[i], MIB);
    }
}

/* Reads every page of a mapped file, slowly: resident memory that the kernel can take back. */
static void map_file(const char *path, long ms) {
    int fd = open(path, O_RDONLY);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) < 0)
        return;
    char *data = mmap(NULL, stat.st_size, PROT_READ, MAP_SHARED, fd, 0);
    for (long at = 0; data != MAP_FAILED && at < stat.st_size; at += 4096) {
        sink = data[at];
        if (at % MIB == 0)
            pause_ms(ms);
    }
}

/* Processes ----------------------------------------------------------------------------------------- */

static void *zombie_maker(void *numbers) {
    long *it = numbers, count = it[0], every_ms = it[1], threshold = it[2];
    for (long made = 1; made <= count; made++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        /* Ended, and left there. */
        siginfo_t info;
        waitid(P_PID, child, &info, WEXITED | WNOWAIT);
        if (made == threshold)
            crossed();
        pause_ms(every_ms);
    }
    return NULL;
}

/* Zombies for a moment, again and again. */
static int brief_zombies(int count, int turns, long ms) {
    for (int turn = 0; turn < turns; turn++) {
        for (int i = 0; i < count; i++)
            if (fork() == 0)
                _exit(0);
        pause_ms(ms);
        while (waitpid(-1, NULL, 0) > 0)
            ;
    }
    return 0;
}

/* A bomb: every process forks until nothing more can be. Only where a limit holds it. */
static void bomb(void) {
    for (;;)
        if (fork() < 0)
            pause_ms(20);
}

/* Children that stay, one every so many µs; says so when there are that many. */
static void brood(long count, long every_us, long threshold) {
    culprit();
    for (long made = 1; made <= count; made++) {
        if (fork() == 0)
            forever();
        if (made == threshold)
            crossed();
        usleep(every_us);
    }
    forever();
}

static void *vfork_and_wait(void *ms) {
    crossed();
    if (vfork() == 0) {
        struct timespec time = {(long)ms / 1000, (long)ms % 1000 * 1000000};
        syscall(SYS_nanosleep, &time, NULL);
        _exit(0);
    }
    return NULL;
}

static void stuck(long ms, int in_thread) {
    pthread_t thread;
    culprit();
    if (!in_thread)
        vfork_and_wait((void *)ms);
    pthread_create(&thread, NULL, vfork_and_wait, (void *)ms);
    pthread_join(thread, NULL);
}

/* CPU ----------------------------------------------------------------------------------------------- */

static void *spin(void *how) {
    const char *name = how;
    int ends[2];
    char byte;
    if (pipe2(ends, O_NONBLOCK) < 0)
        return NULL;
    crossed();
    for (;;) {
        if (strcmp(name, "yield") == 0)
            sched_yield();
        else if (strcmp(name, "again") == 0)
            sink = read(ends[0], &byte, 1);
        else
            for (int i = 0; i < 1000000; i++)
                sink = i;
    }
}

static void spin_somewhere(const char *how, int in_thread) {
    pthread_t thread;
    culprit();
    if (!in_thread)
        spin((void *)how);
    prctl(PR_SET_NAME, "event-loop");
    pthread_create(&thread, NULL, spin, (void *)how);
    forever();
}

/* Works so many ms, rests as long, for a while. */
static int half_busy(long ms, long total_ms) {
    for (long spent = 0; spent < total_ms; spent += 2 * ms) {
        struct timespec begin, now;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        do {
            sink++;
            clock_gettime(CLOCK_MONOTONIC, &now);
        } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < ms);
        pause_ms(ms);
    }
    return 0;
}

/* Descriptors and threads --------------------------------------------------------------------------- */

static int open_one(const char *what) {
    int ends[2];
    if (strcmp(what, "socket") == 0)
        return socket(AF_INET, SOCK_STREAM, 0);
    if (strcmp(what, "event") == 0)
        return eventfd(0, 0);
    if (strcmp(what, "pipe") == 0)
        return pipe(ends);
    return open("/dev/null", O_RDONLY);
}

/* Opens so many, one every so many ms, then stays; says so when there are that many. */
static void leak_fds(const char *what, long count, long every_ms, long threshold) {
    culprit();
    for (long made = 1; made <= count; made++) {
        if (open_one(what) < 0)
            break;
        if (made == threshold)
            crossed();
        pause_ms(every_ms);
    }
    forever();
}

static void *idle_thread(void *unused) {
    pause();
    return unused;
}

static void leak_threads(long count, long every_ms, long threshold) {
    pthread_attr_t attributes;
    pthread_t thread;
    culprit();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    for (long made = 1; made <= count; made++) {
        if (pthread_create(&thread, &attributes, idle_thread, NULL) != 0)
            pause_ms(100);
        if (made == threshold)
            crossed();
        pause_ms(every_ms);
    }
    forever();
}

/* Programs from odd places -------------------------------------------------------------------------- */

static int copy_self(int to) {
    char block[65536];
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ssize_t size;
    while ((size = read(from, block, sizeof block)) > 0)
        if (write(to, block, size) != size)
            return -1;
    close(from);
    return size < 0 ? -1 : 0;
}

/* Becomes the rest of the arguments, run from memory. */
static int from_memory(char **argv) {
    int fd = memfd_create("payload", MFD_CLOEXEC);
    if (fd < 0 || copy_self(fd) < 0)
        return 2;
    culprit();
    crossed();
    fexecve(fd, argv, environ);
    return 2;
}

/* The same, from a file that has no name any more. */
static int from_deleted(char **argv) {
    char path[] = "gone-XXXXXX";
    int writing = mkstemp(path);
    if (writing < 0 || copy_self(writing) < 0 || fchmod(writing, 0700) < 0)
        return 2;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    close(writing);
    unlink(path);
    culprit();
    crossed();
    fexecve(fd, argv, environ);
    return 2;
}

/* Somebody listens; a shell on the connection, as an intruder starts it. */
static int shell_on_socket(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&address, size) < 0 || listen(listener, 1) < 0)
        return 2;
    getsockname(listener, (void *)&address, &size);
    if (connect(client, (void *)&address, size) < 0)
        return 2;
    if (fork() == 0) {
        sink = accept(listener, NULL, NULL);
        forever();
    }
    for (int fd = 0; fd < 3; fd++)
        dup2(client, fd);
    culprit();
    crossed();
    execl("/bin/sh", "sh", "-i", NULL);
    return 2;
}

/* Around a mode ------------------------------------------------------------------------------------- */

static int run(int argc, char **argv);

/* So many processes further down, each waiting for the next. */
static int deep(int levels, int argc, char **argv) {
    int status = 0;
    if (levels == 0)
        return run(argc, argv);
    pid_t child = fork();
    if (child == 0)
        exit(deep(levels - 1, argc, argv));
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* Runs a program, and says that the fault was real when it has ended. */
static int watch(char **argv) {
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    waitpid(child, NULL, 0);
    crossed();
    return 0;
}

static long number(int argc, char **argv, int at, long otherwise) {
    return argc > at ? atol(argv[at]) : otherwise;
}

static int run(int argc, char **argv) {
    const char *mode = argc > 0 ? argv[0] : "";
    const char *how = argc > 1 ? argv[1] : "";
#define IS(name) (strcmp(mode, name) == 0)
#define N(at) number(argc, argv, at, 0)
    if (IS("crash"))
        crash(how, 0);
    else if (IS("crash-thread"))
        crash(how, 1);
    else if (IS("handled"))
        return handled(N(1));
    else if (IS("barrier"))
        return barrier(N(1));
    else if (IS("exit")) {
        /* STATUS AFTER-MS */
        culprit();
        pause_ms(N(2));
        crossed();
        return N(1);
    } else if (IS("idle")) {
        /* A program that is there: MS. */
        culprit();
        crossed();
        pause_ms(N(1));
    } else if (IS("grow"))
        grow(N(1), N(2), N(3), number(argc, argv, 4, -1));
    else if (IS("grow-thread"))
        grow_in_thread();
    else if (IS("saw"))
        saw(N(1), N(2));
    else if (IS("map"))
        map_file(how, N(2));
    else if (IS("zombies") || IS("zombies-thread")) {
        long numbers[] = {N(1), N(2), N(3)};
        pthread_t thread;
        culprit();
        if (IS("zombies"))
            zombie_maker(numbers);
        else if (pthread_create(&thread, NULL, zombie_maker, numbers) == 0)
            pthread_join(thread, NULL);
        forever();
    } else if (IS("brief-zombies"))
        return brief_zombies(N(1), N(2), N(3));
    else if (IS("bomb")) {
        culprit();
        crossed();
        bomb();
    } else if (IS("brood"))
        brood(N(1), N(2), N(3));
    else if (IS("stuck"))
        stuck(N(1), 0);
    else if (IS("stuck-thread"))
        stuck(N(1), 1);
    else if (IS("spin"))
        spin_somewhere(how, 0);
    else if (IS("spin-thread"))
        spin_somewhere(how, 1);
    else if (IS("after-idle")) {
        /* MS MODE…: answers now and then first. */
        for (long ms = N(1); ms > 0; ms -= 100)
            pause_ms(100);
        return run(argc - 2, argv + 2);
    } else if (IS("half-busy"))
        return half_busy(N(1), N(2));
    else if (IS("fds"))
        leak_fds(how, N(2), N(3), N(4));
    else if (IS("threads"))
        leak_threads(N(1), N(2), N(3));
    else if (IS("memory"))
        return from_memory(argv);
    else if (IS("deleted"))
        return from_deleted(argv);
    else if (IS("shell-on-socket"))
        return shell_on_socket();
    else if (IS("sleep"))
        pause_ms(N(1));
    else if (IS("watch"))
        return watch(argv + 1);
    else if (IS("deep"))
        return deep(N(1), argc - 2, argv + 2);
    else if (IS("rename")) {
        prctl(PR_SET_NAME, how);
        return run(argc - 2, argv + 2);
    } else
        return 2;
    return 0;
}

int main(int argc, char **argv) {
    /* What was run from memory, or from a file without a name, goes on as something harmless. */
    if (argc > 0 && (strcmp(argv[0], "memory") == 0 || strcmp(argv[0], "deleted") == 0))
        forever();
    return run(argc - 1, argv + 1);
}
