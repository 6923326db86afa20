#!/bin/bash
# Records the packets that the tests dissect, with other people's tools, in a network namespace of its own, so that nothing
# of this machine's traffic gets in. Needs root, tcpdump, tshark's editcap, dnsmasq, dig, curl, socat, ping and python3.
#   crates/core/tests/network/record.sh FOLDER
set -eu
out=$(realpath "${1:?a folder}")
[ "${TRACEE_IN_NAMESPACE:-}" ] || exec env TRACEE_IN_NAMESPACE=1 unshare --net --mount "$0" "$out"
cd "$(mktemp -d)"
ip link set lo mtu 1500 up
# segments of a usual size, as on a wire
ip link set lo gso_max_size 1500 gso_max_segs 1 2>/dev/null || true
ip addr add 192.0.2.1/32 dev lo
ip addr add 2001:db8::1/128 dev lo

wait_for() {
	for _ in $(seq 200); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.05
	done
	echo "waited in vain for: $*" >&2
	exit 1
}
record() { # NAME EXPRESSION: until stop_recording
	tcpdump -i lo --immediate-mode -U -n -w "$1.eth" "$2" 2>"$1.log" &
	tcpdump=$!
	wait_for grep -q 'listening on' "$1.log"
}
stop_recording() { # NAME
	kill -INT $tcpdump
	wait $tcpdump || true
	# without the link's header, as packets come from a socket
	editcap -F nsecpcap -C 14 -L -T rawip "$1.eth" "$out/$1.pcap"
}

cat >hosts.conf <<'CONF'
no-resolv
no-hosts
listen-address=127.0.0.1
bind-interfaces
local=/example/
host-record=web.example,192.0.2.1,2001:db8::1,300
cname=www.alias.example,web.example,120
mx-host=example,mail.example,10
txt-record=text.example,"v=spf1 -all","second string"
srv-host=_sip._tcp.example,sip.example,5060,1,2
ptr-record=1.2.0.192.in-addr.arpa,web.example
caa-record=example,0,issue,"ca.example"
dns-rr=svc.example,65,000100000100060268320268330004000401020304
CONF
dnsmasq --no-daemon --conf-file=hosts.conf 2>dnsmasq.log &
dnsmasq=$!
wait_for dig +time=1 +tries=1 @127.0.0.1 web.example

record dns 'udp port 53'
for question in 'A web.example' 'AAAA web.example' 'A www.alias.example' 'MX example' 'TXT text.example' \
	'SRV _sip._tcp.example' 'PTR 1.2.0.192.in-addr.arpa' 'CAA example' 'TYPE65 svc.example' 'A absent.example'; do
	dig +tries=1 +time=2 @127.0.0.1 -t $question >/dev/null
done
stop_recording dns
record dns_tcp 'tcp port 53'
dig +tcp +keepopen @127.0.0.1 -t A www.alias.example -t MX example >/dev/null
stop_recording dns_tcp
kill $dnsmasq

cat >server.py <<'PYTHON'
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        if self.path.startswith("/chunked"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"GET /not/a/request HTTP/1.1\r\n\r\n", b"x" * 3000):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"hello\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
    do_GET = do_POST = do_HEAD = answer
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("192.0.2.1", 8080), Handler).serve_forever()
PYTHON
python3 server.py &
server=$!
wait_for curl -s http://192.0.2.1:8080/
record http 'port 8080'
curl -s -o /dev/null -A 'test agent' 'http://192.0.2.1:8080/path?query=1' --next -s -I http://192.0.2.1:8080/head \
	--next -s -o /dev/null -d name=value http://192.0.2.1:8080/form \
	--next -s -o /dev/null http://192.0.2.1:8080/chunked --next -s -o /dev/null http://192.0.2.1:8080/last >/dev/null
# a head of several segments
curl -s -o /dev/null -H "X-Long: $(printf '%04000d' 0)" http://192.0.2.1:8080/long
stop_recording http
kill $server

record stratum 'port 3333'
cat >pool.sh <<'POOL'
read -r a; echo '{"id":1,"result":[[["mining.notify","ae"]],"08000002",4],"error":null}'
read -r b; echo '{"id":2,"result":true,"error":null}'
read -r c
POOL
socat TCP-LISTEN:3333,bind=192.0.2.1,reuseaddr SYSTEM:'sh pool.sh' &
pool=$!
wait_for sh -c 'ss -ltn | grep -q :3333'
{
	echo '{"id":1,"method":"mining.subscribe","params":["miner/1.0"]}'
	echo '{"id":2,"method":"mining.authorize","params":["wallet.worker","x"]}'
	echo '{"id":3,"method":"mining.submit","params":["wallet.worker","job","01","02","03"]}'
} | timeout 10 socat -t 1 - TCP:192.0.2.1:3333 >/dev/null
wait $pool || true
stop_recording stratum

record icmp 'icmp or icmp6'
ping -n -c 2 -i 0.01 -s 16 192.0.2.1 >/dev/null
ping -n -c 2 -i 0.01 -s 16 2001:db8::1 >/dev/null
dig +tries=1 +time=1 @192.0.2.1 -p 9 example >/dev/null || true # nobody listens: port unreachable
stop_recording icmp

# what is cut into fragments, and what goes behind extension headers
record fragments 'ip or ip6'
ping -n -c 1 -s 3000 -M dont 192.0.2.1 >/dev/null
ping -n -c 1 -s 3000 2001:db8::1 >/dev/null
python3 - <<'PYTHON'
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, struct.pack("BBBB4x", 0, 0, 1, 4))
s.sendto(b"behind options", ("2001:db8::1", 9))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)  # a chunk INIT of SCTP
raw.sendto(struct.pack("!HHII", 5000, 5001, 0, 0) + struct.pack("!BBHIIHHI", 1, 0, 20, 7, 1500, 1, 1, 9), ("192.0.2.1", 0))
PYTHON
stop_recording fragments
