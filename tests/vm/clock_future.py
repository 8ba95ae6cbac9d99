"""One boot of the running image with its clock in 2036, as a time server that lies sets it, and the boots after it."""

import re

from state_checks import SEEDED, STOP, shown, snapshot, until

WRONG = "2036-02-07T06:00:00"
SYNCHRONISED = "mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized"  # as systemd-timesyncd does


def clock_future_checks(check, machine, relays):
    """`machine` is off; the first relay has a history in its snapshot."""
    relay = relays[0]
    state = f"/var/lib/tor-instances/{relay}/state"

    def wrong():
        machine.up("--date", WRONG)
        for _ in range(2):  # both slots
            machine.ok(f"systemctl start tor@{relay} && {STOP}" % {"relay": relay})
            assert "2036-02-07" in machine.ok(f"grep '^LastWritten ' {state}")
            snapshot(machine)
        machine.down()

    def right():
        machine.up("--no-wait")
        machine.vm("wait", f"Starting tor@{relay}")
        until(machine, f"systemctl show -P StatusText tor@{relay} | grep -q '^tor waits: the clock says'")
        machine.ok(SYNCHRONISED)
        for name in relays:
            until(machine, f"systemctl is-active -q tor@{name}")
        said = machine.ok(f"journalctl -b -u tor@{relay} --no-pager")
        assert re.search(rf"relay {relay}: its newest state .*2036-02-07.*tor is given that of 20[23]\d", said), said

    def history():
        machine.ok(STOP % {"relay": relay})
        maxima = machine.ok(f"grep '^BWHistoryReadMaxima ' {state}").split()[1]
        assert max(map(int, maxima.split(","))) >= 0.9 * SEEDED, maxima
        snapshot(machine)
        told = shown(machine, relay)[1]
        assert told["source"] == "previous" and "still to come" in told["reason"], told
        machine.ok(f"systemctl start tor@{relay}")

    check("a boot with the clock in 2036 takes snapshots as any other", wrong)
    if check("when the clock is right again, tor is given the state of before and starts, which is said", right):
        check("that state has its history, and lethectl tells of the wrong clock", history)
