/*
 * Loads shared objects: each argument is the path of one, or `wait`: says so, and waits for a line.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments)
{
	char line[16];
	for (int i = 1; i < count; i++) {
		if (!strcmp(arguments[i], "wait")) {
			puts("waiting");
			fflush(stdout);
			if (!fgets(line, sizeof(line), stdin))
				return 1;
		} else if (!dlopen(arguments[i], RTLD_NOW)) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
	}
	return 0;
}
