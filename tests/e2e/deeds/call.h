/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Making calls and telling them. Nothing else is called between a call and its line, except the write of the line.
 *
 * A line is made from a spec, one word an argument: its name, and how its value is shown ("-": not at all).
 *   i int, u unsigned, l long, U unsigned long, q 64 bits of a 32-bit program (two registers), p pointer, n null
 *   F a descriptor with the path of its file, s string, v list of strings, b bytes (length: the next argument)
 *   t timespec, T two of them, a socket address (length: the next argument)
 * and, written by the kernel:
 *   S string, B bytes (length: the return value), A socket address, o timespec on success, r timespec on failure,
 *   f pair of descriptors
 */
#pragma once
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum how { COMPAT = 1, FORKS = 2, LAST = 4, IN_MEMORY = 8 };
enum pass { BEFORE, AFTER, PATHS };

struct call {
	const char *event, *spec;
	enum how how;
	long number, ret;
	const long *args;
};

extern int me;
extern const char *paths[64]; /* by descriptor, where known */
extern long interrupted;      /* what the kernel calls an interruption that the program sees as EINTR */
extern char *low, *low_next;  /* memory that a 32-bit call can name */

/* errno would hide what the kernel returned, and libc would call something else. */
static inline __attribute__((always_inline)) long native(long number, const long *args)
{
	register long r10 asm("r10") = args[3], r8 asm("r8") = args[4], r9 asm("r9") = args[5];
	long ret;
	asm volatile("syscall"
		     : "=a"(ret)
		     : "a"(number), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
}

/* Makes the call and tells it. */
long act(const char *event, enum how how, long number, const char *spec, const long *args);

/* The same in parts, for a call that must be made in place; a line has room for its head, 160 bytes, before `args`. */
void put(char **to, const char *format, ...);
void put_args(char **to, const struct call *call, enum pass pass);
void tell(const struct call *call, char *args, char *end);

#define L0() 0
#define L1(a) (long)(a)
#define L2(a, ...) (long)(a), L1(__VA_ARGS__)
#define L3(a, ...) (long)(a), L2(__VA_ARGS__)
#define L4(a, ...) (long)(a), L3(__VA_ARGS__)
#define L5(a, ...) (long)(a), L4(__VA_ARGS__)
#define L6(a, ...) (long)(a), L5(__VA_ARGS__)
#define PICK(zero, one, two, three, four, five, six, name, ...) name
#define LONGS(...) ((long[6]){PICK(0, ##__VA_ARGS__, L6, L5, L4, L3, L2, L1, L0)(__VA_ARGS__)})

#define CALL(event, spec, ...) act(#event, 0, SYS_##event, spec, LONGS(__VA_ARGS__))
#define FORK(event, ...) act(#event, FORKS, SYS_##event, __VA_ARGS__)
#define END(event, spec, ...) act(#event, LAST, SYS_##event, spec, LONGS(__VA_ARGS__))
/* by number: newer than the headers, or of another name there */
#define NUMBER(event, number, spec, ...) act(#event, 0, number, spec, LONGS(__VA_ARGS__))
#define CALL32(event, number, spec, ...) act(#event, COMPAT, number, spec, LONGS(__VA_ARGS__))
#define END32(event, number, spec, ...) act(#event, COMPAT | LAST, number, spec, LONGS(__VA_ARGS__))
