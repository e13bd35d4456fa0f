/* What goes wrong in a soak:
 *
 *   faults fill MIB           takes that much memory at once, which its cgroup does not allow
 *   faults leak MIB SECONDS   takes that much in this time, evenly, and ends well
 *   faults exit STATUS        ends with this status
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS_A_SECOND 5

static void take(size_t bytes) {
    char *memory = malloc(bytes);
    if (!memory) {
        exit(1);
    }
    memset(memory, 1, bytes);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "fill") == 0) {
        for (long n = atol(argv[2]); n > 0; n--) {
            take(1 << 20);
        }
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "leak") == 0) {
        long steps = atol(argv[3]) * STEPS_A_SECOND;
        for (long n = 0; n < steps; n++) {
            take((atol(argv[2]) << 20) / steps);
            usleep(1000000 / STEPS_A_SECOND);
        }
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "exit") == 0) {
        return atoi(argv[2]);
    }
    return 2;
}
