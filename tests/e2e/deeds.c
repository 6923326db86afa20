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
 *   S string, B bytes (length: the return value), A socket address, o timespec on success, r timespec on failure,
 *   f pair of descriptors
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
static const char *paths[64]; /* by descriptor, where known */
static long interrupted;      /* what the kernel calls an interruption that the program sees as EINTR */
static char *low, *low_next;  /* memory that a 32-bit call can name */

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
		put(to, "%ld.%09ld", seconds + nanoseconds / 1000000000, nanoseconds % 1000000000);
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
	put(&to, "{\"event\":\"%s\",\"pid\":%d,%s\"ret\":%ld", call->event, me,
	    call->how & COMPAT ? "\"compat\":true," : "", call->ret);
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
	const long in_memory[6] = {(long)low};
	for (int i = 0; how & IN_MEMORY && i < 6; i++)
		((uint32_t *)low)[i] = args[i];
	long ret = how & COMPAT ? compat(number, how & IN_MEMORY ? in_memory : args) : native(number, args);
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
#define LONGS(...) ((long[6]){PICK(0, ##__VA_ARGS__, L6, L5, L4, L3, L2, L1, L0)(__VA_ARGS__)})

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
#define KEY "type:s description:s"
#define MQ "mqdes:i msg_ptr:b msg_len:U"
#define FUTEX "uaddr:p futex_op:i val:u timeout:t uaddr2:p val3:u"
#define BIND "sockfd:i addr:a addrlen:i"
#define NAME "sockfd:i addr:A addrlen:p"
#define SEND "sockfd:i buf:p len:U flags:u dest_addr:a addrlen:i"
#define RECEIVE "sockfd:i buf:p len:U flags:u src_addr:A addrlen:p"
#define CLONE "flags:U stack:U parent_tid:p child_tid:p tls:U"
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
	CALL(epoll_pwait2, "fd:i events:p maxevents:i timeout:t sigset:p sigsetsize:U", epoll, &event, 1, &five, NULL,
	     8);
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

/* In a child: what is left of a ring interrupts and restarts its owner's calls a little later. */
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
	long fd = keep(CALL(memfd_create, "name:s flags:u", "m\xfc", 0), "memfd:m\xfc");
	CALL(ftruncate, "fd:F length:l", fd, 1);
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
	at = CALL(mremap, "old_address:U old_size:U new_size:U flags:U new_address:U", at, 16384, 8192, MREMAP_MAYMOVE,
		  0);
	CALL(munmap, "addr:U length:U", at, 8192);
	CALL(munmap, "addr:U length:U", 1, 8192);
	CALL(brk, "addr:U", 0);
	shut(fd);
}

/* ---- the system ---- */

/* In a child: it takes namespaces of its own. */
static void mounts(void)
{
	char *point = in("mount"), text[512];
	uint64_t flags[4] = {1}, request[4] = {24, 0, 0}, root[4] = {24, -1, 0}, ids[8];
	CALL(unshare, "flags:U", CLONE_NEWNS | CLONE_NEWUTS);
	CALL(mount, MOUNT, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	CALL(mkdir, "pathname:s mode:u", point, 0700);
	CALL(mount, MOUNT, "deeds\xff", point, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k");
	long tree = CALL(open_tree, "dfd:i filename:s flags:u", AT_FDCWD, point, 1);
	CALL(move_mount, "from_dfd:i from_path:s to_dfd:i to_path:s flags:u", tree, "", AT_FDCWD, point, 4);
	NUMBER(open_tree_attr, 467, "dirfd:F pathname:s flags:u uattr:p usize:U", dir, "mount", 1, flags, 32);
	CALL(mount_setattr, "dfd:i path:s flags:u uattr:p usize:U", AT_FDCWD, point, AT_RECURSIVE, flags, 32);
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

/* In a child: a filter cannot be taken off again. */
static void sandbox(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pause, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};
	CALL(landlock_create_ruleset, "attr:p size:U flags:u", NULL, 0, 1);
	CALL(landlock_add_rule, "ruleset_fd:i rule_type:i rule_attr:p flags:u", -1, 1, code, 0);
	CALL(landlock_restrict_self, "ruleset_fd:i flags:u", -1, 0);
	CALL(prctl, "option:i arg2:U arg3:U arg4:U arg5:U", 38, 1, 0, 0, 0);
	CALL(seccomp, "operation:u flags:u args:p", SECCOMP_SET_MODE_FILTER, 0, &program);
	CALL(pause, "");
	CALL(setsid, "");
	CALL(vhangup, "");
}

static void kernel(void)
{
	uint64_t attr[16] = {2 | 4ULL << 32, 4 | 1ULL << 32}; /* an array of one word */
	uint32_t size = sizeof(attr);
	struct sysinfo info;
	char text[512];
	unsigned cpu, node;
	CALL(uname, "buf:p", text);
	CALL(sysinfo, "info:p", &info);
	CALL(syslog, "type:i bufp:B len:i", 3, text, 64);
	CALL(syslog, "type:i bufp:B len:i", 77, text, 64);
	CALL(personality, "persona:u", 0xffffffff);
	NUMBER(sysctl, SYS__sysctl, "args:p", NULL);
	CALL(acct, "filename:s", "/no/such/file");
	CALL(reboot, "magic:i magic2:i cmd:u arg:p", -1, 2, 0x89abcdef, NULL);
	CALL(iopl, "level:u", 77);
	CALL(ioperm, "from:U num:U turn_on:i", 0xfffff, 1, 1);
	CALL(init_module, "module_image:p len:U param_values:s", NULL, 0, "a=1 b=\"2\"");
	CALL(finit_module, "fd:i param_values:s flags:i", -1, "", 77);
	CALL(delete_module, "name:s flags:u", "no_such_module", O_NONBLOCK);
	CALL(kexec_load, "entry:U nr_segments:U segments:p flags:U", 0, 77, NULL, 0xffff);
	CALL(kexec_file_load, "kernel_fd:i initrd_fd:i cmdline_len:U cmdline:s flags:U", -1, -1, 5, "quiet", 0xffff);
	CALL(swapon, "path:s swapflags:i", "/no/such/file", 0x8000);
	CALL(swapoff, "path:s", "/no/such/file");
	CALL(uselib, "library:s", "/no/such/lib");
	CALL(lookup_dcookie, "cookie:- buffer:S len:U", 1, text, sizeof(text));
	long key = CALL(add_key, KEY " payload:p plen:U keyring:i", "user", "deeds:note", "text", 4, -2);
	CALL(request_key, KEY " callout_info:s dest_keyring:i", "user", "deeds:note", NULL, 0);
	CALL(request_key, KEY " callout_info:s dest_keyring:i", "no type", "", "now", -1);
	CALL(keyctl, "operation:i arg2:U arg3:U arg4:U arg5:U", 3, key, 1, 2, 3);
	CALL(perf_event_open, "attr:p pid:i cpu:i group_fd:i flags:U", attr, -1, -1, -1, 77);
	CALL(getcpu, "cpu:p node:p tcache:p", &cpu, &node, NULL);
	shut(CALL(bpf, "cmd:i attr:p size:u", 0, attr, sizeof(attr)));
	CALL(bpf, "cmd:i attr:p size:u", 9999, attr, sizeof(attr));
	NUMBER(lsm_get_self_attr, 459, "attr:u ctx:p size:p flags:u", 100, text, &size, 0);
	NUMBER(lsm_set_self_attr, 460, "attr:u ctx:p size:u flags:u", 77, text, 8, 0);
	NUMBER(lsm_list_modules, 461, "ids:p size:p flags:u", text, &size, 0);
	NUMBER(listns, 470, "req:p ns_ids:p nr_ns_ids:U flags:u", NULL, NULL, 0, 0);
}

/*
 * Calls without arguments, many of them never made real. A number of the x32 interface is the same call by another
 * number; -1 is no call, and must not be taken for a return from a signal.
 */
static void plain(void)
{
	static const struct {
		const char *event;
		long number;
	} calls[] = {{"getppid", SYS_getppid},
		     {"getuid", SYS_getuid},
		     {"geteuid", SYS_geteuid},
		     {"getgid", SYS_getgid},
		     {"getegid", SYS_getegid},
		     {"getpgrp", SYS_getpgrp},
		     {"gettid", SYS_gettid},
		     {"sched_yield", SYS_sched_yield},
		     {"munlockall", SYS_munlockall},
		     {"getpmsg", SYS_getpmsg},
		     {"putpmsg", SYS_putpmsg},
		     {"afs", SYS_afs_syscall},
		     {"tuxcall", SYS_tuxcall},
		     {"security", SYS_security},
		     {"vserver", SYS_vserver},
		     {"nfsservctl", SYS_nfsservctl},
		     {"create_module", SYS_create_module},
		     {"get_kernel_syms", SYS_get_kernel_syms},
		     {"query_module", SYS_query_module},
		     {"epoll_ctl_old", SYS_epoll_ctl_old},
		     {"epoll_wait_old", SYS_epoll_wait_old},
		     {"restart_syscall", SYS_restart_syscall},
		     {"uprobe", 336},
		     {"rseq_slice_yield", 471},
		     {"getppid", SYS_getppid | 0x40000000}};
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		act(calls[i].event, 0, calls[i].number, "", LONGS());
	shut(CALL(inotify_init, ""));
	native(-1, LONGS());
}

static void clocks(void)
{
	struct timespec at = {}, late = {1, 2000000000};
	struct timeval tv = {}, wrong = {0, 2000000};
	struct timex timex = {};
	struct itimerval every = {{}, {1000, 0}}, off = {};
	struct itimerspec spec = {{}, {1000, 0}};
	struct sigevent quiet = {.sigev_notify = SIGEV_NONE};
	time_t now;
	int timer = -1;
	CALL(time, "tloc:p", &now);
	CALL(gettimeofday, "tv:p tz:p", &tv, NULL);
	CALL(settimeofday, "tv:p tz:p", &wrong, NULL);
	CALL(adjtimex, "buf:p", &timex);
	CALL(clock_adjtime, "clk_id:i buf:p", 77, &timex);
	CALL(clock_gettime, "clockid:i tp:o", CLOCK_MONOTONIC, &at);
	CALL(clock_gettime, "clockid:i tp:o", 77, &at);
	CALL(clock_getres, "clockid:i res:o", CLOCK_REALTIME, &at);
	CALL(clock_settime, "clockid:i tp:t", CLOCK_MONOTONIC, &five);
	CALL(clock_settime, "clockid:i tp:t", CLOCK_REALTIME, &late);
	CALL(nanosleep, "req:t rem:r", &tiny, &at);
	CALL(nanosleep, "req:t rem:-", &odd, NULL);
	CALL(nanosleep, "req:t rem:-", NULL, NULL);
	CALL(clock_nanosleep, "clockid:i flags:i request:t remain:-", CLOCK_MONOTONIC, TIMER_ABSTIME, &tiny, NULL);
	CALL(setitimer, "which:i new_value:p old_value:p", ITIMER_PROF, &every, NULL);
	CALL(getitimer, "which:i curr_value:p", ITIMER_PROF, &every);
	CALL(setitimer, "which:i new_value:p old_value:p", ITIMER_PROF, &off, &every);
	CALL(alarm, "seconds:u", 0);
	CALL(timer_create, "clockid:i sevp:p timer_id:p", CLOCK_MONOTONIC, &quiet, &timer);
	CALL(timer_settime, "timer_id:i flags:i new_value:p old_value:p", timer, TIMER_ABSTIME, &spec, NULL);
	CALL(timer_gettime, "timer_id:i curr_value:p", timer, &spec);
	CALL(timer_getoverrun, "timer_id:i", timer);
	CALL(timer_delete, "timer_id:i", timer);
	CALL(timer_delete, "timer_id:i", -1);
	long fd = CALL(timerfd_create, "clockid:i flags:i", CLOCK_BOOTTIME, O_CLOEXEC);
	CALL(timerfd_settime, "fd:i flags:i new_value:p old_value:p", fd, 0, &spec, NULL);
	CALL(timerfd_gettime, "fd:i curr_value:p", fd, &spec);
	shut(fd);
}

/* ---- between processes ---- */

static void queues(void)
{
	struct {
		long type;
		char text[8];
	} message = {5, "message"};
	struct sembuf up = {0, 1, 0}, down = {0, -1, IPC_NOWAIT};
	char text[64];
	uint32_t word = 7;
	uint64_t waiters[3] = {7, (uint64_t)&word, 2};
	long id = CALL(shmget, "key:i size:U shmflg:i", IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	long at = CALL(shmat, "shmid:i shmaddr:p shmflg:i", id, NULL, SHM_RDONLY);
	CALL(shmdt, "shmaddr:p", at);
	CALL(shmctl, "shmid:i cmd:i buf:p", id, IPC_RMID, NULL);
	CALL(shmget, "key:i size:U shmflg:i", -559038737, 1L << 40, 0);
	id = CALL(semget, "key:i nsems:i semflg:i", IPC_PRIVATE, 1, 0600);
	CALL(semop, "semid:i sops:p nsops:u", id, &up, 1);
	CALL(semtimedop, "semid:i sops:p nsops:u timeout:t", id, &down, 1, &five);
	CALL(semtimedop, "semid:i sops:p nsops:u timeout:t", id, &down, 1, NULL);
	CALL(semctl, "semid:i semnum:i cmd:i arg:U", id, 0, SETVAL, 3);
	CALL(semctl, "semid:i semnum:i cmd:i", id, 0, IPC_RMID);
	id = CALL(msgget, "key:i msgflg:i", IPC_PRIVATE, 0600);
	CALL(msgsnd, "msqid:i msgp:p msgsz:U msgflg:i", id, &message, 7, IPC_NOWAIT);
	CALL(msgrcv, "msqid:i msgp:p msgsz:U msgtyp:l msgflg:i", id, &message, 8, -5, MSG_NOERROR);
	CALL(msgctl, "msqid:i cmd:i buf:p", id, IPC_RMID, NULL);
	long queue = CALL(mq_open, "name:s oflag:i mode:u attr:p", "deeds", O_RDWR | O_CREAT, 0600, NULL);
	CALL(mq_getsetattr, "mqdes:i newattr:p oldattr:p", queue, NULL, text);
	CALL(mq_timedsend, MQ " msg_prio:u abs_timeout:t", queue, "a\0b\xff\"c", 5, 9, &five);
	char received[8192];
	CALL(mq_timedreceive, "mqdes:i msg_ptr:B msg_len:U msg_prio:p abs_timeout:t", queue, received, 8192, &word,
	     NULL);
	CALL(mq_timedreceive, "mqdes:i msg_ptr:B msg_len:U msg_prio:p abs_timeout:t", queue, received, 8192, NULL,
	     &tiny);
	CALL(mq_notify, "mqdes:i sevp:p", queue, NULL);
	CALL(mq_unlink, "name:s", "deeds");
	CALL(mq_unlink, "name:s", "/wrong");
	shut(queue);
	CALL(futex, FUTEX, &word, FUTEX_WAIT, 1234, NULL, NULL, 0);
	CALL(futex, FUTEX, &word, FUTEX_WAIT_BITSET, word, &tiny, NULL, 4);
	CALL(futex, FUTEX, &word, FUTEX_CMP_REQUEUE, 1, NULL, &id, 99);
	CALL(futex_waitv, "waiters:p nr_futexes:u flags:u timeout:t clockid:i", waiters, 1, 0, &five, 1);
	NUMBER(futex_wake, 454, "uaddr:p mask:U nr:i flags:u", &word, 1, 2, 2);
	NUMBER(futex_wait, 455, "uaddr:p val:U mask:U flags:u timeout:t clockid:i", &word, 1, 1, 2, &tiny, 1);
	NUMBER(futex_requeue, 456, "waiters:p flags:u nr_wake:i nr_requeue:i", waiters, 77, 1, -1);
}

static void sockets(void)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_nl netlink = {.nl_family = AF_NETLINK, .nl_groups = 1};
	struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = 3, .svm_port = 4000000000u};
	struct sockaddr_un un = {.sun_family = AF_UNIX}, abstract = {AF_UNIX, "\0deeds\\\xff"};
	struct sockaddr_storage any;
	struct iovec iov = {"datagram", 8};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
	int pair[2], one = 1;
	socklen_t size = sizeof(in4);
	struct stat stat;
	char text[64], name[64];
	long server = CALL(socket, "domain:i type:i protocol:i", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 6);
	CALL(setsockopt, "sockfd:i level:i optname:i optval:p optlen:i", server, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	CALL(bind, BIND, server, &in4, sizeof(in4));
	CALL(listen, "sockfd:i backlog:i", server, 5);
	CALL(getsockname, NAME, server, &in4, &size);
	long client = CALL(socket, "domain:i type:i protocol:i", AF_INET, SOCK_STREAM, 0);
	CALL(connect, BIND, client, &in4, sizeof(in4));
	long accepted = CALL(accept, NAME, server, &peer, &size);
	CALL(accept, NAME, -1, &peer, &size);
	CALL(getpeername, NAME, client, &peer, &size);
	CALL(sendto, SEND, client, "hello", 5, MSG_NOSIGNAL, NULL, 0);
	CALL(recvfrom, RECEIVE, accepted, text, 64, MSG_PEEK, NULL, NULL);
	CALL(shutdown, "sockfd:i how:i", client, SHUT_RDWR);
	CALL(fstat, "fd:i statbuf:p", client, &stat);
	sprintf(name, "socket:[%lu]", stat.st_ino);
	keep(client, name);
	CALL(ioctl, "fd:F request:u arg:U", client, 0x541b, &one);
	long udp = CALL(socket, "domain:i type:i protocol:i", AF_INET, SOCK_DGRAM, 17);
	CALL(bind, BIND, udp, &(struct sockaddr_in){.sin_family = AF_INET}, 16);
	CALL(getsockname, NAME, udp, &in4, &size);
	CALL(sendto, SEND, udp, "hello", 5, 0, &in4, sizeof(in4));
	CALL(recvfrom, RECEIVE, udp, text, 64, 0, &any, (size = sizeof(any), &size));
	message.msg_hdr.msg_name = &in4, message.msg_hdr.msg_namelen = sizeof(in4);
	CALL(sendmsg, "sockfd:i msg:p flags:u", udp, &message, MSG_DONTWAIT);
	CALL(recvmsg, "sockfd:i msg:p flags:u", udp, &message, 0);
	CALL(sendmmsg, "sockfd:i msgvec:p vlen:u flags:u", udp, &message, 1, 0);
	CALL(recvmmsg, "sockfd:i msgvec:p vlen:u flags:u timeout:t", udp, &message, 1, 0, NULL);
	CALL(recvmmsg, "sockfd:i msgvec:p vlen:u flags:u timeout:t", -1, &message, 1, 0, &five);
	long six = CALL(socket, "domain:i type:i protocol:i", AF_INET6, SOCK_DGRAM, 0);
	CALL(bind, BIND, six, &in6, sizeof(in6));
	in6.sin6_port = htons(4242), in6.sin6_flowinfo = htonl(0xabcde), in6.sin6_scope_id = 7;
	inet_pton(AF_INET6, "fe80::1:2", &in6.sin6_addr);
	CALL(connect, BIND, -1, &in6, sizeof(in6));
	CALL(connect, BIND, -1, &vm, sizeof(vm));
	CALL(connect, BIND, udp, &(struct sockaddr){.sa_family = AF_UNSPEC}, 16);
	CALL(connect, BIND, udp, NULL, 16);
	sprintf(un.sun_path, "sock\xfe");
	long local = CALL(socket, "domain:i type:i protocol:i", AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, BIND, local, &un, sizeof(un));
	CALL(unlink, "pathname:s", un.sun_path);
	long hidden = CALL(socket, "domain:i type:i protocol:i", AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, BIND, hidden, &abstract, offsetof(struct sockaddr_un, sun_path) + 8);
	CALL(listen, "sockfd:i backlog:i", hidden, 1);
	CALL(connect, BIND, local, &abstract, offsetof(struct sockaddr_un, sun_path) + 8);
	CALL(accept4, NAME " flags:i", hidden, &any, (size = sizeof(any), &size), SOCK_CLOEXEC);
	CALL(getsockname, NAME, hidden, &any, (size = sizeof(any), &size));
	CALL(socketpair, "domain:i type:i protocol:i sv:f", AF_UNIX, SOCK_SEQPACKET, 0, pair);
	CALL(socketpair, "domain:i type:i protocol:i sv:f", AF_INET, SOCK_STREAM, 0, pair);
	CALL(getpeername, NAME, pair[0], &any, (size = sizeof(any), &size));
	CALL(getsockopt, "sockfd:i level:i optname:i optval:p optlen:p", pair[0], SOL_SOCKET, SO_TYPE, &one, &size);
	long route = CALL(socket, "domain:i type:i protocol:i", AF_NETLINK, SOCK_RAW, 0);
	CALL(bind, BIND, route, &netlink, sizeof(netlink));
	CALL(getsockname, NAME, route, &any, (size = sizeof(any), &size));
	CALL(close_range, "first:u last:u flags:u", server, 60, 0);
	keep(client, NULL);
}

/* ---- processes ---- */

struct action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

void restorer(void);
asm("restorer:\n\tmov $15, %eax\n\tsyscall");

/* What the interrupted program goes on with is what the return from the handler "returns". */
static void handler(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info;
	char line[256], *start = line + 160, *end = start;
	put(&end, "}\n");
	struct call call = {.event = "rt_sigreturn", .ret = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX]};
	tell(&call, start, end);
}

static void signals(void)
{
	struct action action = {handler, SA_SIGINFO | SA_RESTART | 0x04000000, restorer, 0}, old;
	unsigned long usr1 = 1 << (SIGUSR1 - 1), nothing = 0;
	siginfo_t info = {.si_code = SI_QUEUE};
	struct itimerval often = {{0, 2000}, {0, 2000}}, off = {};
	struct timespec hour = {3600, 0}, rest;
	stack_t stack;
	CALL(rt_sigaction, "signum:i act:p oldact:p sigsetsize:U", SIGUSR1, &action, &old, 8);
	CALL(rt_sigaction, "signum:i act:p oldact:p sigsetsize:U", SIGALRM, &action, NULL, 8);
	CALL(rt_sigaction, "signum:i act:p oldact:p sigsetsize:U", SIGILL, &action, NULL, 8);
	CALL(rt_sigaction, "signum:i act:p oldact:p sigsetsize:U", SIGKILL, &action, NULL, 8);
	CALL(kill, "pid:i sig:i", me, SIGUSR1);
	CALL(rt_sigprocmask, "how:i set:p oldset:p sigsetsize:U", SIG_BLOCK, &usr1, NULL, 8);
	CALL(tkill, "tid:i sig:i", me, SIGUSR1);
	CALL(rt_sigpending, "set:p sigsetsize:U", &nothing, 8);
	nothing = 0;
	CALL(rt_sigtimedwait, "set:p info:p timeout:t sigsetsize:U", &usr1, &info, &five, 8);
	CALL(rt_sigtimedwait, "set:p info:p timeout:t sigsetsize:U", &usr1, NULL, &none, 8);
	info.si_code = SI_QUEUE;
	CALL(rt_sigqueueinfo, "tgid:i sig:i info:p", me, SIGUSR1, &info);
	interrupted = -514; /* ERESTARTNOHAND */
	CALL(rt_sigsuspend, "mask:p sigsetsize:U", &nothing, 8);
	interrupted = 0;
	CALL(rt_tgsigqueueinfo, "tgid:i tid:i sig:i info:p", me, me, 77, &info);
	CALL(tgkill, "tgid:i tid:i sig:i", me, me, 0);
	CALL(sigaltstack, "ss:p old_ss:p", NULL, &stack);
	CALL(setitimer, "which:i new_value:p old_value:p", ITIMER_REAL, &often, NULL);
	interrupted = -514;
	CALL(pause, "");
	interrupted = -516; /* ERESTART_RESTARTBLOCK */
	CALL(nanosleep, "req:t rem:r", &hour, &rest);
	CALL(clock_nanosleep, "clockid:i flags:i request:t remain:r", CLOCK_MONOTONIC, 0, &hour, &rest);
	interrupted = 0;
	CALL(setitimer, "which:i new_value:p old_value:p", ITIMER_REAL, &off, NULL);
	NUMBER(uretprobe, 335, ""); /* answers with SIGILL */
}

/* In a child: there is no way back. */
static void identities(void)
{
	gid_t groups[2] = {5, 6};
	uint32_t ids[3], header[2] = {0x20080522, 0}, sets[6];
	CALL(capget, "hdrp:p datap:p", header, sets);
	CALL(capset, "hdrp:p datap:p", header, sets);
	CALL(setpgid, "pid:i pgid:i", 0, 0);
	CALL(getpgid, "pid:i", 0);
	CALL(setsid, "");
	NUMBER(getsid, SYS_getsid, "pid:i", me);
	CALL(setgroups, "size:i list:p", 2, groups);
	CALL(getgroups, "size:i list:p", 0, NULL);
	CALL(setfsgid, "fsgid:i", 1001);
	CALL(setfsuid, "fsuid:i", 1002);
	CALL(setregid, "rgid:i egid:i", -1, 1003);
	CALL(setresgid, "rgid:i egid:i sgid:i", 1003, -1, 1004);
	CALL(getresgid, "rgid:p egid:p sgid:p", ids, ids + 1, ids + 2);
	CALL(setgid, "gid:i", 1005);
	CALL(setreuid, "ruid:i euid:i", 1006, -1);
	CALL(setresuid, "ruid:i euid:i suid:i", -1, -1, 1007);
	CALL(getresuid, "ruid:p euid:p suid:p", ids, ids + 1, ids + 2);
	CALL(setuid, "uid:i", 1008);
	CALL(setuid, "uid:i", 0);
}

static void limits(void)
{
	struct rlimit limit = {};
	struct rusage usage;
	struct sched_param param = {};
	unsigned long mask[16];
	uint32_t attr[14] = {};
	struct timespec slice;
	CALL(getrlimit, "resource:u rlim:p", RLIMIT_CORE, &limit);
	CALL(setrlimit, "resource:u rlim:p", RLIMIT_CORE, &limit);
	CALL(prlimit64, "pid:i resource:u new_limit:p old_limit:p", me, RLIMIT_NOFILE, NULL, &limit);
	CALL(getrusage, "who:i usage:p", RUSAGE_CHILDREN, &usage);
	CALL(times, "buf:p", mask);
	CALL(getpriority, "which:i who:i", PRIO_PROCESS, me);
	CALL(setpriority, "which:i who:i prio:i", PRIO_PROCESS, 0, 5);
	CALL(ioprio_get, "which:i who:i", 1, 0);
	CALL(ioprio_set, "which:i who:i ioprio:i", 1, 0, 2 << 13 | 7);
	CALL(sched_getaffinity, "pid:i cpusetsize:u mask:p", 0, sizeof(mask), mask);
	CALL(sched_setaffinity, "pid:i cpusetsize:u mask:p", me, sizeof(mask), mask);
	CALL(sched_getscheduler, "pid:i", -1);
	CALL(sched_setscheduler, "pid:i policy:i param:p", 0, SCHED_BATCH, &param);
	CALL(sched_getparam, "pid:i param:p", 0, &param);
	CALL(sched_setparam, "pid:i param:p", me, &param);
	CALL(sched_get_priority_max, "policy:i", SCHED_FIFO);
	CALL(sched_get_priority_min, "policy:i", SCHED_FIFO);
	CALL(sched_rr_get_interval, "pid:i tp:o", 0, &slice);
	CALL(sched_getattr, "pid:i attr:p size:u flags:u", 0, attr, sizeof(attr), 0);
	CALL(sched_setattr, "pid:i attr:p flags:u", 0, attr, 0);
}

/* The thread's memory is the parent's, but not its stack, so there is nothing here to return to. */
static void thread(void)
{
	CALL(gettid, "");
	END(exit, "status:i", 5);
}

static long start_thread(const long *args)
{
	register long r10 asm("r10") = args[3], r8 asm("r8") = args[4];
	long ret;
	asm volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\tcall *%[thread]\n1:"
		     : "=a"(ret)
		     : "a"(SYS_clone), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8), [thread] "b"(thread)
		     : "rcx", "r11", "memory");
	return ret;
}

static void threads(void)
{
	int id = -1;
	uint32_t *head;
	size_t size;
	long stack = CALL(mmap, MMAP, NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	long *args = LONGS(flags, stack + (1 << 20), &id, &id, 0x1234000);
	char line[512], *start = line + 160, *end = start;
	struct call call = {.event = "clone", .spec = CLONE, .args = args};
	call.ret = start_thread(args);
	put(&end, ",\"args\":{");
	put_args(&end, &call, BEFORE);
	put(&end, "}}\n");
	tell(&call, start, end);
	for (int now; (now = __atomic_load_n(&id, __ATOMIC_ACQUIRE)) != 0;)
		CALL(futex, FUTEX, &id, FUTEX_WAIT, now, NULL, NULL, 0);
	CALL(munmap, "addr:U length:U", stack, 1 << 20);
	CALL(get_robust_list, "pid:i head_ptr:p len_ptr:p", 0, &head, &size);
	CALL(set_robust_list, "head:p len:U", head, 1);
	CALL(rseq, "rseq:p rseq_len:u flags:i sig:u", NULL, 32, 77, 0x53053053);
}

/* Parent and child share the stack until the child ends, so both must be in this function. */
static void vforked(void)
{
	char line[256], *start = line + 160, *end = start;
	struct call call = {.event = "vfork"};
	int parent = me;
	call.ret = native(SYS_vfork, LONGS());
	if (!call.ret) {
		CALL(getpid, "");
		END(exit, "status:i", 0);
	}
	me = parent;
	put(&end, "}\n");
	tell(&call, start, end);
	reap(call.ret);
}

static void processes(void)
{
	uint64_t how[11] = {[4] = SIGCHLD};
	int id = 0;
	siginfo_t info;
	struct iovec word[4];
	long pid = FORK(clone, CLONE, LONGS(CLONE_PARENT_SETTID | SIGCHLD, 0, &id, NULL, 0));
	if (!pid) {
		CALL(getpid, "");
		CALL(set_tid_address, "tidptr:p", &id);
		END(exit, "status:i", 0);
	}
	CALL(waitid, "idtype:i id:i infop:p options:i rusage:p", P_PID, pid, &info, WEXITED | WNOWAIT, NULL);
	reap(pid);
	pid = FORK(clone3, "cl_args:p size:U", LONGS(how, sizeof(how)));
	if (!pid) {
		CALL(getpid, "");
		END(exit_group, "status:i", 256);
	}
	reap(pid);
	CALL(clone, CLONE, CLONE_THREAD, 1, 2, 3, 4);
	CALL(clone3, "cl_args:p size:U", NULL, 1);
	CALL(wait4, "pid:i wstatus:p options:i rusage:p", -1, NULL, WNOHANG, NULL);
	long pidfd = CALL(pidfd_open, "pid:i flags:u", me, 0);
	CALL(pidfd_getfd, "pidfd:i targetfd:i flags:u", pidfd, 999, 0);
	CALL(pidfd_send_signal, "pidfd:i sig:i info:p flags:u", pidfd, 0, NULL, 0);
	CALL(process_mrelease, "pidfd:i flags:u", pidfd, 77);
	shut(pidfd);
	CALL(kcmp, "pid1:i pid2:i type:i idx1:U idx2:U", me, me, 0, 0, 1);
	CALL(ptrace, "request:l pid:l addr:U data:U", 2, -1, 0x1234, &info);
	CALL(prctl, "option:i arg2:U arg3:U arg4:U arg5:U", 15, "deeds", 2, 3, -1L);
	CALL(arch_prctl, "option:i addr:U", 0x1003, &info);
	CALL(modify_ldt, "func:i ptr:p bytecount:U", 0, word, 16);
	CALL(set_thread_area, "u_info:p", NULL);
	CALL(get_thread_area, "u_info:p", NULL);
}

static char *few[] = {"deeds", "two words", "\"\\\xff\n", "", NULL}, *variables[] = {"A=1", "EMPTY=", "=\xfe", NULL};
static char *many[31], thousand[1001];

static void executed(void)
{
	END(execve, EXEC, self, few, variables);
}

static void executed_with_much(void)
{
	END(execve, EXEC, self, many, variables + 3);
}

static void executed_at(void)
{
	char *slash = strrchr(self, '/'), *place = in("");
	memcpy(place, self, slash - self);
	place[slash - self] = 0;
	long fd = keep(CALL(open, "pathname:s flags:i", place, O_PATH), place);
	END(execveat, "dirfd:F " EXEC " flags:i", fd, slash + 1, ((char *[]){"deeds", "at", "", NULL}), variables, 0);
}

static void executed_script(void)
{
	END(execve, EXEC, "deeds", ((char *[]){"script", "one", NULL}), variables);
}

static void programs(void)
{
	char text[4096];
	memset(thousand, 'x', 1000);
	for (int i = 0; i < 30; i++)
		many[i] = thousand;
	CALL(execve, EXEC, "/no/such/program", ((char *[]){"a", "", "b\xff", "", NULL}), variables);
	CALL(execve, EXEC, "/no/such/program", NULL, NULL);
	CALL(execve, EXEC, NULL, many, variables);
	CALL(execveat, "dirfd:F " EXEC " flags:i", dir, "none", ((char *[]){NULL}), NULL, AT_SYMLINK_NOFOLLOW);
	CALL(execveat, "dirfd:F " EXEC " flags:i", dir, "", NULL, NULL, AT_EMPTY_PATH);
	in_child(executed);
	in_child(executed_with_much);
	in_child(executed_at);
	long fd = CALL(open, "pathname:s flags:i mode:u", "deeds", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	CALL(write, "fd:i buf:p count:U", fd, text, sprintf(text, "#!%s\n", self));
	shut(fd);
	in_child(executed_script);
	CALL(unlink, "pathname:s", "deeds");
}

/* ---- calls of 32-bit programs ---- */

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

static void compat_files(void)
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

static void compat_rest(void)
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

int main(int argc, char **argv)
{
	CALL(getpid, "");
	if (argc != 2 || argv[1][0] != '/')
		END(exit_group, "status:i", 0);
	self = argv[0], scratch = argv[1];
	CALL(chdir, "path:s", scratch);
	dir = CALL(open, "pathname:s flags:i mode:u", scratch, O_RDONLY | O_DIRECTORY, 0);
	keep(dir, scratch);
	low_next = low = (char *)CALL(mmap, MMAP, NULL, 1 << 16, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	low_next += 64;
	names();
	contents();
	attributes();
	pipes_and_polls();
	in_child(queues_of_requests);
	memory();
	in_child(mounts);
	in_child(sandbox);
	kernel();
	plain();
	clocks();
	queues();
	sockets();
	signals();
	in_child(identities);
	limits();
	threads();
	vforked();
	processes();
	programs();
	compat_files();
	compat_rest();
	END(exit_group, "status:i", 0);
}
