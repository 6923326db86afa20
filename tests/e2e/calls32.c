/*
 * Makes system calls as a 32-bit program does: calls32 CALL... where each is a number and its arguments, joined by
 * commas: numbers, or texts after a colon. Prints what each returns.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static long call32(long number, long *arguments)
{
	long result = number;
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(arguments[0]), "c"(arguments[1]), "d"(arguments[2]), "S"(arguments[3]), "D"(arguments[4])
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

int main(int argc, char **argv)
{
	/* such a program's pointers have 32 bits */
	char *low = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		return 1;
	for (int i = 1; i < argc; i++) {
		long arguments[5] = {0}, number = -1;
		char *to = low;
		int place = -1;
		for (char *word = strtok(argv[i], ","); word && place < 5; word = strtok(NULL, ","), place++) {
			long value = word[0] == ':' ? (long)strcpy(to, word + 1) : strtol(word, NULL, 0);
			to += strlen(word) + 1;
			if (place < 0)
				number = value;
			else
				arguments[place] = value;
		}
		printf("%ld\n", call32(number, arguments));
	}
	return 0;
}
