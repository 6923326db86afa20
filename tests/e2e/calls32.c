/*
 * Makes system calls as a 32-bit program does: calls32 CALL... where each is a number and its arguments, joined by
 * commas: numbers, texts after a colon, or bytes in hexadecimal after an equals sign. Prints what each returns.
 * Of words between the calls `wide` has those that follow made as usual, `narrow` as at first, `thread` by threads of
 * their own. A child that a call makes ends at once.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct call {
	long number, arguments[5], result;
	int wide; /* 64 bits */
};

static long call32(long number, long *arguments)
{
	long result = number;
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(arguments[0]), "c"(arguments[1]), "d"(arguments[2]), "S"(arguments[3]), "D"(arguments[4])
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

/* Without the C library, which would tell all threads of it. */
static long call64(long number, long *arguments)
{
	register long fourth __asm__("r10") = arguments[3];
	register long fifth __asm__("r8") = arguments[4];
	long result = number;
	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "r"(fourth), "r"(fifth)
			 : "memory", "rcx", "r11");
	return result;
}

static void *make(void *of)
{
	struct call *call = of;
	call->result = (call->wide ? call64 : call32)(call->number, call->arguments);
	return NULL;
}

/* An argument; what it points at is put at *to. */
static long argument(const char *word, char **to)
{
	char *at = *to;
	if (word[0] == ':') {
		*to = stpcpy(at, word + 1) + 1;
	} else if (word[0] == '=') {
		for (word++; word[0] && word[1]; word += 2, (*to)++)
			if (sscanf(word, "%2hhx", (unsigned char *)*to) != 1)
				exit(1);
	} else {
		return strtol(word, NULL, 0);
	}
	return (long)at;
}

int main(int argc, char **argv)
{
	/* such a program's pointers have 32 bits */
	char *to = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int wide = 0, threads = 0;
	if (to == MAP_FAILED)
		return 1;
	for (int i = 1; i < argc; i++) {
		struct call call = {.wide = wide};
		pthread_t thread;
		pid_t self = getpid();
		if (!strcmp(argv[i], "wide") || !strcmp(argv[i], "narrow")) {
			wide = argv[i][0] == 'w';
			continue;
		}
		if (!strcmp(argv[i], "thread")) {
			threads = 1;
			continue;
		}
		char *word = strtok(argv[i], ",");
		call.number = strtol(word, NULL, 0);
		for (int place = 0; place < 5 && (word = strtok(NULL, ",")); place++)
			call.arguments[place] = argument(word, &to);
		if (!threads)
			make(&call);
		else if (pthread_create(&thread, NULL, make, &call) || pthread_join(thread, NULL))
			return 1;
		if (getpid() != self)
			_exit(0);
		printf("%ld\n", call.result);
	}
	return 0;
}
