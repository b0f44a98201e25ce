package main

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"
)

const (
	// Every address of podNetwork is local inside: a process that listens on
	// the address of a pod is that pod. The API server refuses to proxy to
	// loopback addresses, so the pods need a network of their own.
	podNetwork = "10.244.0.0/16"
	capNetAdm  = 12
)

// inNamespace makes a process start in a user and a network namespace of its
// own. The mapping keeps everybody who he was: root with all ids, another user
// with his alone and with just the capability to set up the network.
func inNamespace() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
	}
	if os.Geteuid() != 0 {
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		attr.AmbientCaps = []uintptr{capNetAdm}
		return attr, nil
	}
	var err error
	if attr.UidMappings, err = sameIDs("/proc/self/uid_map"); err != nil {
		return nil, err
	}
	if attr.GidMappings, err = sameIDs("/proc/self/gid_map"); err != nil {
		return nil, err
	}
	attr.GidMappingsEnableSetgroups = true
	return attr, nil
}

// sameIDs maps every id that exists here to itself.
func sameIDs(file string) ([]syscall.SysProcIDMap, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ids []syscall.SysProcIDMap
	for {
		var inside, outside, size int
		if _, err := fmt.Fscan(f, &inside, &outside, &size); err != nil {
			break
		}
		ids = append(ids, syscall.SysProcIDMap{ContainerID: inside, HostID: inside, Size: size})
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s: no ids", file)
	}
	return ids, nil
}

// The two forms of struct ifreq that are needed, as the kernel lays them out.
type ifreqFlags struct {
	name  [16]byte
	flags uint16
	_     [22]byte
}

type ifreqAddr struct {
	name   [16]byte
	family uint16
	port   uint16
	addr   [4]byte
	_      [16]byte
}

// setUpNetwork does `ip link set lo up; ip addr add 10.244.0.0/16 dev lo`
// without needing the program ip.
func setUpNetwork() error {
	_, network, err := net.ParseCIDR(podNetwork)
	if err != nil {
		return err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	up := ifreqFlags{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(up.name[:], "lo")
	if err := ioctl(fd, syscall.SIOCSIFFLAGS, unsafe.Pointer(&up)); err != nil {
		return fmt.Errorf("lo up: %w", err)
	}
	pods := ifreqAddr{family: syscall.AF_INET}
	copy(pods.name[:], "lo:pods")
	copy(pods.addr[:], network.IP.To4())
	if err := ioctl(fd, syscall.SIOCSIFADDR, unsafe.Pointer(&pods)); err != nil {
		return fmt.Errorf("address of the pod network: %w", err)
	}
	copy(pods.addr[:], network.Mask)
	if err := ioctl(fd, syscall.SIOCSIFNETMASK, unsafe.Pointer(&pods)); err != nil {
		return fmt.Errorf("mask of the pod network: %w", err)
	}
	return nil
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
