#!/bin/busybox sh
# The guest's first process: mounts its root, which is the host's or one of its own, read-only, with memory at /tmp and
# /run; then runs one command.
# There is no overlay over it, because files of an overlay have other devices in stat than in the kernel.
# /config: modules (names, in order), checkout (where it is to be found in a root that is not the host's, or nothing),
# image (where the kernel's modules are on the host), cgroup_v1 (its controllers, or nothing for cgroup v2 alone), folder
# (where the command runs), command.
b=/bin/busybox

fail() {
	echo "init: $*"
	$b poweroff -f
}

$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in $($b cat /config/modules); do
	$b insmod /modules/$module || fail "$module is not loaded"
done

shared=trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro
$b mount -t 9p -o $shared root /root || fail "no root by 9p"
checkout=$($b cat /config/checkout)
[ -z "$checkout" ] || $b mount -t 9p -o $shared checkout "/root$checkout" || fail "no checkout by 9p"
cd /root
for name in proc sys dev; do $b mount --move /$name $name; done
$b mkdir -p dev/pts dev/shm dev/virtio-ports
$b mount -t devpts -o mode=620,ptmxmode=666 devpts dev/pts
$b mount -t tmpfs shm dev/shm
$b mount -t tmpfs -o mode=755 run run
$b mount -t tmpfs tmp tmp
$b mount -t debugfs debugfs sys/kernel/debug
$b mount -t tracefs tracefs sys/kernel/tracing
$b mount -t securityfs securityfs sys/kernel/security
$b mount -t bpf bpf sys/fs/bpf

controllers=$($b cat /config/cgroup_v1)
if [ -z "$controllers" ]; then
	$b mount -t cgroup2 cgroup2 sys/fs/cgroup
else # as systemd's hybrid layout has it
	$b mount -t tmpfs cgroups sys/fs/cgroup
	for name in $controllers; do
		$b mkdir sys/fs/cgroup/$name
		$b mount -t cgroup -o $name cgroup sys/fs/cgroup/$name
	done
	$b mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
	$b mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
	$b mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi

# what the kernel asks for is loaded from this kernel's modules, which are not where modprobe would look
printf '#!/bin/sh\nexec /sbin/modprobe -d "%s" "$@"\n' "$($b cat /config/image)" >run/modprobe
$b chmod 755 run/modprobe
echo /run/modprobe >proc/sys/kernel/modprobe

# what udev would do
$b mknod dev/fuse c 10 229
for port in sys/class/virtio-ports/*; do
	$b ln -s "../${port##*/}" "dev/virtio-ports/$($b cat $port/name)"
done
echo begun >dev/virtio-ports/status
$b ip link set lo up
$b hostname guest
$b cp /config/command /config/folder tmp
$b cp $b run/busybox
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
# in this process, so that programs which the kernel starts have this root too
exec $b switch_root /root /bin/sh -c '
	cd "$(cat /tmp/folder)" && sh /tmp/command >/dev/virtio-ports/output 2>&1 </dev/null
	echo $? >/dev/virtio-ports/status
	/run/busybox poweroff -f
'
