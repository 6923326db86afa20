/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who a process is and what it may, its threads and its children. */
#include "deeds.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define CLONE "flags:U stack:U parent_tid:p child_tid:p tls:U"

/* In a child: there is no way back. */
void identities(void)
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

void limits(void)
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

void threads(void)
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
void vforked(void)
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

void processes(void)
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
