"""Counts failed opens by program and path, and prints each the first time: what is missing on this machine?"""

import errno
from collections import Counter

import tracee

seen: Counter[tuple[str, str]] = Counter()
with tracee.trace(events=["openat"], filters=["retval<0", "data.pathname!=/proc/*"]) as trace:
    try:
        for event in trace:
            place = (event.process_name, event.args["pathname"])
            seen[place] += 1
            if seen[place] == 1:
                print(*place, errno.errorcode.get(-event.return_value), flush=True)
    except KeyboardInterrupt:
        print("most often:", seen.most_common(3))
