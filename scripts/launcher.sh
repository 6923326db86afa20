#!/bin/sh
# tracee, from its checkout, whatever the current directory. Python's site module and -m would cost 10 ms of every start,
# and each program that is run before it two.
self=$0
if [ -L "$self" ]; then self=$(readlink -f -- "$self") || exit 1; fi
case $self in */*) ;; *) self=./$self ;; esac
root=${self%/*}/..
for packages in "$root"/.venv/lib/python*/site-packages; do :; done
exec "$root/.venv/bin/python" -I -S -c "import sys; sys.path += [sys.argv.pop(1), sys.argv.pop(1)]; from tracee.cli import main; sys.exit(main())" \
	"$root/src" "$packages" "$@"
