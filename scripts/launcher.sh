#!/bin/sh
# tracee, from its checkout, whatever the current directory. Python's site module and -m would cost 10 ms of every start.
self=$(readlink -f -- "$0") || exit 1
root=${self%/dist/tracee}
exec "$root/.venv/bin/python" -I -S -c "import sys; sys.path.append(sys.argv.pop(1)); from tracee.cli import main; sys.exit(main())" "$root/src" "$@"
