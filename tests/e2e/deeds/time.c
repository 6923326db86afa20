/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clocks and timers. */
#include "deeds.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

static const struct timespec odd = {-1, 0};

void clocks(void)
{
	struct timespec at = {}, late = {1, 2000000000};
	struct timeval tv = {}, wrong = {0, 2000000};
	struct timex timex = {};
	struct itimerval every = {{}, {1000, 0}}, off = {};
	struct itimerspec spec = {{}, {1000, 0}};
	struct sigevent quiet = {.sigev_notify = SIGEV_NONE};
	time_t now;
	int timer = -1;
	CALL(time, "tloc:p", &now);
	CALL(gettimeofday, "tv:p tz:p", &tv, NULL);
	CALL(settimeofday, "tv:p tz:p", &wrong, NULL);
	CALL(adjtimex, "buf:p", &timex);
	CALL(clock_adjtime, "clk_id:i buf:p", 77, &timex);
	CALL(clock_gettime, "clockid:i tp:o", CLOCK_MONOTONIC, &at);
	CALL(clock_gettime, "clockid:i tp:o", 77, &at);
	CALL(clock_getres, "clockid:i res:o", CLOCK_REALTIME, &at);
	CALL(clock_settime, "clockid:i tp:t", CLOCK_MONOTONIC, &five);
	CALL(clock_settime, "clockid:i tp:t", CLOCK_REALTIME, &late);
	CALL(nanosleep, "req:t rem:r", &tiny, &at);
	CALL(nanosleep, "req:t rem:-", &odd, NULL);
	CALL(nanosleep, "req:t rem:-", NULL, NULL);
	CALL(clock_nanosleep, "clockid:i flags:i request:t remain:-", CLOCK_MONOTONIC, TIMER_ABSTIME, &tiny, NULL);
	CALL(setitimer, "which:i new_value:p old_value:p", ITIMER_PROF, &every, NULL);
	CALL(getitimer, "which:i curr_value:p", ITIMER_PROF, &every);
	CALL(setitimer, "which:i new_value:p old_value:p", ITIMER_PROF, &off, &every);
	CALL(alarm, "seconds:u", 0);
	CALL(timer_create, "clockid:i sevp:p timer_id:p", CLOCK_MONOTONIC, &quiet, &timer);
	CALL(timer_settime, "timer_id:i flags:i new_value:p old_value:p", timer, TIMER_ABSTIME, &spec, NULL);
	CALL(timer_gettime, "timer_id:i curr_value:p", timer, &spec);
	CALL(timer_getoverrun, "timer_id:i", timer);
	CALL(timer_delete, "timer_id:i", timer);
	CALL(timer_delete, "timer_id:i", -1);
	long fd = CALL(timerfd_create, "clockid:i flags:i", CLOCK_BOOTTIME, O_CLOEXEC);
	CALL(timerfd_settime, "fd:i flags:i new_value:p old_value:p", fd, 0, &spec, NULL);
	CALL(timerfd_gettime, "fd:i curr_value:p", fd, &spec);
	shut(fd);
}
