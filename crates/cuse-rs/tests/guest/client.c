/* A program that uses files which the tests serve: client WHAT PATH. It prints what went wrong, and
 * ends with 1 then. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LENGTH _IOR('m', 1, uint32_t)
#define WAIT _IO('t', 1)
#define NESTED _IOWR('t', 2, struct nested)
#define SECONDS 30 /* for anything; a test that hangs is ended then */

struct nested {
    uint64_t address;
    uint32_t length;
    uint32_t sum;
};

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno);                   \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

static int opened(const char *path)
{
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0);
    return fd;
}

/* Waits until the process sits in a system call that sleeps. */
static void wait_until_it_sleeps(pid_t pid)
{
    char name[64], line[256] = "";
    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    for (char state = 0; state != 'S';) {
        FILE *file = fopen(name, "r");
        CHECK(file && fgets(line, sizeof line, file));
        fclose(file);
        state = strrchr(line, ')')[2];
        sched_yield();
    }
}

static void memo(const char *path)
{
    int fd = opened(path), other = opened(path);
    uint32_t length = 9;
    struct pollfd one = {.fd = fd, .events = POLLIN};
    CHECK(ioctl(fd, LENGTH, &length) == 0 && length == 0);
    CHECK(ioctl(fd, LENGTH, NULL) == -1 && errno == EFAULT);
    CHECK(ioctl(fd, WAIT) == -1 && errno == ENOTTY);
    CHECK(poll(&one, 1, 0) == 0);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENODEV);
    pid_t pid = fork();
    if (pid == 0)
        _exit(poll(&one, 1, SECONDS * 1000) == 1 && one.revents == POLLIN ? 0 : 1);
    wait_until_it_sleeps(pid);
    CHECK(write(other, "hello", 5) == 5);
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    char small[8] = "";
    CHECK(read(fd, small, 8) == 5 && memcmp(small, "hello", 5) == 0 && read(fd, small, 8) == 0);

    /* Longer than one request each. */
    static char out[500000], in[600000];
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (char)(i * 7 >> 3);
    CHECK(write(other, out, sizeof out) == sizeof out);
    CHECK(ioctl(fd, LENGTH, &length) == 0 && length == 500005);
    CHECK(read(fd, in, sizeof in) == sizeof out && memcmp(in, out, sizeof out) == 0);
    CHECK(close(fd) == 0 && close(other) == 0);
}

static volatile sig_atomic_t signals;
static void count(int signal) { (void)signal, signals++; }

/* SIGALRM a thousand times a second, without SA_RESTART. */
static void alarms(void)
{
    struct sigaction action = {.sa_handler = count};
    struct itimerval often = {{0, 1000}, {0, 1000}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

#define MANY 60 /* emulated, a second has some ten of each */

/* Reads until many were interrupted and many were not. */
static void interrupted(const char *path)
{
    int fd = opened(path), ends = 0, bytes = 0;
    time_t end = time(NULL) + SECONDS;
    alarms();
    while ((ends < MANY || bytes < MANY) && time(NULL) < end) {
        char byte = 0;
        ssize_t got = read(fd, &byte, 1);
        if (got == 1 && byte == 'x')
            bytes++;
        else if (got == -1 && errno == EINTR)
            ends++;
        else
            CHECK(!"neither a byte nor EINTR");
    }
    printf("%d times EINTR, %d bytes\n", ends, bytes);
    CHECK(ends >= MANY && bytes >= MANY);
}

/* An ioctl that nothing interrupts, whatever signals come. */
static void deaf(const char *path)
{
    int fd = opened(path);
    alarms();
    CHECK(ioctl(fd, WAIT) == 7);
    CHECK(signals > 0);
}

static void waits(const char *path)
{
    char byte;
    int fd;
    do
        fd = open(path, O_RDWR);
    while (fd < 0 && errno == EINTR);
    CHECK(fd >= 0);
    ssize_t got = read(fd, &byte, 1);
    printf("%zd %d\n", got, got == -1 ? errno : byte);
}

static void alarmed(const char *path)
{
    alarms();
    waits(path);
}

/* Memory that the argument points to. */
static void nested(const char *path)
{
    int fd = opened(path);
    uint8_t bytes[4] = {1, 2, 3, 4};
    struct nested it = {.address = (uintptr_t)bytes, .length = sizeof bytes};
    CHECK(ioctl(fd, NESTED, &it) == 5);
    CHECK(it.sum == 10 && memcmp(bytes, "\4\3\2\1", 4) == 0);
    it.address = 8;
    CHECK(ioctl(fd, NESTED, &it) == -1 && errno == EFAULT);
    CHECK(ioctl(fd, NESTED, NULL) == -1 && errno == EFAULT);
}

/* A mapping beside read and write. */
static void mapped(const char *path)
{
    int fd = opened(path);
    char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), byte = 0;
    CHECK(at != MAP_FAILED);
    CHECK(at[0] == 'M');
    at[1] = 'W';
    CHECK(read(fd, &byte, 1) == 1 && byte == 'x'); /* that comes from the handler still */
    CHECK(munmap(at, 4096) == 0 && close(fd) == 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *);
    } all[] = {{"memo", memo}, {"interrupted", interrupted}, {"deaf", deaf},
               {"waits", waits}, {"alarmed", alarmed}, {"nested", nested}, {"mapped", mapped}};
    if (argc == 3)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            if (strcmp(all[i].name, argv[1]) == 0)
                return all[i].run(argv[2]), 0;
    return 2;
}
