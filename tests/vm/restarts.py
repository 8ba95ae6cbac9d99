"""tor that is stopped and started at once, again and again, while the machine is busy."""

from boots import expect_open
from machine import Machine, credentials

# The guest is as busy as in a boot: processes that want the processor, and services that come and go, each with mounts of its own and with
# credentials, which are mounts that everybody sees. tor has a state of its own each time, as tools/lib/history.sh gives it.
BUSY = r"""
for i in 1 2; do systemd-run --quiet --unit=busy-$i bash -c 'while :; do :; done'; done
for i in 1 2; do
    systemd-run --quiet --unit=mounts-$i bash -c \
        'while :; do systemd-run --quiet --wait -p LoadCredential=some:/etc/os-release -p PrivateMounts=yes -p ProtectSystem=strict true; done'
done"""
RESTARTS = r"""
cd /var/lib/tor-instances/a
for ((i = 1; i <= {count}; i++)); do
    systemctl kill -s TERM tor@a && systemctl stop tor@a
    printf 'TorVersion Tor 0.4.9.15\nLastWritten %(%F %T)T\n' -1 >state.seed
    chown _tor-a: state.seed && chmod 600 state.seed && mv state.seed state
    systemctl start tor@a || {{
        echo "start $i of {count}:"
        systemctl show -p Result -p ExecMainStatus -p StatusText tor@a
        journalctl -b _SYSTEMD_UNIT=init.scope + UNIT=tor@a.service + _SYSTEMD_UNIT=tor@a.service -n 40 -o short-monotonic --no-pager
        exit 1
    }}
done"""


def restarts_lane(rounds, check, machines):
    """`check` as in lanes.py. 20 starts a round."""
    machine = Machine("test-restarts")
    machines.append(machine)

    def enrols():
        machine.up(*credentials("a"))
        expect_open(machine)
        machine.ok(BUSY)

    if not check("a machine enrols", enrols):
        return
    for number in range(1, rounds + 1):
        check(f"round {number} of {rounds}: tor is stopped and started 20 times", lambda: machine.ok(RESTARTS.format(count=20)))
