// A static Go program that exports, or with a third word has its descriptor swapped, from several
// threads, with the runtime's own signals and garbage collection under way:
// `gocaller NODE ROUNDS [swap]`.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

type exportBuffer struct {
	kind, index, plane, flags uint32
	fd                        int32
	reserved                  [11]uint32
}

const expbuf = 0xc0405610

func export(node int) error {
	arg := exportBuffer{kind: 1, flags: syscall.O_CLOEXEC, fd: -77}
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(node), expbuf, uintptr(unsafe.Pointer(&arg)))
	if errno != 0 {
		return errno
	}
	defer syscall.Close(int(arg.fd))
	text := make([]byte, 6)
	if n, err := syscall.Pread(int(arg.fd), text, 0); n != 6 || err != nil || string(text) != "shared" {
		return fmt.Errorf("number %d: %q, %v", arg.fd, text, err)
	}
	return nil
}

type requestBuffers struct {
	kind, told uint32
	rest       [3]uint32
}

const reqbufs = 0xc0145608

// One swap, deep in a stack that is as small as it can be.
func swap(path string) error {
	node, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(node)
	done := make(chan error)
	go func() {
		arg := requestBuffers{told: 7}
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(node), reqbufs, uintptr(unsafe.Pointer(&arg)))
		if errno != 0 {
			done <- errno
		} else if arg.told != 0x5a {
			done <- fmt.Errorf("told %d", arg.told)
		} else {
			done <- nil
		}
	}()
	if err := <-done; err != nil {
		return err
	}
	text := make([]byte, 6)
	if n, err := syscall.Pread(node, text, 0); n != 6 || err != nil || string(text) != "shared" {
		return fmt.Errorf("number %d: %q, %v", node, text, err)
	}
	return nil
}

func main() {
	rounds, _ := strconv.Atoi(os.Args[2])
	runtime.GOMAXPROCS(4)
	node, err := syscall.Open(os.Args[1], syscall.O_RDWR, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var group sync.WaitGroup
	status := 0
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < rounds; i++ {
				err := error(nil)
				if len(os.Args) > 3 {
					err = swap(os.Args[1])
				} else {
					err = export(node)
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					status = 1
				}
				_ = make([]byte, 100000)
			}
		}()
	}
	group.Wait()
	os.Exit(status)
}
