/* The receiver of the daemon's messages in the guest: takes each, keeps it as a file, and says 200.
 *
 *   receiver PORT FOLDER
 *
 * One at a time, with no other program's help: what a host's web server starts would be a part of what is judged. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM (1 << 20)

static char request[ROOM + 1];

/* Where the body begins, and how long it is; 0: the head is not whole yet. */
static size_t body_at(size_t size, size_t *length) {
    request[size] = 0;
    const char *end = strstr(request, "\r\n\r\n");
    if (!end)
        return 0;
    *length = 0;
    for (const char *line = request; line < end; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, "content-length:", 15) == 0)
            *length = strtoul(line + 15, NULL, 10);
    return end + 4 - request;
}

static void keep(const char *folder, const char *body, size_t length) {
    char path[4096], part[4096];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(path, sizeof path, "%s/%lld.%09ld.json", folder, (long long)now.tv_sec, now.tv_nsec);
    snprintf(part, sizeof part, "%s/part", folder);
    FILE *file = fopen(part, "w");
    if (!file || fwrite(body, 1, length, file) != length || fclose(file) != 0 || rename(part, path) != 0)
        perror(path);
}

static void serve(int connection, const char *folder) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    size_t size = 0, length = 0, at = 0;
    while (size < ROOM && (at == 0 || size < at + length)) {
        ssize_t got = read(connection, request + size, ROOM - size);
        if (got <= 0)
            return;
        size += got;
        at = body_at(size, &length);
    }
    if (at == 0 || size < at + length)
        return;
    keep(folder, request + at, length);
    if (write(connection, answer, sizeof answer - 1) < 0)
        perror("answer");
}

int main(int argc, char **argv) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct timeval patience = {.tv_sec = 20};
    if (argc != 3)
        return 2;
    /* From a container it is reached by the bridge's address. */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&address, sizeof address) < 0 || listen(listener, 16) < 0) {
        perror("receiver");
        return 1;
    }
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            continue;
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        serve(connection, argv[2]);
        close(connection);
    }
}
