package main

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// The kernel's structures, as <linux/videodev2.h> lays them out on 64-bit
// machines, and its ioctl numbers.

const (
	capCapture       = 0x1
	capCaptureMplane = 0x1000
	capStreaming     = 0x4000000

	typeCapture       = 1
	typeCaptureMplane = 9
	memoryMmap        = 1

	maxPlanes = 8
	pollIn    = 1
)

type capability struct {
	driver       [16]byte
	card         [32]byte
	busInfo      [32]byte
	version      uint32
	capabilities uint32
	deviceCaps   uint32
	reserved     [3]uint32
}

type requestBuffers struct {
	count, typ, memory, capabilities uint32
	flags                            uint8
	reserved                         [3]uint8
}

type plane struct {
	bytesused, length uint32
	m                 uint64
	dataOffset        uint32
	reserved          [11]uint32
}

type buffer struct {
	index, typ, bytesused, flags, field uint32
	timestamp                           syscall.Timeval
	timecode                            [16]byte
	sequence, memory                    uint32
	m                                   uint64 // offset, or the address of the planes
	length, reserved2, requestFd        uint32
}

type exportBuffer struct {
	typ, index, plane, flags uint32
	fd                       int32
	reserved                 [11]uint32
}

// ioctl directions
const (
	dirWrite = 1
	dirRead  = 2
)

func request(dir, number, size uintptr) uintptr {
	return dir<<30 | size<<16 | 'V'<<8 | number
}

var (
	vidiocQuerycap  = request(dirRead, 0, unsafe.Sizeof(capability{}))
	vidiocReqbufs   = request(dirRead|dirWrite, 8, unsafe.Sizeof(requestBuffers{}))
	vidiocQuerybuf  = request(dirRead|dirWrite, 9, unsafe.Sizeof(buffer{}))
	vidiocQbuf      = request(dirRead|dirWrite, 15, unsafe.Sizeof(buffer{}))
	vidiocExpbuf    = request(dirRead|dirWrite, 16, unsafe.Sizeof(exportBuffer{}))
	vidiocDqbuf     = request(dirRead|dirWrite, 17, unsafe.Sizeof(buffer{}))
	vidiocStreamon  = request(dirWrite, 18, 4)
	vidiocStreamoff = request(dirWrite, 19, 4)
)

// camera is an open capture node with its buffers.
type camera struct {
	fd      int
	typ     uint32
	frames  int
	buffers [][]mappedPlane // by index and plane
}

type mappedPlane struct {
	length int
	offset int64
	export int    // -1: not exported
	shared []byte // the mapping of the export; empty: not mapped
}

// frame is what DQBUF told.
type frame struct {
	index    int
	sequence int64
	time     time.Duration
	error    bool
	used     []uint32 // bytesused of each plane
	picture  []byte   // a copy of the first plane
}

func openCamera(path string) (*camera, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("can't open %s: %w", path, err)
	}
	var capa capability
	if errno := ioctl(fd, vidiocQuerycap, unsafe.Pointer(&capa)); errno != 0 {
		return nil, fmt.Errorf("%s: not a V4L2 device", path)
	}
	cam := &camera{fd: fd}
	switch {
	case capa.deviceCaps&capStreaming == 0:
		return nil, fmt.Errorf("%s: a device without streaming", path)
	case capa.deviceCaps&capCaptureMplane != 0:
		cam.typ = typeCaptureMplane
	case capa.deviceCaps&capCapture != 0:
		cam.typ = typeCapture
	default:
		return nil, fmt.Errorf("%s: not a video capture device", path)
	}
	return cam, nil
}

func (c *camera) multiplanar() bool { return c.typ == typeCaptureMplane }

// firstPlane is that of the first buffer.
func (c *camera) firstPlane() (*mappedPlane, error) {
	if len(c.buffers) == 0 || len(c.buffers[0]) == 0 {
		return nil, errors.New("there is no buffer")
	}
	return &c.buffers[0][0], nil
}

// firstExport is the first plane, exported and mapped.
func (c *camera) firstExport() (*mappedPlane, error) {
	p, err := c.firstPlane()
	if err == nil && len(p.shared) == 0 {
		err = errors.New("there is no mapping of an export")
	}
	return p, err
}

// requestBuffers frees what there is, and allocates anew if count isn't 0.
func (c *camera) requestBuffers(count uint32) error {
	req := requestBuffers{count: count, typ: c.typ, memory: memoryMmap}
	if errno := ioctl(c.fd, vidiocReqbufs, unsafe.Pointer(&req)); errno != 0 {
		return fmt.Errorf("REQBUFS -> got %s, expected 0", name(errno))
	}
	if count != 0 {
		c.buffers = make([][]mappedPlane, req.count)
	}
	return nil
}

// withBuffer calls request with a v4l2_buffer; planes holds its planes then.
func (c *camera) withBuffer(request uintptr, index int, b *buffer, planes *[maxPlanes]plane) syscall.Errno {
	*b = buffer{index: uint32(index), typ: c.typ, memory: memoryMmap}
	if c.multiplanar() {
		b.m = uint64(uintptr(unsafe.Pointer(planes)))
		b.length = maxPlanes
	}
	errno := ioctl(c.fd, request, unsafe.Pointer(b))
	if c.multiplanar() && b.length > maxPlanes {
		b.length = maxPlanes // no more were asked for
	}
	return errno
}

func (c *camera) queryBuffer(index int) error {
	var b buffer
	planes := new([maxPlanes]plane)
	if errno := c.withBuffer(vidiocQuerybuf, index, &b, planes); errno != 0 {
		return fmt.Errorf("QUERYBUF -> got %s, expected 0", name(errno))
	}
	if !c.multiplanar() {
		c.buffers[index] = []mappedPlane{{length: int(b.length), offset: int64(uint32(b.m)), export: -1}}
		return nil
	}
	for _, p := range planes[:b.length] {
		c.buffers[index] = append(c.buffers[index],
			mappedPlane{length: int(p.length), offset: int64(uint32(p.m)), export: -1})
	}
	return nil
}

func (c *camera) exportBuffer(index, plane int, flags uint32) (int, syscall.Errno) {
	exp := exportBuffer{typ: c.typ, index: uint32(index), plane: uint32(plane), flags: flags}
	errno := ioctl(c.fd, vidiocExpbuf, unsafe.Pointer(&exp))
	return int(exp.fd), errno
}

func (c *camera) queue(index int) syscall.Errno {
	var b buffer
	return c.withBuffer(vidiocQbuf, index, &b, new([maxPlanes]plane))
}

func (c *camera) dequeue() (frame, syscall.Errno) {
	var b buffer
	planes := new([maxPlanes]plane)
	if errno := c.withBuffer(vidiocDqbuf, 0, &b, planes); errno != 0 {
		return frame{}, errno
	}
	const flagError = 0x40
	f := frame{
		index:    int(b.index),
		sequence: int64(b.sequence),
		time:     time.Duration(b.timestamp.Nano()),
		error:    b.flags&flagError != 0,
		used:     []uint32{b.bytesused},
	}
	if c.multiplanar() {
		f.used = nil
		for _, p := range planes[:b.length] {
			f.used = append(f.used, p.bytesused)
		}
	}
	return f, 0
}

// capture waits for the next frame, and takes a copy of its first plane.
func (c *camera) capture() (frame, error) {
	if err := c.wait(); err != nil {
		return frame{}, err
	}
	f, errno := c.dequeue()
	if errno != 0 {
		return frame{}, fmt.Errorf("DQBUF: got %s, expected 0", name(errno))
	}
	if f.index >= len(c.buffers) || len(c.buffers[f.index]) == 0 {
		return frame{}, errors.New("DQBUF gave an index that there isn't")
	}
	f.picture = append(f.picture, c.buffers[f.index][0].shared...)
	return f, nil
}

func (c *camera) wait() error {
	type pollfd struct {
		fd              int32
		events, revents int16
	}
	end := time.Now().Add(frameDeadline)
	for time.Now().Before(end) {
		p := pollfd{fd: int32(c.fd), events: pollIn}
		_, _, errno := syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&p)), 1, 1000)
		if errno != 0 && errno != syscall.EINTR {
			return fmt.Errorf("poll: got %s", name(errno))
		}
		if p.revents&pollIn != 0 {
			return nil
		}
		if p.revents != 0 {
			return fmt.Errorf("poll: got events %#x, expected POLLIN", p.revents)
		}
	}
	return errors.New("poll: no frame")
}

// judge compares a frame with the one before it (sequence -1 before the first).
func (c *camera) judge(f, previous frame) error {
	switch {
	case f.error:
		return errors.New("flag ERROR")
	case f.sequence <= previous.sequence:
		return errors.New("the sequence doesn't rise")
	case previous.sequence >= 0 && f.time <= previous.time:
		return errors.New("the time doesn't rise")
	case len(f.used) != len(c.buffers[f.index]):
		return errors.New("the number of planes changed")
	case bytes.Equal(f.picture, previous.picture):
		return errors.New("the same picture again")
	}
	for plane, used := range f.used {
		if used == 0 || int(used) > c.buffers[f.index][plane].length {
			return errors.New("bytesused is 0 or beyond the plane")
		}
	}
	return nil
}

func (c *camera) streamOn() syscall.Errno  { return c.stream(vidiocStreamon) }
func (c *camera) streamOff() syscall.Errno { return c.stream(vidiocStreamoff) }

func (c *camera) stream(request uintptr) syscall.Errno {
	typ := int32(c.typ)
	return ioctl(c.fd, request, unsafe.Pointer(&typ))
}
