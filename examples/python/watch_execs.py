"""Prints every program that begins, with its arguments and the program that began it."""

import tracee

with tracee.trace(events=["sched_process_exec"]) as trace:
    try:
        for event in trace:
            print(event.pid, event.args["prev_comm"], "->", *event.args["argv"], flush=True)
    except KeyboardInterrupt:
        pass
