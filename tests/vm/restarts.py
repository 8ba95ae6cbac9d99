"""tor that is stopped and started at once, again and again, while the machine is busy."""

from boots import expect_open
from machine import Machine, credentials
from state_checks import SEED, until

# The guest is as busy as in a boot: processes that want the processor, and services that come and go, each with mounts of its own and with
# credentials, which are mounts that everybody sees.
BUSY = r"""
for i in 1 2; do systemd-run --quiet --unit=busy-$i bash -c 'while :; do :; done'; done
for i in 1 2; do
    systemd-run --quiet --unit=mounts-$i bash -c \
        'while :; do systemd-run --quiet --wait -p LoadCredential=some:/etc/os-release -p PrivateMounts=yes -p ProtectSystem=strict true; done'
done"""
# $0 is tools/lib/history.sh, which says what a start that failed has said.
RESTARTS = r"""
for ((i = 1; i <= {count}; i++)); do
    bash -c "$0" history a || {{ echo "start $i of {count}"; exit 1; }}
done"""


def restart(machine, count):
    machine.vm("exec", "--", "bash", "-c", RESTARTS.format(count=count), SEED)


def fails_once(machine):
    """systemd cannot make its sandbox: what a start can meet by accident, and what is over a moment later."""
    machine.ok("mkdir -p /run/systemd/system/tor@a.service.d && printf '[Service]\nReadWritePaths=/run/none\n' "
               ">/run/systemd/system/tor@a.service.d/none.conf && systemctl daemon-reload && systemctl stop tor@a")
    assert machine.sh("systemctl start tor@a")[0] != 0
    assert machine.ok("systemctl show -P Result tor@a") == "exit-code"
    machine.ok("rm -r /run/systemd/system/tor@a.service.d && systemctl daemon-reload")
    until(machine, "systemctl is-active tor@a")


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
        check(f"round {number} of {rounds}: tor is stopped and started 20 times", lambda: restart(machine, 20))
    check("a start that fails by accident is repeated by itself", lambda: fails_once(machine))
