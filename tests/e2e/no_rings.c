/* Preloaded, answers bpf() as a kernel without BPF ring buffers does: there is no such type of map. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <sys/syscall.h>

long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long args[6];
	va_list list;
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	const union bpf_attr *attr = (void *)args[1];
	if (number == SYS_bpf && args[0] == BPF_MAP_CREATE && attr->map_type == BPF_MAP_TYPE_RINGBUF) {
		errno = EINVAL;
		return -1;
	}
	if (!next)
		next = dlsym(RTLD_NEXT, "syscall");
	return next(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}
