// A file system whose server hangs on demand: `hang MOUNTPOINT FILE` mounts one in which every name is FILE, and serves
// it until SIGUSR1. From then on it takes requests and answers none, so that even SIGKILL does not end who waits.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <errno.h>

static volatile sig_atomic_t hung;
static void hang(int signal) { (void)signal; hung = 1; }

static int device, file;
static struct stat whole;

static void answer(__u64 unique, int error, void *body, size_t length) {
    struct fuse_out_header head = {.len = sizeof head + (error ? 0 : length), .error = -error, .unique = unique};
    struct iovec parts[] = {{&head, sizeof head}, {body, error ? 0 : length}};
    if (writev(device, parts, 2) < 0 && errno != ENOENT) perror("answer");
}

static struct fuse_attr attributes(__u64 inode) {
    struct fuse_attr it = {.ino = inode, .nlink = 1, .blksize = 4096, .mode = S_IFDIR | 0755};
    if (inode == 2) { it.mode = S_IFREG | 0755; it.size = whole.st_size; it.blocks = (whole.st_size + 511) / 512; }
    return it;
}

static void serve(char *request) {
    struct fuse_in_header *head = (void *)request;
    void *body = request + sizeof *head;
    switch (head->opcode) {
    case FUSE_INIT: {
        struct fuse_init_out out = {.major = 7, .minor = 31, .max_write = 65536, .max_readahead = 65536,
                                    .max_background = 12, .congestion_threshold = 9};
        answer(head->unique, 0, &out, sizeof out);
        break;
    }
    case FUSE_LOOKUP: {
        struct fuse_entry_out out = {.nodeid = 2, .attr = attributes(2)};
        answer(head->unique, 0, &out, sizeof out);
        break;
    }
    case FUSE_GETATTR: {
        struct fuse_attr_out out = {.attr = attributes(head->nodeid)};
        answer(head->unique, 0, &out, sizeof out);
        break;
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR: {
        // Who opens it again takes no page from those that run it.
        struct fuse_open_out out = {.fh = 1, .open_flags = FOPEN_KEEP_CACHE};
        answer(head->unique, 0, &out, sizeof out);
        break;
    }
    case FUSE_READ: {
        static char bytes[1 << 20];
        struct fuse_read_in *in = body;
        ssize_t got = pread(file, bytes, in->size < sizeof bytes ? in->size : sizeof bytes, in->offset);
        answer(head->unique, got < 0 ? EIO : 0, bytes, got < 0 ? 0 : got);
        break;
    }
    case FUSE_STATFS: {
        struct fuse_statfs_out out = {.st = {.bsize = 4096, .namelen = 255}};
        answer(head->unique, 0, &out, sizeof out);
        break;
    }
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_FLUSH:
        answer(head->unique, 0, NULL, 0);
        break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        break;
    default:
        answer(head->unique, ENOSYS, NULL, 0);
    }
}

int main(int count, char **words) {
    static char request[1 << 20];
    char options[128];
    if (count != 3 || (file = open(words[2], O_RDONLY)) < 0 || fstat(file, &whole) < 0) return 2;
    signal(SIGUSR1, hang);
    if ((device = open("/dev/fuse", O_RDWR)) < 0) { perror("/dev/fuse"); return 3; }
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
    if (mount("hang", words[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) { perror("mount"); return 4; }
    for (;;) {
        ssize_t got = read(device, request, sizeof request);
        if (got < 0 && errno == ENODEV) return 0;
        if (got > 0 && !hung) serve(request);
    }
}
