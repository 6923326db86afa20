#!/bin/sh
# In a guest: what the doctor proves of this kernel, then the tests. `guest.sh PYTHON ATTACH DOCTOR ARGUMENTS-FOR-PYTEST...`
# The report has what the doctor found in its first line, where DOCTOR is `proof`, and a line a test.
python=$1
export TRACEE_ATTACH=$2
doctor=$3
shift 3
report=/dev/virtio-ports/report
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/kernels TRACEE_PATIENCE=300

# what tests ask for by other names than its own
/run/modprobe -q -a fuse af_packet

# the doctor loads every program, which takes minutes in a guest
if [ "$doctor" = proof ]; then
	"$python" -I -m tracee doctor --prove --attach "$TRACEE_ATTACH" --output json >/tmp/doctor.json 2>/tmp/doctor.err
	cat /tmp/doctor.err
	"$python" -I -c '
import json, pathlib
text = pathlib.Path("/tmp/doctor.json").read_text() or "{}"
told = json.loads(text)
trouble = told.get("trouble") or ("" if told else pathlib.Path("/tmp/doctor.err").read_text())
print(json.dumps({"events": told.get("events", []), "proof": told.get("proof") or [], "trouble": trouble}))
' >$report
fi
exec "$python" -m pytest -p witness -p no:cacheprovider --witness $report "$@"
