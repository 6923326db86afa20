/*
 * Shapes of process trees. Each process that is of interest calls getuid() when it stands where it is to be seen, and
 * prints one line: what it is, its pid, its parent's pid.
 *
 * shapes storm N | daemon | subreaper | parent | threads FILE | leader | cut DEPTH | reuse N
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int holds, const char *what)
{
	if (!holds) {
		perror(what);
		_exit(9);
	}
}

/* One write a line: processes write to the same pipe. */
static void tell(const char *what)
{
	char line[128];
	syscall(SYS_getuid);
	int length = snprintf(line, sizeof(line), "%s %d %d\n", what, getpid(), getppid());
	must(write(1, line, length) == length, "write");
}

static void wait_for_parent(pid_t other_than)
{
	while (getppid() == other_than)
		sched_yield();
}

static __attribute__((noinline)) pid_t begin(int with_vfork, int status)
{
	pid_t child = with_vfork ? vfork() : fork();
	if (child == 0)
		_exit(status);
	return child;
}

/* One child after the other, as fast as it goes; each with its status. */
static void storm(long count)
{
	for (long i = 0; i < count; i++) {
		pid_t child = begin(i % 2, i % 200);
		must(child > 0 && waitpid(child, NULL, 0) == child, "fork");
		printf("%d %ld\n", child, i % 200);
	}
}

static void daemonize(void)
{
	pid_t first = fork();
	must(first >= 0, "fork");
	if (first == 0) {
		pid_t self = getpid();
		if (fork() == 0) {
			setsid();
			wait_for_parent(self);
			tell("daemon");
			if (fork() == 0) {
				tell("child");
				_exit(0);
			}
			wait(NULL);
		}
		_exit(0);
	}
	tell("first");
	waitpid(first, NULL, 0);
}

/* Orphans go to us, not to the first process; then we end, and they go on to whoever takes ours. */
static void subreaper(void)
{
	pid_t middle = fork();
	must(middle >= 0, "fork");
	if (middle == 0) {
		must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl");
		pid_t reaper = getpid(), parent = fork();
		if (parent == 0) {
			pid_t self = getpid();
			if (fork() == 0) {
				tell("below");
				kill(self, SIGKILL);
				wait_for_parent(self);
				tell("adopted");
				kill(reaper, SIGKILL);
				wait_for_parent(reaper);
				tell("moved");
				_exit(0);
			}
			pause();
		}
		wait(NULL);
		pause();
	}
	waitpid(middle, NULL, 0);
}

/* A sibling instead of a child. */
static void for_parent(void)
{
	pid_t maker = fork();
	if (maker == 0) {
		if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) {
			tell("sibling");
			_exit(0);
		}
		tell("maker");
		_exit(0);
	}
	wait(NULL);
	wait(NULL);
}

static char *program[] = {NULL, "seen", NULL};

static void *run_program(void *unused)
{
	(void)unused;
	tell("thread");
	execv(program[0], program);
	_exit(9);
}

static void *outlive(void *leader)
{
	pthread_join(*(pthread_t *)leader, NULL);
	tell("survivor");
	if (fork() == 0) {
		tell("grandchild");
		_exit(0);
	}
	wait(NULL);
	_exit(3);
}

static void threads(char *file)
{
	pthread_t thread;
	program[0] = file;
	must(pthread_create(&thread, NULL, run_program, NULL) == 0, "thread");
	pause();
}

/* The first thread ends, and the process does not. */
static void leader(void)
{
	static pthread_t self;
	pthread_t thread;
	self = pthread_self();
	must(pthread_create(&thread, NULL, outlive, &self) == 0, "thread");
	pthread_exit(NULL);
}

static void deep(long depth)
{
	pid_t child = depth ? fork() : 0;
	must(child >= 0, "fork");
	if (!depth) {
		tell("deepest");
		return;
	}
	if (child == 0) {
		deep(depth - 1);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

#define TRIES 5000
#define PID_IS_KEPT 77

/* Children that all have the pid of the first. Somebody else may take it meanwhile: then it is tried again, for a
 * while; a program that lives on keeps it. */
static void reuse(long times)
{
	pid_t pid = begin(0, 0);
	waitpid(pid, NULL, 0);
	for (long i = 0, tries = 0; i < times; tries++) {
		if (tries == TRIES)
			exit(PID_IS_KEPT);
		int file = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
		char before[16];
		int length = snprintf(before, sizeof(before), "%d", pid - 1);
		must(file >= 0 && write(file, before, length) == length, "ns_last_pid");
		close(file);
		pid_t child = fork();
		if (child == 0) {
			if (getpid() == pid)
				tell("again");
			_exit(i);
		}
		waitpid(child, NULL, 0);
		i += child == pid;
	}
}

int main(int argc, char **argv)
{
	char byte;
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	puts("ready");
	fflush(stdout);
	if (argc < 2 || read(0, &byte, 1) != 1)
		return 2;
	if (!strcmp(argv[1], "storm"))
		storm(atol(argv[2]));
	else if (!strcmp(argv[1], "daemon"))
		daemonize();
	else if (!strcmp(argv[1], "subreaper"))
		subreaper();
	else if (!strcmp(argv[1], "parent"))
		for_parent();
	else if (!strcmp(argv[1], "threads"))
		threads(argv[2]);
	else if (!strcmp(argv[1], "leader"))
		leader();
	else if (!strcmp(argv[1], "cut"))
		deep(atol(argv[2]));
	else if (!strcmp(argv[1], "reuse"))
		reuse(atol(argv[2]));
	return 0;
}
