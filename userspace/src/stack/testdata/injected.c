/* A function that faults, and whose handler is called as if by it: the return address is the instruction that faulted. So
   does Go's runtime with sigpanic; there are frame pointers, and no rules for unwinding. */
int *volatile nowhere = (int *)8;
int volatile after;

__asm__(".text\n"
        "injected:\n"
        "    push %rbp\n"
        "    mov %rsp, %rbp\n"
        "    mov nowhere(%rip), %rax\n"
        "    movl $1, (%rax)\n"
        "    pop %rbp\n"
        "    ret\n"
        ".type injected, @function\n"
        ".size injected, . - injected\n"
        "faulty:\n"
        "    push %rbp\n"
        "    mov %rsp, %rbp\n"
        "    nop\n"
        "    lea 1f(%rip), %rax\n"
        "    push %rax\n"
        "    xor %eax, %eax\n"
        "    jmp injected\n"
        "    nop\n"
        "    nop\n"
        "1:  mov (%rax), %rax\n"
        "    pop %rbp\n"
        "    ret\n"
        ".type faulty, @function\n"
        ".size faulty, . - faulty\n"
        ".globl faulty\n");

void faulty(void);

__attribute__((noinline)) void outer(void) {
    faulty();
    after = 1;
}

void _start(void) {
    outer();
    after = 2;
    for (;;)
        ;
}
