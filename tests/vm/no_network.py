"""A release that lacks nothing but the network: whoever blocks it in a trial does not keep the old release for ever."""

import json
import re
import tempfile

from machine import CONFIGURATION, Machine, credentials
from state_checks import until
from update_steps import LATER, PRESENT, reboot, releases, shown, stage, version_of

# It waits for a tor that has circuits, and these machines have no network.
CONNECTED = CONFIGURATION.read_bytes().replace(b"=identity", b"=bootstrap") + b"HealthDeadline=20s\n"


def no_network_lane(check, machines):
    """`check` as in lanes.py."""
    machine = Machine("test-no-network")
    machines.append(machine)
    present, later = version_of(PRESENT), version_of(LATER)

    def falls_back(tries, trials):
        """Each of its boots ends in a reboot, and then it waits."""
        for _ in range(tries):
            machine.vm("next", "--no-wait")
            machine.vm("wait", "--limit", "360", "reboot: Restarting system")
        machine.next()
        until(machine, "lethectl --json update show | grep -q '\"policy_state\": *\"running\"'")
        said = shown(machine)
        assert (said["running"]["version"], said["admitted"]) == (present, [present]), said
        assert (said["staged"]["version"], said["staged"]["state"], said["staged"]["trials"]) == (later, "waiting", trials), said
        code, text = machine.sh("lethectl status")
        assert code == 3 and re.search("healthy in all but the network.*blocking the network", text), (code, text)

    def waits():
        with tempfile.NamedTemporaryFile(dir=machine.folder.parent) as configuration:
            configuration.write(CONNECTED)
            configuration.flush()
            machine.up("--secure-boot", "on", *credentials("a")[:-1], f"--cred=lethe.conf={configuration.name}",
                       offer={"later.efi": LATER.read_bytes()})
        stage(machine, "later.efi")
        machine.ok(f"cd /efi/EFI/Linux && mv lethe_{later}+3.efi lethe_{later}+1.efi && sync /efi")  # the first of its tries is the last
        reboot(machine)
        falls_back(tries=1, trials=1)
        # The boot loader is told to start nothing but the running one meanwhile.
        machine.down()
        machine.up()
        assert shown(machine)["staged"]["state"] == "waiting" and machine.status()["vault"]["state"] == "open"

    def is_retried():
        machine.ok("systemctl start lethe-retry.service")
        assert shown(machine)["staged"]["state"] == "waiting", "its time had not come"
        # The clock stays: tor's state would be from the future in the boots after this one.
        machine.ok("grep -q '^network 1 ' /var/lib/lethe/last-update && sed -i 's/^network 1 .*/network 1 1000000000/' /var/lib/lethe/last-update && sync /efi")
        # It reboots into what it stages.
        machine.vm("exec", "--", "systemctl", "start", "lethe-retry.service", check=False)
        falls_back(tries=3, trials=2)

    def is_given_up():
        assert json.loads(machine.ok("lethectl update retry --json")) == {"staged": later}
        machine.ok("lethectl update abort")
        said = shown(machine)
        assert said["staged"] is None and said["policy_state"] == "running", said
        assert releases(machine) == {f"lethe_{present}.efi"}, releases(machine)

    if check("a release that lacks the network alone waits, shut out of the policy, and is told of", waits):
        check("it is staged again when its time has come, and waits longer then", is_retried)
        check("the operator tries it at once, and gives it up", is_given_up)
