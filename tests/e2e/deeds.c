/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes every kind of system call, each with known arguments, in the directory argv[1], and prints one line of JSON for
 * each: what a tracer must have seen. Nothing else is called in between, except the write of the line, so a tracer that
 * sees more is wrong too. Without a directory it only ends; that is what the programs do that it executes.
 *
 * A line is made from a spec, one word an argument: its name, and how its value is shown ("-": not at all).
 *   i int, u unsigned, l long, U unsigned long, q 64 bits of a 32-bit program (two registers), p pointer, n null
 *   F a descriptor with the path of its file, s string, v list of strings, b bytes (length: the next argument)
 *   t timespec, T two of them, a socket address (length: the next argument)
 * and, written by the kernel:
 *   S string, B bytes (length: the return value), o timespec on success, r timespec on failure, A socket address, f pair
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* ---- calling and telling ---- */

enum how { COMPAT = 1, FORKS = 2, LAST = 4, IN_MEMORY = 8 };
enum pass { BEFORE, AFTER, PATHS };

struct call {
	const char *event, *spec;
	enum how how;
	long number, ret;
	const long *args;
};

static int me;
static const char *paths[64];	   /* by descriptor, where known */
static long interrupted;	   /* what the kernel calls an interruption that the program sees as EINTR */
static char *low, *low_next;	   /* memory that a 32-bit call can name */

/* errno would hide what the kernel returned, and libc would call something else. */
static inline __attribute__((always_inline)) long native(long number, const long *args)
{
	register long r10 asm("r10") = args[3], r8 asm("r8") = args[4], r9 asm("r9") = args[5];
	long ret;
	asm volatile("syscall"
		     : "=a"(ret)
		     : "a"(number), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static long compat(long number, const long *args)
{
	long ret, sixth = (uint32_t)args[5];
	asm volatile("xchg %%rbp, %[sixth]\n\tint $0x80\n\txchg %%rbp, %[sixth]"
		     : "=a"(ret), [sixth] "+r"(sixth)
		     : "a"(number), "b"((uint32_t)args[0]), "c"((uint32_t)args[1]), "d"((uint32_t)args[2]),
		       "S"((uint32_t)args[3]), "D"((uint32_t)args[4])
		     : "r8", "r9", "r10", "r11", "memory");
	return ret;
}

static void put(char **to, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	*to += vsprintf(*to, format, list);
	va_end(list);
}

/* The length of the well-formed character of several bytes at s, or 0. */
static size_t utf8(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
	bool surrogate = s[0] == 0xed && s[1] >= 0xa0, beyond = s[0] == 0xf4 && s[1] >= 0x90;
	return n && !overlong && !surrogate && !beyond ? n : 0;
}

/* What is not UTF-8 is shown \xNN, a backslash twice; JSON doubles each of these backslashes. */
static void put_text(char **to, const char *text, size_t length)
{
	if (!text) {
		put(to, "null");
		return;
	}
	put(to, "\"");
	const unsigned char *s = (const unsigned char *)text;
	for (size_t n; length; s += n, length -= n) {
		n = utf8(s, length);
		if (n)
			put(to, "%.*s", (int)n, s);
		else if (*s >= 0x80)
			put(to, "\\\\x%02x", *s);
		else if (*s < 0x20 || *s == 0x7f || *s == '"')
			put(to, "\\u%04x", *s);
		else
			put(to, *s == '\\' ? "\\\\\\\\" : "%c", *s);
		n = n ? n : 1;
	}
	put(to, "\"");
}

static void put_list(char **to, long list, bool compat)
{
	if (!list) {
		put(to, "null");
		return;
	}
	put(to, "[");
	for (long i = 0;; i++) {
		long item = compat ? (long)((uint32_t *)list)[i] : ((long *)list)[i];
		if (!item)
			break;
		put(to, i ? "," : "");
		put_text(to, (char *)item, strlen((char *)item));
	}
	put(to, "]");
}

static void put_time(char **to, const void *time, bool narrow)
{
	const int32_t *small = time;
	const struct timespec *large = time;
	long seconds = narrow ? small[0] : large->tv_sec, nanoseconds = narrow ? small[1] : large->tv_nsec;
	if (nanoseconds == UTIME_NOW || nanoseconds == UTIME_OMIT)
		put(to, nanoseconds == UTIME_NOW ? "\"UTIME_NOW\"" : "\"UTIME_OMIT\"");
	else
		put(to, "%ld.%09ld", seconds, nanoseconds);
}

static void put_address(char **to, const void *address, socklen_t length)
{
	const struct sockaddr_in *in = address;
	const struct sockaddr_in6 *in6 = address;
	const struct sockaddr_un *un = address;
	const struct sockaddr_nl *nl = address;
	const struct sockaddr_vm *vm = address;
	char text[INET6_ADDRSTRLEN], name[sizeof(*un)] = "@";
	switch (in->sin_family) {
	case AF_INET:
		put(to, "{\"sa_family\":\"AF_INET\",\"sin_addr\":\"%s\",\"sin_port\":%d}",
		    inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)), ntohs(in->sin_port));
		break;
	case AF_INET6:
		put(to, "{\"sa_family\":\"AF_INET6\",\"sin6_addr\":\"%s\",\"sin6_port\":%d,",
		    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)), ntohs(in6->sin6_port));
		put(to, "\"sin6_flowinfo\":%u,\"sin6_scope_id\":%u}", ntohl(in6->sin6_flowinfo), in6->sin6_scope_id);
		break;
	case AF_UNIX:
		put(to, "{\"sa_family\":\"AF_UNIX\",\"sun_path\":");
		length -= offsetof(struct sockaddr_un, sun_path);
		memcpy(name + 1, un->sun_path, length);
		if (length && !un->sun_path[0]) {
			memmove(name + 1, un->sun_path + 1, length - 1);
			put_text(to, name, length);
		} else {
			put_text(to, name + 1, strnlen(name + 1, length));
		}
		put(to, "}");
		break;
	case AF_NETLINK:
		put(to, "{\"sa_family\":\"AF_NETLINK\",\"nl_pid\":%u,\"nl_groups\":%u}", nl->nl_pid, nl->nl_groups);
		break;
	case AF_VSOCK:
		put(to, "{\"sa_family\":\"AF_VSOCK\",\"svm_cid\":%u,\"svm_port\":%u}", vm->svm_cid, vm->svm_port);
		break;
	default:
		put(to, "{\"sa_family\":\"AF_UNSPEC\"}");
	}
}

static void put_value(char **to, const struct call *call, char kind, const long *arg)
{
	bool compat = call->how & COMPAT, narrow = compat && call->number < 403;
	long value = compat ? (long)(uint32_t)arg[0] : arg[0];
	bool failed = call->ret < 0, absent = !value || (failed && strchr("SBoAf", kind)) || (!failed && kind == 'r');
	if (kind == 'n' || (absent && strchr("sSvbBtTorAaf", kind)))
		put(to, "null");
	else if (kind == 'i' || kind == 'F')
		put(to, "%d", (int)value);
	else if (kind == 'u')
		put(to, "%u", (unsigned)value);
	else if (kind == 'l')
		put(to, "%ld", compat ? (int)value : value);
	else if (kind == 'U')
		put(to, "%lu", value);
	else if (kind == 'q')
		put(to, "%ld", value | arg[1] << 32);
	else if (kind == 'p')
		put(to, "\"0x%lx\"", value);
	else if (kind == 's' || kind == 'S')
		put_text(to, (char *)value, strlen((char *)value));
	else if (kind == 'b' || kind == 'B')
		put_text(to, (char *)value, kind == 'b' ? arg[1] : call->ret);
	else if (kind == 'v')
		put_list(to, value, compat);
	else if (kind == 'a' || kind == 'A')
		put_address(to, (void *)value, kind == 'a' ? arg[1] : *(int *)arg[1]);
	else if (kind == 'f')
		put(to, "[%d,%d]", ((int *)value)[0], ((int *)value)[1]);
	else if (kind != 'T')
		put_time(to, (void *)value, narrow);
	else
		for (int i = 0; i < 2; i++) {
			put(to, i ? "," : "[");
			put_time(to, (char *)value + i * (narrow ? 8 : 16), narrow);
			put(to, i ? "]" : "");
		}
}

/* The members of one pass: the kernel may write over what it was given, and has what it returns only afterwards. */
static void put_args(char **to, const struct call *call, enum pass pass)
{
	const long *arg = call->args;
	for (const char *word = call->spec; *word; word += strcspn(word, " "), word += strspn(word, " ")) {
		int length = strcspn(word, ": ");
		char kind = word[length] == ':' ? word[length + 1] : '-';
		const char *path = kind == 'F' && *arg >= 0 && *arg < 64 ? paths[*arg] : NULL;
		bool now = pass == (strchr("SBorAf", kind) ? AFTER : BEFORE);
		if (kind != '-' && (pass == PATHS ? path != NULL : now)) {
			put(to, "%s\"%.*s\":", (*to)[-1] == '{' ? "" : ",", length, word);
			if (pass == PATHS)
				put_text(to, path, strlen(path));
			else
				put_value(to, call, kind, arg);
		}
		arg += kind == 'q' ? 2 : 1;
	}
}

/* One write, so that the lines of several threads do not mix. */
static void tell(const struct call *call, char *args, char *end)
{
	char head[160], *to = head;
	put(&to, "{\"event\":\"%s\",\"pid\":%d,%s\"ret\":%ld", call->event, me, call->how & COMPAT ? "\"compat\":true," : "",
	    call->ret);
	args -= to - head;
	memcpy(args, head, to - head);
	while (args < end) {
		long n = native(SYS_write, (long[6]){1, (long)args, end - args});
		if (n > 0)
			args += n;
		else if (n != -EINTR)
			native(SYS_exit_group, (long[6]){2});
	}
}

static long act(const char *event, enum how how, long number, const char *spec, const long *args)
{
	struct call call = {.event = event, .spec = spec, .how = how, .number = number, .args = args};
	char line[1 << 17], *start = line + 160, *to = start;
	put(&to, ",\"args\":{");
	put_args(&to, &call, BEFORE);
	if (how & LAST) {
		char *end = to;
		put(&end, "}}\n");
		tell(&call, start, end);
	}
	if (how & IN_MEMORY) {
		uint32_t *memory = (uint32_t *)low;
		for (int i = 0; i < 6; i++)
			memory[i] = args[i];
		args = (long[6]){(long)low};
	}
	long ret = how & COMPAT ? compat(number, args) : native(number, args);
	if (how & LAST) /* an exec that was to succeed */
		native(SYS_exit_group, (long[6]){3});
	if (ret == 0 && how & FORKS)
		return 0;
	if (number == SYS_getpid && !(how & COMPAT))
		me = ret;
	call.ret = ret == -EINTR && interrupted ? interrupted : ret;
	put_args(&to, &call, AFTER);
	put(&to, "},\"paths\":{");
	put_args(&to, &call, PATHS);
	put(&to, "}}\n");
	tell(&call, start, to);
	return ret;
}

#define L0() 0
#define L1(a) (long)(a)
#define L2(a, ...) (long)(a), L1(__VA_ARGS__)
#define L3(a, ...) (long)(a), L2(__VA_ARGS__)
#define L4(a, ...) (long)(a), L3(__VA_ARGS__)
#define L5(a, ...) (long)(a), L4(__VA_ARGS__)
#define L6(a, ...) (long)(a), L5(__VA_ARGS__)
#define PICK(zero, one, two, three, four, five, six, name, ...) name
#define LONGS(...) (long[6]){PICK(0, ##__VA_ARGS__, L6, L5, L4, L3, L2, L1, L0)(__VA_ARGS__)}

#define CALL(event, spec, ...) act(#event, 0, SYS_##event, spec, LONGS(__VA_ARGS__))
#define FORK(event, ...) act(#event, FORKS, SYS_##event, __VA_ARGS__)
#define END(event, spec, ...) act(#event, LAST, SYS_##event, spec, LONGS(__VA_ARGS__))
/* by number: newer than the headers, or of another name there */
#define NUMBER(event, number, spec, ...) act(#event, 0, number, spec, LONGS(__VA_ARGS__))
#define CALL32(event, number, spec, ...) act(#event, COMPAT, number, spec, LONGS(__VA_ARGS__))
#define END32(event, number, spec, ...) act(#event, COMPAT | LAST, number, spec, LONGS(__VA_ARGS__))

#define EXEC "pathname:s argv:v envp:v"
#define TIMES "dirfd:i pathname:s times:T flags:i"
#define XATTR "dirfd:F pathname:s at_flags:u name:s"
#define MOUNT "source:s target:s filesystemtype:s mountflags:U data:p"
#define VM "pid:i local_iov:p liovcnt:U remote_iov:p riovcnt:U flags:U"
#define MMAP "addr:U length:U prot:U flags:U fd:F off:U"

static char *scratch, *self;
static int dir; /* the descriptor of scratch */
static const struct timespec tiny = {0, 1000}, odd = {-1, 0}, none = {0, 0}, five = {5, 250000000};

/* The path of a name in scratch; never freed. */
static char *in(const char *name)
{
	static char memory[1 << 16], *next = memory;
	char *path = next;
	next += sprintf(path, "%s/%s", scratch, name) + 1;
	return path;
}

static long keep(long fd, const char *path)
{
	if (fd >= 0 && fd < 64)
		paths[fd] = path;
	return fd;
}

static void shut(long fd)
{
	CALL(close, "fd:i", fd);
	keep(fd, NULL);
}

static void reap(long pid)
{
	int status = -1;
	CALL(wait4, "pid:i wstatus:p options:i rusage:p", pid, &status, __WALL, NULL);
	if (status)
		native(SYS_exit_group, (long[6]){4});
}

static void in_child(void (*deeds)(void))
{
	long pid = FORK(fork, "", LONGS());
	if (!pid) {
		CALL(getpid, "");
		deeds();
		END(exit_group, "status:i", 0);
	}
	reap(pid);
}

/* ---- files ---- */

static void names(void)
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
	CALL(linkat, "olddirfd:F oldpath:s newdirfd:F newpath:s flags:i", dir, "second", dir, "third", AT_SYMLINK_FOLLOW);
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

static void contents(void)
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

static void attributes(void)
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

static void pipes_and_polls(void)
{
	int pipes[2], more[2];
	char text[32] = "piped", name[64];
	struct iovec iov = {text, 5};
	struct stat stat;
	struct pollfd poll = {1, POLLOUT, 0};
	struct epoll_event event = {.events = EPOLLIN};
	struct timeval now = {};
	struct timespec zero = {}, patience = five;
	CALL(pipe, "pipefd:f", more);
	CALL(pipe2, "pipefd:f flags:i", more, 77);
	CALL(pipe2, "pipefd:f flags:i", pipes, O_CLOEXEC | O_NONBLOCK);
	CALL(fstat, "fd:i statbuf:p", pipes[0], &stat);
	sprintf(name, "pipe:[%lu]", stat.st_ino);
	keep(pipes[0], name);
	CALL(fcntl, "fd:F cmd:u arg:U", pipes[0], F_SETPIPE_SZ, 65536);
	CALL(vmsplice, "fd:i iov:p nr_segs:U flags:u", pipes[1], &iov, 1, 2);
	CALL(tee, "fd_in:i fd_out:i len:U flags:u", pipes[0], more[1], 4096, 2);
	CALL(splice, "fd_in:F off_in:p fd_out:i off_out:p len:U flags:u", pipes[0], NULL, more[1], NULL, 3, 2);
	CALL(poll, "fds:p nfds:u timeout:i", &poll, 1, -1);
	CALL(ppoll, "fds:p nfds:u tmo_p:t sigmask:p sigsetsize:U", &poll, 1, &zero, NULL, 8);
	CALL(select, "nfds:i readfds:p writefds:p exceptfds:p timeout:p", 0, NULL, NULL, NULL, &now);
	fd_set writable;
	FD_ZERO(&writable);
	FD_SET(pipes[1], &writable); /* the kernel writes the time that is left over the timeout */
	CALL(pselect6, "nfds:i readfds:p writefds:p exceptfds:p timeout:t sigmask:p", pipes[1] + 1, NULL, &writable,
	     NULL, &patience, NULL);
	long epoll = CALL(epoll_create1, "flags:i", O_CLOEXEC);
	CALL(epoll_create, "size:i", 0);
	CALL(epoll_ctl, "epfd:i op:i fd:i event:p", epoll, EPOLL_CTL_ADD, more[0], &event);
	CALL(epoll_wait, "epfd:i events:p maxevents:i timeout:i", epoll, &event, 1, -1);
	CALL(epoll_pwait, "epfd:i events:p maxevents:i timeout:i sigmask:p sigsetsize:U", epoll, &event, 0, 0, NULL, 8);
	CALL(epoll_pwait2, "fd:i events:p maxevents:i timeout:t sigset:p sigsetsize:U", epoll, &event, 1, &five, NULL, 8);
	keep(epoll, "anon_inode:[eventpoll]");
	CALL(ioctl, "fd:F request:u arg:U", epoll, 0x541b, 0);
	long watch = CALL(inotify_init1, "flags:i", IN_CLOEXEC);
	CALL(inotify_add_watch, "fd:i pathname:s mask:u", watch, scratch, IN_CREATE);
	CALL(inotify_rm_watch, "fd:i wd:i", watch, 99);
	CALL(fanotify_init, "flags:u event_f_flags:u", 0, O_RDONLY);
	CALL(fanotify_mark, "fanotify_fd:i flags:u mask:- dirfd:F pathname:s", -1, 1, 2, dir, "file");
	CALL(eventfd, "initval:u", 4000000000u);
	CALL(eventfd2, "initval:u flags:i", 5, 0x80000);
	CALL(signalfd, "fd:i mask:p flags:U", -1, &event, 8);
	CALL(signalfd4, "fd:i mask:p sizemask:U flags:i", -1, &event, 8, 77);
	CALL(close_range, "first:u last:u flags:u", dir + 1, 60, 0);
	memset(paths + dir + 1, 0, (63 - dir) * sizeof(*paths));
}

static void queues_of_requests(void)
{
	aio_context_t context = 0;
	struct iocb block = {.aio_fildes = 1000}, *blocks[1] = {&block};
	struct io_event events[1];
	uint32_t params[30] = {};
	CALL(io_setup, "nr_events:u ctx_idp:p", 1, &context);
	CALL(io_submit, "ctx_id:U nr:l iocbpp:p", context, 1, blocks);
	CALL(io_getevents, "ctx_id:U min_nr:l nr:l events:p timeout:t", context, 0, 1, events, &tiny);
	CALL(io_pgetevents, "ctx_id:U min_nr:l nr:l events:p timeout:t usig:p", context, -1, 1, events, &none, NULL);
	CALL(io_cancel, "ctx_id:U iocb:p result:p", context, &block, events);
	CALL(io_destroy, "ctx_id:U", context);
	long ring = CALL(io_uring_setup, "entries:u p:p", 4, params);
	CALL(io_uring_enter, "fd:u to_submit:u min_complete:u flags:u sig:p argsz:U", ring, 0, 0, 0, NULL, 0);
	CALL(io_uring_register, "fd:u opcode:u arg:p nr_args:u", ring, 8, params, 999);
	shut(ring);
}

static void memory(void)
{
	unsigned char vector[4];
	int mode, status = 0;
	unsigned long mask = 0;
	long fd = keep(CALL(memfd_create, "name:s flags:u", "m\xfc", 0), NULL);
	long at = CALL(mmap, MMAP, NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec local = {vector, 4}, remote = {(void *)at, 4};
	void *page = (void *)at;
	CALL(mmap, MMAP, 4096, 4096, PROT_READ, MAP_SHARED, dir, 4096);
	CALL(mprotect, "addr:U len:U prot:U", at, 4096, PROT_READ | PROT_EXEC);
	CALL(pkey_mprotect, "addr:U len:U prot:U pkey:i", at, 4096, PROT_READ | PROT_WRITE, -1);
	CALL(pkey_alloc, "flags:U access_rights:U", 1, 0);
	CALL(pkey_free, "pkey:i", 99);
	CALL(msync, "addr:U length:U flags:i", at, 4096, MS_ASYNC);
	CALL(mincore, "addr:U length:U vec:p", at, 16384, vector);
	CALL(madvise, "addr:U length:U advice:i", at, 4096, MADV_WILLNEED);
	CALL(mlock, "addr:U len:U", at, 4096);
	CALL(mlock2, "addr:U len:U flags:i", at, 4096, 1);
	CALL(munlock, "addr:U len:U", at, 8192);
	CALL(mlockall, "flags:i", 0);
	CALL(mbind, "addr:U len:U mode:U nodemask:p maxnode:U flags:u", at, 4096, 0, NULL, 0, 0);
	CALL(set_mempolicy, "mode:i nodemask:p maxnode:U", 0, NULL, 0);
	CALL(get_mempolicy, "mode:p nodemask:p maxnode:U addr:U flags:U", &mode, NULL, 0, 0, 0);
	CALL(set_mempolicy_home_node, "addr:U len:U home_node:U flags:U", at, 4096, 0, 1);
	CALL(migrate_pages, "pid:i maxnode:U old_nodes:p new_nodes:p", me, 2, &mask, &mask);
	CALL(move_pages, "pid:i count:U pages:p nodes:p status:p flags:i", 0, 1, &page, NULL, &status, 2);
	CALL(remap_file_pages, "addr:U size:U prot:U pgoff:U flags:U", at, 4096, 1, 7, 0);
	CALL(process_vm_readv, VM, me, &local, 1, &remote, 1, 0);
	CALL(process_vm_writev, VM, me, &local, 1, &remote, 1, 1);
	CALL(process_madvise, "pidfd:i addr:p length:U advice:i flags:u", -1, &remote, 1, MADV_COLD, 0);
	CALL(userfaultfd, "flags:i", 77);
	CALL(membarrier, "cmd:i flags:u cpu_id:i", 0, 0, 5);
	NUMBER(map_shadow_stack, 453, "addr:U size:U flags:u", 0, 4096, 77);
	NUMBER(mseal, 462, "addr:U len:U flags:U", at, 0, 0);
	at = CALL(mremap, "old_address:U old_size:U new_size:U flags:U new_address:U", at, 16384, 8192, MREMAP_MAYMOVE, 0);
	CALL(munmap, "addr:U length:U", at, 8192);
	CALL(munmap, "addr:U length:U", 1, 8192);
	CALL(brk, "addr:U", 0);
	shut(fd);
}

/* ---- the system ---- */

/* In a child with namespaces of its own. */
static void mounts(void)
{
	char *point = in("mount"), text[512];
	uint64_t flags[4] = {1}, request[4] = {24, 0, 0}, root[4] = {24, -1, 0}, ids[8];
	CALL(unshare, "flags:U", CLONE_NEWNS | CLONE_NEWUTS);
	CALL(mount, MOUNT, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	CALL(mkdir, "pathname:s mode:u", point, 0700);
	CALL(mount, MOUNT, "deeds\xff", point, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k");
	long tree = CALL(open_tree, "dfd:i filename:s flags:u", AT_FDCWD, point, 1);
	CALL(move_mount, "from_dfd:i from_path:s to_dfd:F to_path:s flags:u", tree, "", dir, "mount", 4);
	NUMBER(open_tree_attr, 467, "dirfd:F pathname:s flags:u uattr:p usize:U", dir, "mount", 1, flags, 32);
	CALL(mount_setattr, "dfd:F path:s flags:u uattr:p usize:U", dir, "mount", AT_RECURSIVE, flags, 32);
	NUMBER(statmount, 457, "req:p buf:p bufsize:U flags:u", request, text, sizeof(text), 0);
	NUMBER(listmount, 458, "req:p mnt_ids:p nr_mnt_ids:U flags:u", root, ids, 8, 0);
	long fs = CALL(fsopen, "fsname:s flags:u", "tmpfs", 1);
	CALL(fsconfig, "fs_fd:i cmd:u key:s value:p aux:i", fs, 1, "size", "64k", 0);
	CALL(fsconfig, "fs_fd:i cmd:u key:s value:p aux:i", fs, 6, NULL, NULL, 0);
	CALL(fsmount, "fsfd:i flags:u ms_flags:u", fs, 1, 8);
	CALL(fspick, "dirfd:F pathname:s flags:u", dir, "mount", 1);
	CALL(pivot_root, "new_root:s put_old:s", point, "/no/such");
	CALL(umount2, "target:s flags:i", point, MNT_DETACH);
	CALL(umount2, "target:s flags:i", point, UMOUNT_NOFOLLOW);
	CALL(umount2, "target:s flags:i", point, 0);
	CALL(rmdir, "pathname:s", point);
	CALL(sethostname, "name:b len:i", "deeds.example", 5);
	CALL(setdomainname, "name:b len:i", NULL, 5);
	CALL(setns, "fd:F nstype:i", dir, CLONE_NEWUTS);
	CALL(chroot, "path:s", scratch);
	CALL(chroot, "path:s", point);
}
