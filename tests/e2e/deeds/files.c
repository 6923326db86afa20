/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names, contents and attributes of files. */
#include "deeds.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>

#define TIMES "dirfd:i pathname:s times:T flags:i"
#define XATTR "dirfd:F pathname:s at_flags:u name:s"

void names(void)
{
	char *strange = in("caf\xc3\xa9 \xff\xfe\\\"\n\xe2\x82"), *deep = in("deep"), far[4096];
	CALL(umask, "mask:i", 022);
	CALL(mkdir, "pathname:s mode:u", deep, 0750);
	CALL(mkdirat, "dirfd:F pathname:s mode:u", dir, "deep/er", 01777);
	CALL(mkdir, "pathname:s mode:u", deep, 0700);
	CALL(creat, "pathname:s mode:u", strange, 0600);
	CALL(stat, "pathname:s statbuf:p", strange, far);
	CALL(lstat, "pathname:s statbuf:p", "", far);
	CALL(openat, "dirfd:i pathname:s flags:i mode:u", AT_FDCWD, NULL, O_RDONLY, 0);
	CALL(openat, "dirfd:i pathname:n flags:i mode:u", -1, 8, O_RDONLY, 0);
	int length = sprintf(far, "%s", scratch);
	for (int i = length; i < 4095; i++)
		far[i] = (i - length) % 2 ? '.' : '/';
	strcpy(far + 4095 - 5, "/deep"); /* the longest path that the kernel takes */
	shut(CALL(openat, "dirfd:i pathname:s flags:i mode:u", AT_FDCWD, far, O_RDONLY | O_DIRECTORY, 0));
	CALL(mknod, "pathname:s mode:u dev:u", in("pipe"), S_IFIFO | 0600, 0);
	CALL(mknodat, "dirfd:F pathname:s mode:u dev:u", dir, "null", S_IFCHR | 0600, 0x103);
	CALL(link, "oldpath:s newpath:s", strange, in("second"));
	CALL(linkat, "olddirfd:F oldpath:s newdirfd:F newpath:s flags:i", dir, "second", dir, "third",
	     AT_SYMLINK_FOLLOW);
	CALL(symlink, "target:s linkpath:s", "not \xf0\x9f\x90\x9d here", in("link"));
	CALL(symlinkat, "target:s newdirfd:F linkpath:s", "", dir, "empty");
	CALL(readlink, "pathname:s buf:B bufsiz:i", in("link"), far, 4096);
	CALL(readlinkat, "dirfd:F pathname:s buf:B bufsiz:i", dir, "link", far, 4);
	CALL(readlinkat, "dirfd:F pathname:s buf:B bufsiz:i", dir, "no such", far, 4);
	CALL(rename, "oldpath:s newpath:s", in("second"), in("2"));
	CALL(renameat, "olddirfd:F oldpath:s newdirfd:F newpath:s", dir, "third", dir, "3");
	CALL(renameat2, "olddirfd:F oldpath:s newdirfd:F newpath:s flags:u", dir, "2", dir, "3", 1);
	CALL(access, "pathname:s mode:i", deep, R_OK | X_OK);
	CALL(faccessat, "dirfd:F pathname:s mode:i", dir, "deep", W_OK);
	CALL(faccessat2, "fd:F path:s mode:i flag:i", dir, "nowhere", F_OK, AT_EACCESS);
	CALL(getcwd, "buf:S size:U", far, sizeof(far));
	CALL(getcwd, "buf:S size:U", far, 1);
	CALL(chdir, "path:s", deep);
	CALL(fchdir, "fd:F", dir);
	CALL(getdents, "fd:F dirp:p count:u", dir, far, sizeof(far));
	CALL(getdents64, "fd:F dirp:p count:u", dir, far, sizeof(far));
	const char *made[] = {strange, in("pipe"), in("null"), in("2"), in("3"), in("link")};
	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		CALL(unlink, "pathname:s", made[i]);
	CALL(unlinkat, "dirfd:F pathname:s flags:i", dir, "deep/er", AT_REMOVEDIR);
	CALL(rmdir, "pathname:s", "deep");
	CALL(rmdir, "pathname:s", "deep");
}

void contents(void)
{
	char text[64] = "some text", *path = in("file");
	struct iovec iov[2] = {{text, 4}, {text + 4, 5}};
	off_t offset = 0;
	uint64_t how[3] = {O_RDONLY | O_CLOEXEC}, range[2] = {}, cached[5];
	long fd = keep(CALL(open, "pathname:s flags:i mode:u", path, O_RDWR | O_CREAT | O_TRUNC, 0640), path);
	long other = CALL(openat, "dirfd:F pathname:s flags:i mode:u", dir, "other", O_RDWR | O_CREAT, 0600);
	keep(other, in("other"));
	CALL(openat2, "dirfd:F pathname:s how:p size:U", dir, "file", how, sizeof(how));
	CALL(write, "fd:i buf:p count:U", fd, text, 9);
	CALL(write, "fd:i buf:p count:U", -1, NULL, 0);
	CALL(writev, "fd:i iov:p iovcnt:U", fd, iov, 2);
	CALL(pwrite64, "fd:i buf:p count:U offset:l", fd, text, 9, 4096);
	CALL(pwritev, "fd:i iov:p iovcnt:U pos_l:U pos_h:U", fd, iov, 2, 18, 0);
	CALL(pwritev2, "fd:i iov:p iovcnt:U pos_l:U pos_h:U flags:i", fd, iov, 2, -1L, 0, 0);
	CALL(lseek, "fd:i offset:l whence:u", fd, -4, SEEK_END);
	CALL(lseek, "fd:i offset:l whence:u", fd, 3, 77);
	CALL(read, "fd:i buf:p count:U", fd, text, 64);
	CALL(readv, "fd:i iov:p iovcnt:U", fd, iov, 2);
	CALL(pread64, "fd:i buf:p count:U offset:l", fd, text, 9, 0x123456789aL);
	CALL(preadv, "fd:i iov:p iovcnt:U pos_l:U pos_h:U", fd, iov, 1, 4, 0);
	CALL(preadv2, "fd:i iov:p iovcnt:U pos_l:U pos_h:U flags:i", fd, iov, 1, 4, 0, 0x77777777);
	CALL(fsync, "fd:F", other);
	CALL(fdatasync, "fd:F", other);
	CALL(syncfs, "fd:i", -1);
	CALL(sync_file_range, "fd:i offset:l nbytes:l flags:u", fd, 0, 4096, 2);
	CALL(fadvise64, "fd:F offset:l len:U advice:i", fd, 4096, 8192, POSIX_FADV_RANDOM);
	CALL(readahead, "fd:i offset:l count:U", fd, 0, 4096);
	CALL(truncate, "path:s length:l", path, 5000000000);
	CALL(ftruncate, "fd:F length:l", fd, 4096);
	CALL(fallocate, "fd:F mode:i offset:l len:l", fd, 1, 4096, 4096);
	CALL(sendfile, "out_fd:F in_fd:F offset:p count:U", other, fd, &offset, 100);
	CALL(copy_file_range, "fd_in:F off_in:p fd_out:F off_out:p len:U flags:u", fd, &offset, other, NULL, 50, 0);
	CALL(flock, "fd:F operation:u", fd, 2 | 4);
	CALL(fcntl, "fd:F cmd:u arg:U", fd, F_SETFD, FD_CLOEXEC);
	CALL(ioctl, "fd:F request:u arg:U", fd, 0x541b, &offset);
	CALL(dup, "oldfd:i", fd);
	CALL(dup2, "oldfd:i newfd:i", fd, 70);
	CALL(dup3, "oldfd:i newfd:i flags:i", fd, fd, O_CLOEXEC);
	CALL(close_range, "first:u last:u flags:u", 70, 4000000000u, 0);
	NUMBER(cachestat, 451, "fd:u cstat_range:p cstat:p flags:u", fd, range, cached, 0);
	CALL(unlink, "pathname:s", path);
	keep(fd, in("file (deleted)"));
	CALL(fdatasync, "fd:F", fd);
	CALL(unlink, "pathname:s", "other");
	shut(other);
	shut(fd);
	CALL(read, "fd:i buf:p count:U", fd, text, 64);
	CALL(getrandom, "buf:p buflen:U flags:u", text, 16, 1);
	fd = CALL(memfd_create, "name:s flags:u", "deed", 1);
	shut(fd);
	CALL(memfd_secret, "flags:u", 77);
}

void attributes(void)
{
	char *path = in("file"), list[256];
	struct timespec when[2] = {{1000000000, 500000000}, {0, UTIME_OMIT}};
	struct timeval times[2] = {{1, 2}, {3, 4}};
	struct statfs fs;
	struct {
		uint64_t value;
		uint32_t size, flags;
	} value = {(uint64_t)"deed", 4, 0};
	uint64_t attributes[4] = {}, handle[32] = {128};
	int mount;
	long fd = keep(CALL(creat, "pathname:s mode:u", path, 0666), path);
	CALL(fstat, "fd:i statbuf:p", fd, list);
	CALL(newfstatat, "dirfd:F pathname:s statbuf:p flags:i", dir, "file", list, AT_SYMLINK_NOFOLLOW);
	CALL(statx, "dirfd:F pathname:s flags:u mask:u statxbuf:p", dir, "file", 0, 0x7ff, list);
	CALL(chmod, "pathname:s mode:u", path, 04755);
	CALL(fchmod, "fd:F mode:u", fd, 0640);
	CALL(fchmodat, "dirfd:F pathname:s mode:u", dir, "file", 0600);
	NUMBER(fchmodat2, 452, "dirfd:F pathname:s mode:u flags:u", dir, "file", 0644, AT_SYMLINK_NOFOLLOW);
	CALL(chown, "pathname:s owner:i group:i", path, -1, 1000);
	CALL(fchown, "fd:F owner:i group:i", fd, 1000, -1);
	CALL(lchown, "pathname:s owner:i group:i", path, 0, 0);
	CALL(fchownat, "dirfd:F pathname:s owner:i group:i flags:i", dir, "file", 1, 2, 0);
	CALL(utime, "filename:s times:p", path, NULL);
	CALL(utimes, "filename:s times:p", path, times);
	CALL(futimesat, "dirfd:F pathname:s times:p", dir, "file", times);
	CALL(utimensat, TIMES, dir, "file", when, 0);
	CALL(utimensat, TIMES, fd, NULL, NULL, 0);
	CALL(statfs, "path:s buf:p", path, &fs);
	CALL(fstatfs, "fd:F buf:p", fd, &fs);
	CALL(ustat, "dev:u ubuf:p", 0xfff, list);
	CALL(sysfs, "option:i arg1:U arg2:U", 3, 0, 0);
	CALL(setxattr, "path:s name:s value:p size:U flags:i", path, "user.deed", "1", 1, 1);
	CALL(lsetxattr, "path:s name:s value:p size:U flags:i", path, "user.deed", "2", 1, 0);
	CALL(fsetxattr, "fd:F name:s value:p size:U flags:i", fd, "user.\xfe", "3", 1, 0);
	CALL(getxattr, "path:s name:s value:p size:U", path, "user.deed", list, sizeof(list));
	CALL(lgetxattr, "path:s name:s value:p size:U", path, "user.none", list, sizeof(list));
	CALL(fgetxattr, "fd:F name:s value:p size:U", fd, "user.\xfe", list, sizeof(list));
	CALL(listxattr, "path:s list:B size:U", path, list, sizeof(list));
	CALL(llistxattr, "path:s list:B size:U", path, list, 1);
	CALL(flistxattr, "fd:F list:B size:U", fd, list, sizeof(list));
	CALL(removexattr, "path:s name:s", path, "user.deed");
	CALL(lremovexattr, "path:s name:s", path, "user.deed");
	CALL(fremovexattr, "fd:F name:s", fd, "user.\xfe");
	NUMBER(setxattrat, 463, XATTR " uargs:p usize:U", dir, "file", 0, "user.at", &value, sizeof(value));
	NUMBER(getxattrat, 464, XATTR " uargs:p usize:U", dir, "file", 0, "user.at", &value, 3);
	NUMBER(listxattrat, 465, "dirfd:F pathname:s at_flags:u list:p size:U", dir, "file", 0, list, 0);
	NUMBER(removexattrat, 466, XATTR, dir, "file", 0, "user.at");
	NUMBER(file_getattr, 468, "dirfd:F pathname:s ufattr:p usize:U at_flags:u", dir, "file", attributes, 24, 0);
	NUMBER(file_setattr, 469, "dirfd:F pathname:s ufattr:p usize:U at_flags:u", dir, "none", attributes, 24, 0);
	CALL(name_to_handle_at, "dirfd:F pathname:s handle:p mount_id:p flags:i", dir, "file", handle, &mount, 0);
	CALL(open_by_handle_at, "mount_fd:i handle:p flags:i", -1, handle, O_PATH);
	CALL(quotactl, "cmd:u special:s id:u addr:p", 0x80000700, "/no such disk", 77, NULL);
	CALL(quotactl_fd, "fd:F cmd:u id:u addr:p", fd, 0x80000200, 4294967295u, list);
	CALL(unlink, "pathname:s", path);
	keep(fd, NULL);
	shut(fd);
}
