/* System calls from odd places, one deed a run: argv[1] says which. What is harmless is here too. */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
extern char **environ;

/* mov eax, getppid; syscall; ret */
static const unsigned char CODE[] = {0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3};

/* Calls from `at` as often as is said, and prints where that was. */
static void call_from(void *at, int times)
{
	memcpy(at, CODE, sizeof(CODE));
	for (int i = 0; i < times; i++)
		((void (*)(void))at)();
	printf("%lu\n", (unsigned long)at);
}

static void *executable(void *at)
{
	void *page = (void *)((unsigned long)at & ~(PAGE - 1UL));
	if (mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC))
		exit(1);
	return at;
}

static void *from_stack(void *unused)
{
	(void)unused;
	call_from(executable(alloca(4 * PAGE)), 1); /* two pages from there are stack too */
	return NULL;
}

/* getppid with the stack pointer at `to` */
static void pivot(void *to, int times)
{
	for (int i = 0; i < times; i++) {
		long number = SYS_getppid; /* and the result, which must not be taken for the next number */
		__asm__ volatile("mov %%rsp, %%rbx; mov %1, %%rsp; syscall; mov %%rbx, %%rsp"
				 : "+a"(number)
				 : "r"(to)
				 : "rbx", "rcx", "r11", "memory");
	}
	printf("%lu\n", (unsigned long)to);
}

static void *pivot_in_thread(void *to)
{
	pivot(to, 1);
	return NULL;
}

static void handler(int number)
{
	(void)number;
	syscall(SYS_getppid);
}

static void on_signal_stack(int flags)
{
	stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16, .ss_flags = flags};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	if (sigaltstack(&stack, NULL) || sigaction(SIGUSR1, &action, NULL) || raise(SIGUSR1))
		exit(1);
}

static void *work(void *unused)
{
	(void)unused;
	free(malloc(1 << 20));
	syscall(SYS_getppid);
	on_signal_stack(0);
	pid_t child = fork();
	if (!child) {
		syscall(SYS_getppid);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	return NULL;
}

static void run_thread(void *(*body)(void *), void *argument)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, body, argument) || pthread_join(thread, NULL))
		exit(1);
}

static void harmless(void)
{
	pid_t child;
	char *const arguments[] = {"true", NULL};
	for (int i = 0; i < 8; i++)
		run_thread(work, NULL);
	on_signal_stack(0);
	on_signal_stack((int)(1U << 31)); /* SS_AUTODISARM */
	if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ))
		exit(1);
	waitpid(child, NULL, 0);
	char volatile *deep = alloca(1 << 20);
	deep[0] = 1;
	syscall(SYS_getppid);
}

int main(int count, char **arguments)
{
	const char *deed = count > 1 ? arguments[1] : "";
	char *area = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return 1;
	if (!strcmp(deed, "anonymous"))
		call_from(area, 3);
	else if (!strcmp(deed, "heap"))
		call_from(executable(sbrk(2 * PAGE)), 1);
	else if (!strcmp(deed, "main-stack"))
		from_stack(NULL);
	else if (!strcmp(deed, "thread-stack"))
		run_thread(from_stack, NULL);
	else if (!strcmp(deed, "pivot"))
		pivot(area + 8 * PAGE, 3);
	else if (!strcmp(deed, "pivot-heap"))
		pivot((char *)sbrk(2 * PAGE) + PAGE, 1);
	else if (!strcmp(deed, "pivot-thread"))
		run_thread(pivot_in_thread, area + 8 * PAGE);
	else
		harmless();
	return 0;
}
