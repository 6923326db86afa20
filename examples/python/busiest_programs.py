"""Which programs make the most system calls? Batches keep up with a busy host; prints after every 10,000 calls."""

from collections import Counter

import tracee

calls: Counter[str] = Counter()
with tracee.trace(events=["syscalls"], sampling=10) as trace:
    try:
        told = 0
        for batch in trace.batches():
            calls.update(event.process_name for event in batch)
            if told == 0 or calls.total() - told >= 1_000:
                told = calls.total()
                print(*(f"{name} {count * 10}" for name, count in calls.most_common(5)), sep=", ", flush=True)
    except KeyboardInterrupt:
        pass
