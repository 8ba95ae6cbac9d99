"""What a machine without Secure Boot does: production is not enrolled, and says on its console how to get there; the debug profile is, and
says in red what that gives up. Variables that steer systemd are reported."""

import re

from attacker import driver
from machine import Machine, credentials

DRIVER = "/EFI/systemd/drivers/evilx64.efi"
SYSTEMD_OPTIONS = "/sys/firmware/efi/efivars/SystemdOptions-8cf2644b-4b0b-428f-9387-6d876050dc67"


def insecure_lane(check, machines):
    production, debug = Machine("test-insecure", "production"), Machine("test-insecure-debug")
    machines += [production, debug]

    def refused():
        production.up("--secure-boot", "off", *credentials("a"))
        for line in ("Vault: not-enrolled", "Insecure: Secure Boot is off", "loader/keys/auto"):
            assert line in production.log(), line
        production.down()
        assert not production.files("/lethe"), "something is in the store"

    def taken():
        production.up("--secure-boot", "on")
        production.vm("wait", "a .*[0-9A-F]{40}.*installed")
        assert "Insecure:" not in production.log()
        production.down()

    def not_started():
        production.put(DRIVER, driver())
        production.up()
        production.vm("wait", "a .*[0-9A-F]{40}.*installed")
        production.down()

    if check("production without Secure Boot is not enrolled, and the console says how to turn it on", refused):
        if check("with Secure Boot the same disk is", taken):
            check("a driver on its ESP, which nobody has signed, is not started, and the vault opens", not_started)
    production.vm("cut", check=False)

    def laboratory():
        debug.up("--secure-boot", "off", *credentials("a"))
        code, text = debug.sh("lethectl status")
        assert code == 3 and "Vault: open" in text and re.search("^Insecure: Secure Boot is off.*--insecure-boot", text, re.M), (code, text)
        status = debug.status()
        assert status["secure_boot"] == "off" and status["insecure"] and not status["boot_warnings"], status
        assert debug.sh("systemctl is-active boot-complete.target")[0] == 0, "the debug profile is healthy without"

    def driven():
        debug.down()
        debug.save()
        debug.put(DRIVER, driver())
        debug.up()
        status = debug.status()
        assert status["vault"]["state"] == "shut" and re.search(r"PCRs? .*\b2\b", status["vault"]["reason"]), status["vault"]
        debug.down()
        debug.restore()
        debug.up()
        assert debug.status()["vault"]["state"] == "open"

    def steered():
        debug.ok(f"printf '\\007\\000\\000\\000q\\000' >{SYSTEMD_OPTIONS}")
        debug.down()
        debug.up()
        code, text = debug.sh("lethectl status")
        assert code == 3 and re.search("^Warning: the EFI variable SystemdOptions.* is set", text, re.M), (code, text)

    def refuses():
        code, text = debug.sh("/usr/lib/lethe/lethe-health")
        assert code == 1 and "Secure Boot is off" in text, (code, text)

    if check("the debug profile is enrolled without Secure Boot, and lethectl status says in red what that gives up", laboratory):
        check("a driver on its ESP shuts its vault; without it the vault opens again", driven)
        check("an EFI variable that steers systemd is reported", steered)
        check("the health check of a production release refuses the same boot", refuses)
