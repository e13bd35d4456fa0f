/* A program that has nothing in it but its own code, and crashes three calls deep. */
int *volatile nowhere = (int *)8;
int volatile after;

__attribute__((noinline)) void write_nowhere(void) {
    *nowhere = 1;
    after = 1;
}

__attribute__((noinline)) void middle(void) {
    write_nowhere();
    after = 2;
}

__attribute__((noinline)) void outer(void) {
    middle();
    after = 3;
}

void _start(void) {
    outer();
    after = 4;
    for (;;)
        ;
}
