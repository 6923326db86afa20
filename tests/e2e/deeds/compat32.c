/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Calls of 32-bit programs. */
#include "deeds.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static void *lower(const void *data, size_t size)
{
	void *copy = low_next;
	memcpy(copy, data, size);
	low_next += (size + 15) / 16 * 16;
	return copy;
}
#define LOW(text) lower(text, sizeof(text))

static void executed_in_32_bits(void)
{
	uint32_t argv[] = {(long)LOW("deeds"), (long)LOW("32"), (long)LOW(""), 0};
	END32(execve, 11, EXEC, lower(self, strlen(self) + 1), LOW(argv), LOW(argv));
}

static void ended_in_32_bits(void)
{
	END32(exit, 1, "status:i", 0);
}

void compat_files(void)
{
	void *path = lower(in("32"), strlen(scratch) + 4), *text = LOW("text of 32 bits"), *deep = LOW("deep\xff");
	int32_t narrow[4] = {9, 500000000, 10, UTIME_OMIT};
	struct timespec wide[2] = {{11, 0}, {0, UTIME_NOW}};
	char *buffer = lower((char[512]){}, 512);
	long fd = CALL32(open, 5, "pathname:s flags:i mode:u", path, O_RDWR | O_CREAT, 0600);
	keep(fd, path);
	CALL32(write, 4, "fd:i buf:p count:U", fd, text, 15);
	CALL32(pwrite64, 181, "fd:i buf:p count:U offset:q", fd, text, 15, 0x100, 1);
	CALL32(pread64, 180, "fd:i buf:p count:U offset:q", fd, buffer, 15, 0x100, 1);
	CALL32(pread64, 180, "fd:i buf:p count:U offset:q", fd, buffer, 15, -3, -1);
	CALL32(lseek, 19, "fd:i offset:l whence:u", fd, -5, SEEK_SET);
	CALL32(llseek, 140, "fd:u offset_high:U offset_low:U result:p whence:u", fd, 1, 2, buffer, SEEK_SET);
	CALL32(truncate64, 193, "path:s length:q", path, 7, 2);
	CALL32(ftruncate64, 194, "fd:i length:q", fd, 5, 0);
	CALL32(fallocate, 324, "fd:F mode:i offset:q len:q", fd, 1, 4096, 0, 1, 1);
	CALL32(fadvise64, 250, "fd:F offset:q len:U advice:i", fd, 4096, 3, 8192, 4);
	CALL32(fadvise64_64, 272, "fd:i offset:q len:q advice:i", fd, 1, 2, 3, 4, 5);
	CALL32(sync_file_range, 314, "fd:i offset:q nbytes:q flags:u", fd, 1, 2, 3, 4, 77);
	CALL32(readahead, 225, "fd:i offset:q count:U", fd, 1, 2, 3);
	CALL32(stat64, 195, "pathname:s statbuf:p", path, buffer);
	CALL32(fstat64, 197, "fd:i statbuf:p", fd, buffer);
	CALL32(statfs64, 268, "path:s sz:U buf:p", path, 84, buffer);
	CALL32(fcntl64, 221, "fd:i cmd:i arg:U", fd, F_SETFD, FD_CLOEXEC);
	CALL32(lchown16, 16, "pathname:s owner:u group:u", path, 65535, 12);
	CALL32(utimensat_time32, 320, "dfd:u filename:s t:p flags:i", AT_FDCWD, path, LOW(narrow), 0);
	CALL32(utimensat, 412, "dirfd:i pathname:s times:T flags:i", AT_FDCWD, path, LOW(wide), 0);
	CALL32(mkdir, 39, "pathname:s mode:u", deep, 0711);
	CALL32(openat, 295, "dirfd:F pathname:s flags:i mode:u", dir, deep, O_CREAT, 0600);
	CALL32(rmdir, 40, "pathname:s", deep);
	CALL32(readlink, 85, "pathname:s buf:B bufsiz:i", LOW("/proc/self/fd/0"), buffer, 4);
	CALL32(umount, 22, "target:s", path);
	CALL32(fanotify_mark, 339, "fanotify_fd:i flags:u mask:q dirfd:F pathname:s", -1, 1, 2, 3, dir, path);
	CALL32(unlink, 10, "pathname:s", path);
	CALL32(close, 6, "fd:i", fd);
	keep(fd, NULL);
}

void compat_rest(void)
{
	int32_t small[2] = {0, 1000000};
	struct sockaddr_in in4 = {AF_INET, 0x5000, {htonl(INADDR_LOOPBACK)}, {}};
	uint32_t argv[] = {(long)LOW("a"), (long)LOW("\xff"), (long)LOW(""), 0};
	char *buffer = lower((char[512]){}, 512);
	void *brief = LOW(small), *wide = lower(&tiny, sizeof(tiny)), *list = LOW(argv);
	CALL32(getpid, 20, "");
	CALL32(getuid16, 24, "");
	CALL32(time, 13, "tloc:p", NULL);
	CALL32(stime, 25, "t:p", 8);
	CALL32(nice, 34, "inc:i", -1);
	CALL32(olduname, 109, "buf:p", buffer);
	CALL32(waitpid, 7, "pid:i status:p options:i", -1, NULL, WNOHANG);
	CALL32(nanosleep, 162, "req:t rem:r", brief, buffer);
	CALL32(clock_gettime32, 265, "which_clock:i tp:p", CLOCK_REALTIME, buffer);
	CALL32(clock_gettime, 403, "clockid:i tp:o", CLOCK_MONOTONIC, buffer);
	CALL32(clock_nanosleep, 407, "clockid:i flags:i request:t remain:-", CLOCK_MONOTONIC, 0, wide, NULL);
	CALL32(clock_nanosleep_time32, 267, "which_clock:i flags:i rqtp:p rmtp:p", 77, 0, brief, NULL);
	CALL32(ppoll, 414, "fds:p nfds:u tmo_p:t sigmask:p sigsetsize:U", NULL, 0, lower(&none, 16), NULL, 8);
	CALL32(io_getevents, 247, "ctx_id:U min_nr:l nr:l events:p timeout:t", -2, -1, 1, NULL, brief);
	CALL32(futex, 422, FUTEX, buffer, FUTEX_WAIT, 9999, wide, NULL, 1);
	CALL32(futex_time32, 240, "uaddr:p op:i val:u utime:p uaddr2:p val3:u", buffer, FUTEX_WAKE, 1, brief, NULL, 2);
	long at = CALL32(mmap2, 192, "addr:U length:U prot:U flags:U fd:U pgoffset:U", 0, 4096, 3, 0x22, -1, 0);
	CALL32(munmap, 91, "addr:U length:U", at, 4096);
	at = act("mmap", COMPAT | IN_MEMORY, 90, MMAP, LONGS(0, 8192, 1, 0x22, -1, 0));
	CALL32(munmap, 91, "addr:U length:U", at, 8192);
	act("old_select", COMPAT | IN_MEMORY, 82, "nfds:i readfds:p writefds:p exceptfds:p timeout:p",
	    LONGS(-1, buffer, NULL, NULL, brief));
	CALL32(connect, 362, BIND, -1, lower(&in4, 16), 16);
	CALL32(socketpair, 360, "domain:i type:i protocol:i sv:f", AF_UNIX, SOCK_STREAM, 0, buffer);
	CALL32(socketcall, 102, "call:i args:p", 77, buffer);
	CALL32(ipc, 117, "call:u first:i second:U third:U ptr:p fifth:l", 77, -1, 2, 3, buffer, -4);
	CALL32(getppid, 64, "");
	CALL32(setresuid16, 164, "ruid:u euid:u suid:u", 65535, 65535, 65535);
	CALL32(clone, 120, "flags:U stack:U parent_tid:p tls:U child_tid:p", CLONE_THREAD, 1, 2, 3, 4);
	CALL32(execve, 11, EXEC, LOW("/no/such/program"), list, NULL);
	CALL32(execveat, 358, "dirfd:F " EXEC " flags:i", dir, LOW("none"), list, list, 0);
	long pid = act("fork", COMPAT | FORKS, 2, "", LONGS());
	if (!pid) {
		CALL(getpid, "");
		END32(exit_group, 252, "status:i", 0);
	}
	reap(pid);
	in_child(ended_in_32_bits);
	in_child(executed_in_32_bits);
	CALL32(close, 6, "fd:i", ((int *)buffer)[0]);
}
