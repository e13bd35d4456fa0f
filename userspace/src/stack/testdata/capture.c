/* Runs a program until a fatal signal and prints what a kernel could capture then: registers, the top of the
 * stack, the load map from the process's own memory, a walk by frame pointers, and (for the test) its maps. */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t pid;

static size_t read_some(uint64_t address, void *to, size_t length) {
    struct iovec local = {to, length}, remote = {(void *)address, length};
    ssize_t done = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    return done < 0 ? 0 : (size_t)done;
}

static int read_all(uint64_t address, void *to, size_t length) { return read_some(address, to, length) == length; }

static void load_map(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/auxv", pid);
    FILE *file = fopen(path, "r");
    Elf64_auxv_t entry;
    uint64_t headers = 0, count = 0, bias = 0, dynamic = 0, debug = 0;
    while (file != NULL && fread(&entry, sizeof entry, 1, file) == 1) {
        if (entry.a_type == AT_PHDR)
            headers = entry.a_un.a_val;
        if (entry.a_type == AT_PHNUM)
            count = entry.a_un.a_val;
        if (entry.a_type == AT_ENTRY)
            printf("entry %lx\n", entry.a_un.a_val);
        if (entry.a_type == AT_SYSINFO_EHDR)
            printf("vdso %lx\n", entry.a_un.a_val);
    }
    if (file != NULL)
        fclose(file);
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Phdr header;
        if (!read_all(headers + i * sizeof header, &header, sizeof header))
            return;
        if (header.p_type == PT_PHDR)
            bias = headers - header.p_vaddr;
        if (header.p_type == PT_DYNAMIC)
            dynamic = header.p_vaddr;
    }
    Elf64_Dyn dyn;
    if (dynamic == 0)
        return;
    for (uint64_t at = dynamic + bias; read_all(at, &dyn, sizeof dyn) && dyn.d_tag != DT_NULL; at += sizeof dyn)
        if (dyn.d_tag == DT_DEBUG)
            debug = dyn.d_un.d_ptr;
    struct r_debug list;
    if (debug == 0 || !read_all(debug, &list, sizeof list))
        return;
    struct link_map module;
    int room = 64;
    for (uint64_t at = (uint64_t)list.r_map; at != 0 && room-- > 0; at = (uint64_t)module.l_next) {
        char name[256] = "";
        if (!read_all(at, &module, sizeof module))
            return;
        read_some((uint64_t)module.l_name, name, sizeof name - 1);
        printf("module %lx %s\n", module.l_addr, name);
    }
}

static void capture(pid_t thread, int signal) {
    struct user_regs_struct r;
    ptrace(PTRACE_GETREGS, thread, 0, &r);
    printf("crash %d\nregs %llx", signal, r.rip);
    unsigned long long general[] = {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp,
                                    r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
    for (int i = 0; i < 16; i++)
        printf(" %llx", general[i]);
    uint64_t top, at = r.rsp, pair[2], frame = r.rbp;
    if (read_all(r.rsp, &top, sizeof top))
        printf("\ntop %lx", top);
    static unsigned char stack[16384];
    size_t length = read_some(at, stack, sizeof stack);
    if (length == 0)
        length = read_some(at = (r.rsp + 4095) & ~4095ul, stack, sizeof stack);
    printf("\nstack %lx ", at);
    for (size_t i = 0; i < length; i++)
        printf("%02x", stack[i]);
    printf("\nframe %llx\n", r.rip);
    for (int depth = 1; depth < 32 && read_all(frame, pair, sizeof pair); depth++) {
        printf("frame %lx\n", pair[1]);
        frame = pair[0];
    }
    load_map();
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file))
        printf("map %s", line);
    if (file != NULL)
        fclose(file);
}

int main(int argc, char **argv) {
    (void)argc;
    pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(argv[1], argv + 1);
        _exit(127);
    }
    int status, begun = 0;
    pid_t thread;
    while ((thread = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status))
            continue;
        int signal = WSTOPSIG(status), event = status >> 16;
        if (!begun && signal == SIGTRAP) {
            begun = 1;
            ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
            signal = 0;
        } else if (event != 0 || signal == SIGSTOP) {
            signal = 0;
        } else {
            capture(thread, signal);
        }
        ptrace(PTRACE_CONT, thread, 0, signal);
    }
    return 0;
}
