#!/bin/sh
# tracee, from its checkout, whatever the current directory.
self=$(readlink -f -- "$0") || exit 1
exec "${self%/dist/tracee}/.venv/bin/python" -I -m tracee "$@"
