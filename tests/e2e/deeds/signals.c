/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Signals, and the calls that they interrupt. */
#include "deeds.h"
#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

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

void signals(void)
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
