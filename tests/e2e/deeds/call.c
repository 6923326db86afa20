/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "call.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

int me;
const char *paths[64];
long interrupted;
char *low, *low_next;

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

void put(char **to, const char *format, ...)
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
void put_args(char **to, const struct call *call, enum pass pass)
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
void tell(const struct call *call, char *args, char *end)
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

long act(const char *event, enum how how, long number, const char *spec, const long *args)
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
