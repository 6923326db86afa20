#!/usr/bin/env bash
# Installs what is missing: `prerequisites.sh build`, `test`, `bench`, `kernels` or `kernels-arm64`. Does nothing where all
# is there.
set -euo pipefail

case "${1:-build}" in
build) commands=(clang autoconf autopoint flex bison gawk make gcc pkg-config)
	packages=(clang autoconf autopoint automake libtool flex bison gawk gettext make gcc libc6-dev pkg-config python3-venv) ;;
test) commands=(gcc jq bpftool openssl busybox containerd runc dockerd docker podman conmon tcpdump tshark curl ip ping
		sshd ssh cron logrotate nginx dnsmasq socat)
	packages=(gcc libc6-dev jq bpftool openssl busybox-static containerd runc docker.io podman conmon tcpdump tshark curl
		iproute2 iputils-ping openssh-server openssh-client cron logrotate nginx-light
		dnsmasq-base socat) ;;
bench) commands=(strace perf bpftrace iperf3)
	packages=(strace linux-perf bpftrace iperf3) ;;
kernels) commands=(qemu-system-x86_64 modprobe busybox)
	packages=(qemu-system-x86 kmod busybox-static) ;;
kernels-arm64) commands=(qemu-system-aarch64 modprobe)
	packages=(qemu-system-arm kmod) ;;
*) echo "ERROR prerequisites: \"$1\" is none of build, test, bench, kernels, kernels-arm64" >&2; exit 1 ;;
esac

missing=()
for command in "${commands[@]}"; do
	command -v "$command" >/dev/null || missing+=("$command")
done
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
	echo "installing: ${missing[*]}"
	as_root=$([ "$(id -u)" = 0 ] || echo sudo)
	if ! command -v apt-get >/dev/null; then
		echo "ERROR prerequisites: no apt-get here; install by hand: ${packages[*]}" >&2
		exit 1
	fi
	$as_root apt-get update -qq
	lean=
	if [ "${1:-build}" = test ]; then
		# what podman and docker recommend is as large again
		lean=--no-install-recommends
		# no service begins because tests want its program
		policy=/usr/sbin/policy-rc.d
		if [ ! -e $policy ]; then
			printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
			$as_root chmod 755 $policy
			trap '$as_root rm -f $policy' EXIT
		fi
	fi
	DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $lean "${packages[@]}" >/dev/null
fi

if [ "${1:-build}" = build ]; then
	wanted=1.89
	version=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
	if [ -z "$version" ] || [ "$(printf '%s\n' $wanted "$version" | sort -V | head -1)" != $wanted ]; then
		echo "ERROR prerequisites: cargo ${version:-is missing}, $wanted or later is needed: install it with rustup" >&2
		exit 1
	fi
fi

# a receiver of the forward protocol that the Fluent project itself wrote; where there is no npm, its tests are left out
if [ "${1:-build}" = test ] && command -v npm >/dev/null && [ ! -d build/fluent/node_modules ]; then
	npm install --silent --no-audit --no-fund --prefix build/fluent @fluent-org/logger@1.0.10 >/dev/null
fi
