/* A program that has one file of the private mount as its standard input, and in its standard output
 * a socket to the test: client WHAT. It says what went wrong, and ends with 1 then. The test does
 * something when the program asks for it, by a line, and then sends a byte. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_FD 0
#define ADD _IOWR('T', 1, char[64])
#define WAIT _IO('T', 2)
#define PAGE 4096
#define FIRST (1 << 20) /* where the file's pages begin, as in mod.rs */
#define SIZE (3 << 20)
#define SECONDS 60 /* for anything: a program that hangs is ended then */

static void say(const char *line)
{
    if (write(1, line, strlen(line)) != (ssize_t)strlen(line))
        _exit(2);
}

static void failed(int line, const char *what, int error)
{
    char text[256];
    snprintf(text, sizeof text, "line %d: %s (errno %d)\n", line, what, error);
    say(text);
    _exit(1);
}

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition))                                                                      \
            failed(__LINE__, #condition, errno);                                               \
    } while (0)

/* Has the test do something. */
static void step(const char *what)
{
    char line[64], byte;
    snprintf(line, sizeof line, "%s\n", what);
    say(line);
    CHECK(read(1, &byte, 1) == 1);
}

static char *mapped(off_t offset, size_t length, int protection)
{
    char *at = mmap(NULL, length, protection, MAP_SHARED, FILE_FD, offset);
    CHECK(at != MAP_FAILED);
    return at;
}

/* Whether a touch of the mapping is a SIGBUS; in a process of its own. */
static int bus_error(volatile char *at)
{
    int status = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(*at ? 3 : 4);
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

static int bus_error_at(off_t offset)
{
    char *at = mapped(offset, PAGE, PROT_READ);
    int found = bus_error(at);
    CHECK(munmap(at, PAGE) == 0);
    return found;
}

static volatile sig_atomic_t signals;
static void count(int signal) { (void)signal, signals++; }

/* What holds however the file is mapped. */
static void calls(void)
{
    CHECK(getuid() == 1000 && geteuid() == 1000);
    char bytes[64] = {1, 2, 3};
    CHECK(ioctl(FILE_FD, ADD, bytes) == 7 && bytes[0] == 2 && bytes[1] == 3 && bytes[63] == 1);
    CHECK(ioctl(FILE_FD, ADD, NULL) == -1 && errno == EFAULT);
    CHECK(ioctl(FILE_FD, _IO('T', 99)) == -1 && errno == ENOTTY);

    struct stat found;
    CHECK(fstat(FILE_FD, &found) == 0 && S_ISREG(found.st_mode) && found.st_size == SIZE);
    CHECK(open("/proc/self/fd/0", O_RDONLY) == -1 && errno == ENXIO);
    CHECK(open("/proc/self/fd/0", O_RDWR | O_TRUNC) == -1);
    CHECK(open("/proc/self/fd/0/..", O_RDONLY) == -1 && errno == ENOTDIR);
    CHECK(ftruncate(FILE_FD, 0) == -1 && errno == EINVAL);
    CHECK(fchmod(FILE_FD, 0777) == -1 && errno == EPERM);
    CHECK(fstat(FILE_FD, &found) == 0 && found.st_size == SIZE);

    /* The test answers 5 bytes at most, and takes 60; its first says that each began at 0. */
    char text[8192];
    for (int i = 0; i < 3; i++) {
        memset(text, 0, sizeof text);
        CHECK(read(FILE_FD, text, sizeof text) == 5 && memcmp(text, "0read", 6) == 0);
        CHECK(write(FILE_FD, text, sizeof text) == 60);
        CHECK(write(FILE_FD, text, 10) == 10);
    }

    struct pollfd one = {.fd = FILE_FD, .events = POLLIN};
    CHECK(poll(&one, 1, 0) == 0);
    say("poll\n"); /* and goes on */
    CHECK(poll(&one, 1, SECONDS * 1000) == 1 && one.revents == POLLIN);
    step("polled");

    struct sigaction action = {.sa_handler = count};
    struct itimerval soon = {{0, 10000}, {0, 10000}}, never = {{0, 0}, {0, 0}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    CHECK(ioctl(FILE_FD, WAIT) == -1 && errno == EINTR && signals > 0);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static void cached(void)
{
    char *at = mapped(FIRST, SIZE - FIRST, PROT_READ | PROT_WRITE);
    CHECK(at[0] == 'a' && at[PAGE - 1] == 'a'); /* was stored before */
    CHECK(at[3 * PAGE] == 'p');                 /* is read in now */
    step("store b");
    CHECK(at[0] == 'b' && at[PAGE - 1] == 'b');
    at[10] = 'W';
    at[3 * PAGE + 1] = 'X';
    step("retrieve");
    step("invalidate");
    CHECK(at[0] == 'b' && at[10] == 'W' && at[3 * PAGE] == 'p' && at[3 * PAGE + 1] == 'X');
    step("store a frame");
    for (int i = 0; i < SIZE - FIRST; i++)
        CHECK(at[i] == (char)(i / PAGE));
    memset(at, 'M', SIZE - FIRST);
    step("retrieve a frame");

    CHECK(bus_error_at(0));
    CHECK(bus_error_at(SIZE));
    char byte[64] = {0};
    CHECK(ioctl(FILE_FD, ADD, byte) == 7); /* that was nobody's but the culprit's */

    at[5] = 'L';
    CHECK(close(FILE_FD) == 0);
    step("closed");
    CHECK(at[5] == 'L');
    at[6] = 'L';
    CHECK(munmap(at, SIZE - FIRST) == 0);
    step("unmapped");
}

static void passthrough(void)
{
    char *at = mapped(FIRST, SIZE - FIRST, PROT_READ | PROT_WRITE);
    CHECK(at[0] == 'a' && at[3 * PAGE] == 0);
    at[1] = 'W';
    step("written");
    CHECK(at[2] == 'D');
    CHECK(bus_error_at(SIZE));
    step("maps");
    CHECK(close(FILE_FD) == 0);
    step("closed");
    at[3] = 'L';
    step("still mapped");
    CHECK(munmap(at, SIZE - FIRST) == 0);
    step("unmapped");
}

/* The daemon is killed. Pages that were there stay; nothing hangs. */
static void bereaved(void)
{
    char *at = mapped(FIRST, SIZE - FIRST, PROT_READ | PROT_WRITE), bytes[64] = {0};
    CHECK(at[0] == 'a');
    at[1] = 'W';
    CHECK(ioctl(FILE_FD, ADD, bytes) == 7);
    step("kill");
    CHECK(ioctl(FILE_FD, ADD, bytes) == -1 && (errno == ENOTCONN || errno == ECONNABORTED));
    CHECK(read(FILE_FD, bytes, 1) == -1 && (errno == ENOTCONN || errno == ECONNABORTED));
    struct pollfd one = {.fd = FILE_FD, .events = POLLIN};
    CHECK(poll(&one, 1, SECONDS * 1000) == 1 && one.revents & POLLERR);
    CHECK(at[0] == 'a' && at[1] == 'W');
    at[2] = 'L';
    CHECK(at[2] == 'L');
    if (bus_error(at + SIZE / 2 - PAGE))
        step("lost");
    else
        step("kept");
    CHECK(munmap(at, SIZE - FIRST) == 0 && close(FILE_FD) == 0);
}

int main(int count, char **what)
{
    alarm(SECONDS);
    const struct {
        const char *name;
        void (*run)(void);
    } all[] = {{"calls", calls}, {"cached", cached}, {"passthrough", passthrough}, {"bereaved", bereaved}};
    for (size_t i = 0; count == 2 && i < sizeof all / sizeof *all; i++) {
        if (strcmp(what[1], all[i].name) == 0) {
            all[i].run();
            say("done\n");
            return 0;
        }
    }
    return 2;
}
