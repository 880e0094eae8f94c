#!/bin/bash
# demo.sh - the edge for real on this machine: a TAP in a network namespace, a Maildir behind.
#
#   tools/demo.sh            installs what is needed, builds, runs until Ctrl-C
#   tools/demo.sh --detach   returns once mail is taken; --stop ends that
#   tools/demo.sh --fresh    empties spool and mailboxes first
#
# Everything it makes is under build/demo/, in namespace sluice-demo, and on 127.0.0.1 ports
# 2525 (SMTP) and 8025 (metrics).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
demo=$top/build/demo
ns=sluice-demo

say() { printf '%s\n' "$*"; }
die() { printf 'demo.sh: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "must run as root (it makes a network namespace and a TAP): sudo tools/demo.sh"

detach=false fresh=false stop=false
for arg in "$@"; do
    case $arg in
    --detach) detach=true ;;
    --fresh) fresh=true ;;
    --stop) stop=true ;;
    *) sed -n '2,9p' "$0" >&2; exit 2 ;;
    esac
done

# runs PIDFILE WORD: is that process there, and ours?  The number may be somebody else's by now.
runs() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 1
    grep -qaF -- "$2" "/proc/$pid/cmdline" 2>/dev/null
}

# end PIDFILE WORD: ends that process and waits for it.
end() {
    local pid
    runs "$1" "$2" || { rm -f "$1"; return 0; }
    pid=$(cat "$1")
    rm -f "$1"
    kill -TERM "$pid" 2>/dev/null || return 0
    for _ in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

stop_all() {
    end "$demo/forward.pid" forward.py
    end "$demo/edge.pid" "$demo/sluice.yaml"
    ip netns del $ns 2>/dev/null || true
}

if $stop; then
    stop_all
    exit 0
fi

build() {
    "$top/tools/deps.sh" build >"$demo/build.log" 2>&1 || { tail -20 "$demo/build.log" >&2; die "tools/deps.sh build failed"; }
    [ -f "$top/build/build.ninja" ] || meson setup "$top/build" "$top" --buildtype=debugoptimized >>"$demo/build.log" 2>&1 ||
        { tail -20 "$demo/build.log" >&2; die "meson setup failed"; }
    ninja -C "$top/build" sluice sluice-dataplane sluice-control sluice-queue sluice-deliver >>"$demo/build.log" 2>&1 ||
        { tail -20 "$demo/build.log" >&2; die "the build failed"; }
}

# The processes behind `sluice run` are an ordinary user's: that user must reach the files.
choose_home() {
    home=$demo bin=$top/build
    if ! setpriv --reuid=sluice --regid=sluice --clear-groups test -x "$top/build/sluice-queue"; then
        home=/var/lib/sluice-demo bin=/var/lib/sluice-demo/bin
        say "user sluice cannot reach $top: keeping the demo's files in $home (linked from build/demo)"
        mkdir -p $bin
        cp "$top"/build/sluice "$top"/build/sluice-{dataplane,control,queue,deliver} $bin/
        for name in mailbox outbound spool run; do
            mkdir -p "$home/$name"
            [ -L "$demo/$name" ] || rm -rf "${demo:?}/$name"
            ln -sfn "$home/$name" "$demo/$name"
        done
    fi
    for name in mailbox outbound spool run; do
        mkdir -p "$home/$name"
        chown sluice:sluice "$home/$name"
        chmod 700 "$home/$name"
    done
    chmod 755 "$home/run"
}

configure() {
    local cpu=0
    [ "$(nproc)" -gt 1 ] && cpu=1
    printf '%s\n' user alice bob postmaster | sed 's/$/@example.org/' >"$demo/recipients.txt"
    cat >"$demo/sluice.yaml" <<YAML
# Written by tools/demo.sh at each start.
instance: mx1.example.net

runtime: {directory: $home/run, user: sluice}

dataplane:
  cores: [$cpu]
  memory: 256M
  ports:
    - device: "net_tap0,iface=sluice0"
      addresses: [10.25.0.25/24, "fd25::25/64"]
      gateways: [10.25.0.1, "fd25::1"]
  limits: {sessions: 100000}

virtual_servers:
  - name: inbound
    listen: ["10.25.0.25:25", "[fd25::25]:25"]
    hostname: mx1.example.net
    connections: {default: allow}
    relay: {default: deny}

domains:
  - {name: example.org, type: authoritative, recipients: {file: recipients.txt}, route: mailbox}

routes:
  - {name: mailbox, to: ["maildir:$home/mailbox"]}
  - {name: outbound, to: ["maildir:$home/outbound"], domains: ["*"]}

bounces: {route: mailbox, return: headers, rate: 10/s}

queue:
  directory: $home/spool
  retry: {first: 1s, maximum: 1h}
  expire: 5d

limits: {message_size: 50M, recipients: 1000, connections_per_client: 1000}

admin: {listen: "127.0.0.1:8025"}
log: {format: json, to: stderr}
YAML
}

network() {
    ip netns add $ns
    ip -n $ns link set lo up
    ip netns exec $ns sysctl -qw net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_dad=0
    ip -n $ns tuntap add dev sluice0 mode tap multi_queue
    ip -n $ns addr add 10.25.0.1/24 dev sluice0
    ip -n $ns addr add fd25::1/64 dev sluice0 nodad
    ip -n $ns link set sluice0 up
}

greets() {
    local line
    line=$({ exec 3<>/dev/tcp/127.0.0.1/2525 && IFS= read -r -t 2 line <&3 && printf 'QUIT\r\n' >&3 && printf '%s' "$line"; } 2>/dev/null) || return 1
    [[ $line == 220* ]]
}

start() {
    local edge forward
    setsid ip netns exec $ns "$bin/sluice" run -c "$demo/sluice.yaml" </dev/null >>"$demo/log" 2>&1 &
    edge=$!
    echo $edge >"$demo/edge.pid"
    setsid /usr/bin/python3 "$top/tools/forward.py" $ns 2525=10.25.0.25:25 8025=127.0.0.1:8025 </dev/null >"$demo/forward.log" 2>&1 &
    forward=$!
    echo $forward >"$demo/forward.pid"
    for _ in $(seq 150); do
        greets && return 0
        kill -0 "$edge" 2>/dev/null || break
        if ! kill -0 "$forward" 2>/dev/null; then
            tail -1 "$demo/forward.log" >&2
            die "cannot listen on 127.0.0.1 ports 2525 and 8025: is something else there? (ss -ltnp)"
        fi
        sleep 0.2
    done
    tail -5 "$demo/log" >&2
    die "the edge did not come up; its log is $demo/log"
}

mkdir -p "$demo"
stop_all
build
choose_home
if $fresh; then
    rm -rf "$home"/{spool,mailbox,outbound}/* "$demo/log"
fi
configure
trap stop_all EXIT
network
start
cat <<TEXT
Sluice takes mail.
  SMTP     127.0.0.1:2525   (in namespace $ns: 10.25.0.25:25 and [fd25::25]:25)
  metrics  http://127.0.0.1:8025/metrics   figures: http://127.0.0.1:8025/stats
  send     swaks --server 127.0.0.1:2525 --from a@example.net --to user@example.org
  read     ls build/demo/mailbox/new
  look     build/sluice status --runtime $home/run      build/sluice queue list --runtime $home/run
  log      build/demo/log
TEXT
if $detach; then
    trap - EXIT
    say "stop it with: tools/demo.sh --stop"
    exit 0
fi
say "Ctrl-C stops it."
trap 'exit 0' INT TERM
while runs "$demo/edge.pid" "$demo/sluice.yaml"; do
    sleep 1 &
    wait $!
done
tail -3 "$demo/log" >&2
die "the edge has ended; its log is $demo/log"
