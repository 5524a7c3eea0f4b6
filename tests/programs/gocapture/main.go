// Gocapture captures frames from a V4L2 node and exports its buffers, with
// nothing but raw system calls: no C library is in the way, so what it sees is
// what the kernel interface itself answers.
//
//	gocapture [-l] [-n FRAMES] CAPTURE
//
// It prints one line for each check, as the C programs beside it do. Exit
// status: 0 fine, 1 a check failed, 2 usage, 77 the device can't be used.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	exitFailed = 1
	exitUsage  = 2
	exitUnfit  = 77
)

// A frame that isn't there by then never comes: generous for emulated machines.
const frameDeadline = 60 * time.Second

// check is one line of the output. Its function returns what was done and what
// came back, or what's wrong.
type check struct {
	id  string
	run func(c *camera) (done string, err error)
}

var checks = []check{
	{"open-is-cloexec", openIsCloexec},
	{"reqbufs", reqbufs},
	{"expbuf", expbuf},
	{"expbuf-wrong-index", expbufWrongIndex},
	{"export-read", exportRead},
	{"export-map", exportMap},
	{"node-map", nodeMap},
	{"stream", stream},
	{"dqbuf-nonblocking", dqbufNonblocking},
	{"orphan", orphan},
}

func main() {
	list := flag.Bool("l", false, "list the checks instead of running them")
	frames := flag.Int("n", 20, "how many `frames` to capture")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: gocapture [-l] [-n FRAMES] CAPTURE")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *list && flag.NArg() == 0 {
		for _, c := range checks {
			fmt.Println("gocapture/" + c.id)
		}
		return
	}
	if *list || flag.NArg() != 1 || *frames < 1 {
		flag.Usage()
		os.Exit(exitUsage)
	}
	cam, err := openCamera(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "gocapture:", err)
		os.Exit(exitUnfit)
	}
	cam.frames = *frames
	if !runAll(cam) {
		os.Exit(exitFailed)
	}
}

// runAll runs the checks in order, each on what the ones before have set up. One
// that lacks something of theirs fails, and says what.
func runAll(cam *camera) bool {
	passed, failed := 0, 0
	for _, c := range checks {
		done, err := c.run(cam)
		if err != nil {
			failed++
			fmt.Printf("FAIL gocapture/%s: %s\n", c.id, err)
			continue
		}
		passed++
		fmt.Printf("ok   gocapture/%s: %s\n", c.id, done)
	}
	fmt.Printf("%d passed, %d failed, 0 skipped\n", passed, failed)
	return failed == 0
}

// ---- the checks ------------------------------------------------------------

func openIsCloexec(c *camera) (string, error) {
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(c.fd), syscall.F_GETFD, 0)
	if errno != 0 || flags != syscall.FD_CLOEXEC {
		return "", fmt.Errorf("F_GETFD of the node -> got %d (%s)", flags, name(errno))
	}
	return "open with O_CLOEXEC, F_GETFD -> FD_CLOEXEC", nil
}

func reqbufs(c *camera) (string, error) {
	if err := c.requestBuffers(4); err != nil {
		return "", err
	}
	for index := range c.buffers {
		if err := c.queryBuffer(index); err != nil {
			return "", err
		}
	}
	return "REQBUFS, and QUERYBUF of each buffer -> 0", nil
}

func expbuf(c *camera) (string, error) {
	for index := range c.buffers {
		for plane := range c.buffers[index] {
			fd, errno := c.exportBuffer(index, plane, syscall.O_RDWR|syscall.O_CLOEXEC)
			if errno != 0 {
				return "", fmt.Errorf("EXPBUF -> got %s, expected 0", name(errno))
			}
			c.buffers[index][plane].export = fd
		}
	}
	return "EXPBUF of each plane of each buffer -> 0", nil
}

func expbufWrongIndex(c *camera) (string, error) {
	_, errno := c.exportBuffer(len(c.buffers), 0, syscall.O_RDWR)
	return answer("EXPBUF of the index after the last buffer", errno, syscall.EINVAL)
}

func exportRead(c *camera) (string, error) {
	p, err := c.firstPlane()
	if err != nil {
		return "", err
	}
	_, err = syscall.Read(p.export, make([]byte, 1))
	return answer("read of an export", errnoOf(err), syscall.EINVAL)
}

func exportMap(c *camera) (string, error) {
	for _, planes := range c.buffers {
		for i := range planes {
			p := &planes[i]
			data, err := syscall.Mmap(p.export, 0, p.length,
				syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
			if err != nil {
				return "", fmt.Errorf("mmap of an export -> got %s, expected 0", name(errnoOf(err)))
			}
			p.shared = data
		}
	}
	return "mmap of each export -> 0", nil
}

func nodeMap(c *camera) (string, error) {
	p, err := c.firstExport()
	if err != nil {
		return "", err
	}
	own, err := syscall.Mmap(c.fd, p.offset, p.length,
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return "", fmt.Errorf("mmap of the node -> got %s, expected 0", name(errnoOf(err)))
	}
	defer syscall.Munmap(own)
	for i := range own {
		own[i] = byte(i * 7)
	}
	for i := range own {
		if p.shared[i] != byte(i*7) {
			return "", errors.New("mmap of the node and of the export -> two memories")
		}
	}
	return "mmap of the node and of the export -> one memory", nil
}

// stream captures the frames and looks at each through the export's mapping.
func stream(c *camera) (string, error) {
	for index := range c.buffers {
		if errno := c.queue(index); errno != 0 {
			return "", fmt.Errorf("QBUF -> got %s, expected 0", name(errno))
		}
	}
	if errno := c.streamOn(); errno != 0 {
		return "", fmt.Errorf("STREAMON -> got %s, expected 0", name(errno))
	}
	previous := frame{sequence: -1}
	for n := 0; n < c.frames; n++ {
		f, err := c.capture()
		if err != nil {
			return "", fmt.Errorf("frame %d -> %w", n, err)
		}
		if err := c.judge(f, previous); err != nil {
			return "", fmt.Errorf("frame %d -> %w", n, err)
		}
		previous = f
		if errno := c.queue(f.index); errno != 0 {
			return "", fmt.Errorf("QBUF of a captured buffer -> got %s, expected 0", name(errno))
		}
	}
	return fmt.Sprintf("%d frames captured -> sequence and time rise, each picture is new", c.frames), nil
}

// dqbufNonblocking takes what is ready until there's nothing.
func dqbufNonblocking(c *camera) (string, error) {
	if err := syscall.SetNonblock(c.fd, true); err != nil {
		return "", fmt.Errorf("O_NONBLOCK -> %s", name(errnoOf(err)))
	}
	for range c.buffers {
		// All of them are taken at last, and none is queued again.
		if _, err := c.capture(); err != nil {
			return "", err
		}
	}
	_, errno := c.dequeue()
	return answer("DQBUF with O_NONBLOCK, all buffers dequeued", errno, syscall.EAGAIN)
}

func orphan(c *camera) (string, error) {
	p, err := c.firstExport()
	if err != nil {
		return "", err
	}
	if errno := c.streamOff(); errno != 0 {
		return "", fmt.Errorf("STREAMOFF -> got %s, expected 0", name(errno))
	}
	for i := range p.shared {
		p.shared[i] = byte(i * 11)
	}
	if err := c.requestBuffers(0); err != nil {
		return "", err
	}
	syscall.Close(c.fd)
	for i := range p.shared {
		if p.shared[i] != byte(i*11) {
			return "", errors.New("REQBUFS(0) and close while exported -> contents changed")
		}
	}
	return "REQBUFS(0) and close while exported -> contents unchanged", nil
}

// ---- helpers -----------------------------------------------------------------

// answer is the line of a check whose answer is one errno.
func answer(done string, got, want syscall.Errno) (string, error) {
	if got != want {
		return "", fmt.Errorf("%s -> got %s, expected %s", done, name(got), name(want))
	}
	return fmt.Sprintf("%s -> %s", done, name(want)), nil
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// name gives the names of the errnos that these checks may see.
func name(errno syscall.Errno) string {
	names := map[syscall.Errno]string{
		0: "0", syscall.EINVAL: "EINVAL", syscall.EAGAIN: "EAGAIN", syscall.EBUSY: "EBUSY",
		syscall.ENOTTY: "ENOTTY", syscall.EFAULT: "EFAULT", syscall.EBADF: "EBADF",
		syscall.ENODEV: "ENODEV", syscall.EACCES: "EACCES", syscall.EINTR: "EINTR",
		syscall.ENOMEM: "ENOMEM", syscall.EIO: "EIO", syscall.EPERM: "EPERM",
		syscall.EMFILE: "EMFILE",
	}
	if text, ok := names[errno]; ok {
		return text
	}
	return "errno " + strings.TrimSpace(fmt.Sprint(int(errno)))
}

func ioctl(fd int, request uintptr, argument unsafe.Pointer) syscall.Errno {
	for {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
		// The Go runtime sends itself signals to preempt goroutines.
		if errno != syscall.EINTR {
			return errno
		}
	}
}
