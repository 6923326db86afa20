/* Does simple things a known number of times: caller [wait] calls N | threads T N | spawn DEPTH N | exec FILE ARG... */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *calls(void *count)
{
	for (long i = 0; i < (long)count; i++)
		syscall(SYS_getppid);
	return NULL;
}

/* a chain of children, each of which makes its calls */
static void spawn(long depth, long count)
{
	calls((void *)count);
	if (depth == 0)
		return;
	pid_t child = fork();
	if (child == 0) {
		spawn(depth - 1, count);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void threads(long number, long count)
{
	pthread_t all[64];
	for (long i = 0; i < number && i < 64; i++)
		if (pthread_create(&all[i], NULL, calls, (void *)count))
			abort();
	for (long i = 0; i < number && i < 64; i++)
		pthread_join(all[i], NULL);
}

int main(int argc, char **argv)
{
	char byte;
	if (argc > 1 && !strcmp(argv[1], "wait")) {
		puts("ready");
		fflush(stdout);
		if (read(0, &byte, 1) != 1)
			return 1;
		argv++, argc--;
	}
	if (argc == 3 && !strcmp(argv[1], "calls"))
		calls((void *)atol(argv[2]));
	else if (argc == 4 && !strcmp(argv[1], "threads"))
		threads(atol(argv[2]), atol(argv[3]));
	else if (argc == 4 && !strcmp(argv[1], "spawn"))
		spawn(atol(argv[2]), atol(argv[3]));
	else if (argc > 2 && !strcmp(argv[1], "exec"))
		execv(argv[2], argv + 2);
	else
		return 2;
	return 0;
}
