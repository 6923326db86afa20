/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers that the kernel and programs agree on, as far as they are not among the kernel's types. */
#pragma once

#define TASK_COMM_LEN 16
#define PF_IO_WORKER 0x00000010
#define PF_KTHREAD 0x00200000
#define ENOENT 2
#define EBADF 9
#define EFAULT 14
#define ENOTDIR 20
#define ENAMETOOLONG 36
#define ENOSYS 38
#define ELOOP 40
#define ECANCELED 125
#define ERESTARTSYS 512 /* this and more are not told to programs */
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 0x20
#define CLOCK_REALTIME 0
#define CAP_OPT_NOAUDIT 2
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_VSOCK 40
#define SOCK_TYPE_MASK 0xf
/* of socketcall, and ours */
enum {
	SYS_SOCKET = 1,
	SYS_BIND,
	SYS_CONNECT,
	SYS_LISTEN,
	SYS_ACCEPT,
	SYS_SOCKETPAIR = 8,
	SYS_SETSOCKOPT = 14,
	SYS_ACCEPT4 = 18
};
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFLNK 0120000
#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFIFO 0010000
#define ANON_INODE_FS_MAGIC 0x09041934
#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030
#define AT_FDCWD -100
#define AT_REMOVEDIR 0x200
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_SYMLINK_FOLLOW 0x400
#define AT_EMPTY_PATH 0x1000
#define O_TRUNC 01000
#define FAN_MARK_ADD 0x1
#define FAN_MARK_MOUNT 0x10
#define FAN_MARK_FILESYSTEM 0x100
#define IN_ALL_EVENTS 0xfff
#define FMODE_READ 1
#define FMODE_WRITE 2
#define FMODE_BACKING (1 << 25)
#define FMODE_CREATED 0x100000
#define FMODE_STREAM 0x200000
