/* Faults that need a process of their own:
 *
 *   faults fds       opens almost as many files as it may, and sleeps
 *   faults eat       uses more memory than its cgroup has
 *   faults wait      crashes when its stdin ends
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "fds") == 0) {
        struct rlimit limit = {1024, 1024};
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 2;
        for (int n = 0; n < 1010; n++) {
            if (open("/dev/null", O_RDONLY) < 0) return 3;
        }
        sleep(12);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "wait") == 0) {
        char byte;
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        while (read(0, &byte, 1) > 0) {}
        *(volatile int *)0 = 1;
    }
    for (;;) {
        char *memory = malloc(1 << 20);
        if (!memory) return 4;
        memset(memory, 1, 1 << 20);
    }
}
