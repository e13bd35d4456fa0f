/* What a storm spawns: nothing but a process. */
int main(void) { return 0; }
