/*
 * Tries what the daemon's unit forbids, from within: it is run as a service with the unit's own file, in
 * place of the daemon. A line for each: what was tried, and what came of it ("done", or the errno).
 *
 *   probe NODE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, long answer)
{
	printf("%s: %s\n", what, answer >= 0 ? "done" : strerrorname_np(errno));
}

static void opened(const char *path, int flags)
{
	char what[200];
	snprintf(what, sizeof(what), "open %s to %s", path, flags == O_RDONLY ? "read" : "write");
	say(what, open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
}

static long prlimit_of(int who)
{
	return syscall(SYS_setpriority, 0, who, -5);
}

int main(int argc, char **argv)
{
	struct timespec now = { 0, 0 };
	char there[8] = "", here[8];
	struct iovec local = { here, sizeof(here) }, remote = { there, sizeof(there) };

	if (argc != 2)
		return 2;
	/* What it needs. */
	opened("/dev/fuse", O_RDWR);
	opened("/run/shrbuf/probe", O_WRONLY | O_CREAT);
	say("open a private mount", syscall(SYS_fsopen, "fuse", 0));
	say("a Unix socket", socket(AF_UNIX, SOCK_SEQPACKET, 0));
	/* What it doesn't. */
	opened(argv[1], O_RDWR);
	opened("/etc/probe", O_WRONLY | O_CREAT);
	opened("/usr/probe", O_WRONLY | O_CREAT);
	opened("/home/probe", O_WRONLY | O_CREAT);
	opened("/var/lib/probe", O_WRONLY | O_CREAT);
	opened("/dev/kmsg", O_WRONLY);
	opened("/proc/sys/kernel/hostname", O_WRONLY);
	opened("/sys/kernel/mm/ksm/run", O_WRONLY);
	opened("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY);
	opened("/usr/lib/modules", O_RDONLY);
	say("an Internet socket", socket(AF_INET, SOCK_STREAM, 0));
	say("a netlink socket", socket(AF_NETLINK, SOCK_RAW, 0));
	say("a packet socket", socket(AF_PACKET, SOCK_RAW, 0));
	say("ptrace", ptrace(PTRACE_SEIZE, getppid(), 0, 0));
	say("process_vm_readv", process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	say("process_vm_writev", process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	say("pidfd_getfd", syscall(SYS_pidfd_getfd, -1, 0, 0));
	say("mount", syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, ""));
	say("umount", syscall(SYS_umount2, "/tmp", 0));
	say("move_mount", syscall(SYS_move_mount, -1, "", -1, "", 0));
	say("chroot", chroot("/tmp"));
	say("a user namespace", unshare(CLONE_NEWUSER));
	say("a mount namespace", unshare(CLONE_NEWNS));
	say("mknod", mknod("/run/shrbuf/null", S_IFCHR | 0600, makedev(1, 3)));
	say("a set-uid file", chmod("/run/shrbuf/probe", S_ISUID | 0700));
	say("another owner", chown("/run/shrbuf/probe", 1000, -1));
	say("another user", setuid(1000));
	say("another group", syscall(SYS_setgroups, 0, NULL));
	say("a kernel module", syscall(SYS_init_module, "", 0, ""));
	say("another time", clock_settime(CLOCK_REALTIME, &now));
	say("another name", sethostname("probe", 5));
	say("the kernel's log", syscall(SYS_syslog, 10, NULL, 0));
	say("a key", syscall(SYS_add_key, "user", "probe", "x", 1, -1));
	say("a BPF program", syscall(SYS_bpf, 0, NULL, 0));
	say("a performance counter", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	say("another personality", personality(ADDR_NO_RANDOMIZE));
	say("memory to write and run", mmap(NULL, 4096, PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	say("a higher priority", prlimit_of(getpid()));
	say("new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? (errno = EPERM, -1) : 0);
	unlink("/run/shrbuf/probe");
	return 0;
}
