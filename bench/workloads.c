/*
 * Work for tracers to watch, and how long it took:
 *
 *	workload getppid N		N calls of getppid
 *	workload open N FILE		N times openat and close of FILE
 *	workload mix N FILE OTHER	N times openat and close of FILE, each hundredth time of OTHER instead
 *	workload read N FILE		N reads of a byte of FILE
 *	workload write N FILE		N writes of a byte to FILE
 *	workload chroot N		N times chroot to the working directory, which takes a capability
 *	workload exec N			N processes that exec this program in the mode `nothing` and are awaited
 *	workload rate N SECONDS		getppid at N calls a second, in bursts of at most BURST_MAX, for SECONDS
 *	workload nothing		ends at once
 *
 * It says "ready" on stderr and waits for a byte on stdin, or for its end, so that a tracer can be attached first. Then
 * it works, prints one line of JSON, and stays until stdin ends, so that a tracer that leaves with it can still be
 * measured. A call is a system call that a tracer would tell of: `open N` makes 2 N, `exec N` makes N, and so
 * does `mix N`, of which only the opens are asked for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BURST_MAX 50
#define BURSTS_A_SECOND 10000 /* as long as a burst stays under BURST_MAX */
#define NS 1000000000ULL

static void die(const char *what)
{
	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec t;
	if (clock_gettime(clock, &t))
		die("clock_gettime");
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

/* CPU time, ns, of this process and of the children that it has waited for. */
static uint64_t cpu_time(void)
{
	struct rusage children;
	if (getrusage(RUSAGE_CHILDREN, &children))
		die("getrusage");
	uint64_t microseconds = (uint64_t)(children.ru_utime.tv_usec + children.ru_stime.tv_usec);
	uint64_t seconds = (uint64_t)(children.ru_utime.tv_sec + children.ru_stime.tv_sec);
	return nanoseconds(CLOCK_PROCESS_CPUTIME_ID) + seconds * NS + microseconds * 1000;
}

static uint64_t positive(const char *text)
{
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || !number) {
		fprintf(stderr, "workload: '%s' is no number above 0\n", text);
		exit(2);
	}
	return number;
}

static uint64_t work_getppid(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		syscall(SYS_getppid);
	return count;
}

static void open_once(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(file);
	close(fd);
}

static uint64_t work_open(uint64_t count, const char *file)
{
	for (uint64_t i = 0; i < count; i++)
		open_once(file);
	return 2 * count;
}

static uint64_t work_mix(uint64_t count, const char *file, const char *other)
{
	for (uint64_t i = 1; i <= count; i++)
		open_once(i % 100 ? file : other);
	return count;
}

/* Each at the file's beginning. */
static uint64_t work_transfer(uint64_t count, const char *file, bool writes)
{
	char byte = 0;
	int fd = open(file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(file);
	for (uint64_t i = 0; i < count; i++)
		if ((writes ? pwrite(fd, &byte, 1, 0) : pread(fd, &byte, 1, 0)) < 0)
			die(file);
	close(fd);
	return count;
}

static uint64_t work_chroot(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (chroot("."))
			die("chroot");
	return count;
}

static uint64_t work_exec(uint64_t count, char *self)
{
	char *argv[] = {self, "nothing", NULL};
	char *environment[] = {NULL};
	for (uint64_t i = 0; i < count; i++) {
		pid_t child;
		int status = 0;
		errno = posix_spawn(&child, self, NULL, NULL, argv, environment);
		if (errno)
			die(self);
		if (waitpid(child, &status, 0) != child || status)
			die("a child failed");
	}
	return count;
}

/* A burst that is late follows at once. Ends when the time is up, even if not all calls were made by then. */
static uint64_t work_rate(uint64_t rate, uint64_t seconds)
{
	uint64_t burst = rate / BURSTS_A_SECOND;
	if (burst < 1)
		burst = 1;
	if (burst > BURST_MAX)
		burst = BURST_MAX;
	uint64_t start = nanoseconds(CLOCK_MONOTONIC), now = start;
	for (uint64_t calls = 0;; calls += burst) {
		uint64_t due = start + (uint64_t)((double)calls / (double)rate * (double)NS);
		while (now < due)
			now = nanoseconds(CLOCK_MONOTONIC);
		now = nanoseconds(CLOCK_MONOTONIC);
		if (calls >= rate * seconds || now - start >= seconds * NS)
			return calls;
		work_getppid(burst);
	}
}

/* The byte that was read, or the end of stdin. */
static void wait_for_stdin(void)
{
	char byte;
	while (read(STDIN_FILENO, &byte, 1) < 0)
		if (errno != EINTR)
			die("stdin");
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	if (!strcmp(mode, "nothing"))
		return 0;
	bool one_number = !strcmp(mode, "getppid") || !strcmp(mode, "exec") || !strcmp(mode, "chroot");
	bool reads = !strcmp(mode, "read"), writes = !strcmp(mode, "write");
	bool two_arguments = !strcmp(mode, "open") || !strcmp(mode, "rate") || reads || writes;
	bool mixes = !strcmp(mode, "mix");
	if (!(one_number && argc == 3) && !(two_arguments && argc == 4) && !(mixes && argc == 5)) {
		fprintf(stderr, "usage: workload getppid N | chroot N | open N FILE | mix N FILE OTHER | read N FILE | "
				"write N FILE | exec N | rate N SECONDS | nothing\n");
		return 2;
	}
	uint64_t count = positive(argv[2]);
	uint64_t seconds = !strcmp(mode, "rate") ? positive(argv[3]) : 0;

	fprintf(stderr, "ready\n");
	wait_for_stdin();

	uint64_t cpu = cpu_time(), start = nanoseconds(CLOCK_MONOTONIC), calls;
	if (!strcmp(mode, "getppid"))
		calls = work_getppid(count);
	else if (!strcmp(mode, "open"))
		calls = work_open(count, argv[3]);
	else if (mixes)
		calls = work_mix(count, argv[3], argv[4]);
	else if (reads || writes)
		calls = work_transfer(count, argv[3], writes);
	else if (!strcmp(mode, "chroot"))
		calls = work_chroot(count);
	else if (!strcmp(mode, "exec"))
		calls = work_exec(count, argv[0]);
	else
		calls = work_rate(count, seconds);
	uint64_t taken = nanoseconds(CLOCK_MONOTONIC) - start;
	cpu = cpu_time() - cpu;

	printf("{\"calls\": %llu, \"seconds\": %.9f, \"ns_per_call\": %.3f, \"cpu_ns_per_call\": %.3f}\n",
	       (unsigned long long)calls, (double)taken / (double)NS, (double)taken / (double)calls,
	       (double)cpu / (double)calls);
	if (fflush(stdout))
		die("stdout");
	wait_for_stdin();
	return 0;
}
