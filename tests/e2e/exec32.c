/* Executes a file as a 32-bit program does: exec32 FILE ARG... with KEY=value as its environment. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static char *put(char **to, const char *text)
{
	char *at = strcpy(*to, text);
	*to += strlen(text) + 1;
	return at;
}

int main(int argc, char **argv)
{
	/* such a program's pointers have 32 bits */
	char *low = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	unsigned int *arguments = (unsigned int *)low, *environment = arguments + argc;
	char *text = (char *)(environment + 2);
	long result = 11;
	if (low == MAP_FAILED || argc < 2)
		return 1;
	char *file = put(&text, argv[1]);
	for (int i = 1; i < argc; i++)
		arguments[i - 1] = (long)put(&text, argv[i]);
	arguments[argc - 1] = 0;
	environment[0] = (long)put(&text, "KEY=value");
	environment[1] = 0;
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(file), "c"(arguments), "d"(environment)
			 : "memory", "r8", "r9", "r10", "r11");
	printf("%d\n", -(int)result);
	return 0;
}
