/* A fault that the kernel ends with SIGSEGV; without a core file, which would only measure the disk. */
#include <sys/resource.h>

int main(void) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    *(volatile int *)0 = 1;
    return 0;
}
