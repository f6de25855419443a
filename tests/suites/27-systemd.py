#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The packaged unit under a real systemd, which is started for this alone: in namespaces of its
own, on a copy of the root folder that forgets what is written."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

UNIT = os.path.join(TESTS, "..", "packaging", "florin.service")
PROBE = os.path.join(TESTS, "lib", "unit_probe.py")
NAMESPACES = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork",
              "--kill-child", "--mount-proc"]
BOOT = """
set -e
home=$1
mkdir $home/disk && mount -t tmpfs tmpfs $home/disk
cd $home/disk && mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work root
root=$PWD/root
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t tmpfs tmpfs $root/sys/fs/cgroup
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t tmpfs tmpfs $root/run
mount --rbind /dev $root/dev
mkdir -p $root/found && mount --bind $home/found $root/found
install -D -m 755 $home/florin $root/usr/local/bin/florin
install -D -m 644 $home/florin.service $root/etc/systemd/system/florin.service
install -D -m 755 $home/unit_probe.py $root/usr/local/bin/unit_probe.py
install -D -m 640 $home/config.json $root/etc/florin/config.json
install -D -m 600 $home/master.key $root/etc/florin/master.key
cat > $root/etc/systemd/system/probe.service <<END
[Unit]
After=florin.service
[Service]
ExecStart=$2 /usr/local/bin/unit_probe.py
END
cat > $root/etc/systemd/system/probe.target <<END
[Unit]
Wants=florin.service probe.service systemd-journald.service
END
echo begun > $home/found/begun
mkdir $root/before && cd $root && mount --make-rprivate / && pivot_root . before
umount -l /before && mount --make-rshared /
container=other exec /lib/systemd/systemd --system --unit=probe.target --show-status=no \\
    --log-target=null
"""


def found_in_unit(binary, home):
    """What the probe found; None: such a system can't be started here, and why."""
    os.mkdir(os.path.join(home, "found"))
    shutil.copy(binary, os.path.join(home, "florin"))
    shutil.copy(PROBE, home)
    with open(UNIT, encoding="utf-8") as file:
        unit = file.read()
    commented = "#LoadCredential=master.key"
    assert commented in unit
    texts = {"florin.service": unit.replace(commented, commented[1:]), "master.key": "5a" * 32,
             "config.json": json.dumps({"seccomp": True, "encryption": {
                 "master_key_file": "/run/credentials/florin.service/master.key"}})}
    for name, text in texts.items():
        with open(os.path.join(home, name), "w", encoding="utf-8") as file:
            file.write(text)
    log_path = os.path.join(home, "log")
    with open(log_path, "wb") as log:
        system = subprocess.Popen([*NAMESPACES, "sh", "-c", BOOT, "sh", home, sys.executable],
                                  stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    done = os.path.join(home, "found", "done.json")
    try:
        within(180, lambda: os.path.exists(done) or system.poll() is not None)
    finally:
        system.kill()
        system.wait()
    with open(log_path, encoding="utf-8", errors="replace") as file:
        log = file.read()
    if not os.path.exists(os.path.join(home, "found", "begun")):
        return None, log[-300:]
    if not os.path.exists(done):
        raise AssertionError(f"systemd started and its probe told nothing: {log[-2000:]}")
    with open(done, encoding="utf-8") as file:
        return json.load(file), ""


def judge(report, found):
    report.check("nothing went wrong in the probe", "failed" not in found, found.get("failed"))
    report.equal("it runs", found.get("state"), "active")
    status = found["status"]
    report.equal("as a user of its own, without any privilege",
                 (status["Uid"].split()[0] not in ("0", "65534"), status["CapEff"],
                  status["CapBnd"], status["NoNewPrivs"], status["Seccomp"]),
                 (True, "0" * 16, "0" * 16, "1", "2"))
    report.equal("no core dumps, not to a program either", found["core"], ["1", "1"])
    mounts = found["mounts"]
    report.equal("it can't write to", [place for place in ("/", "/home", "/root", "/dev", "/sys",
                                                           "/run/credentials/florin.service")
                                       if not mounts.get(place, "").startswith("ro")], [])
    report.check("but to its folder", mounts["/var/lib/private/florin"].startswith("rw"), mounts)
    report.check("other processes are not there",
                 "hidepid=invisible" in found["proc"] and "subset=pid" in found["proc"],
                 found["proc"])
    report.equal("the folder is its own", found["folder"], ["0o40700", True])
    report.equal("it works: a wallet, a deposit, a text", found["worked"], [201, 201, "quiet"])
    report.check("a reload changes nothing", found["reloaded"] == 0 and found["same_process"],
                 found)
    report.equal("killed, it comes back with its books", found["after_kill"], [True, 5])
    report.equal("a stop is clean", found["stopped"], ["inactive", "success"])
    report.check("it complains of nothing", found["log"] and not [
        line for line in found["log"] if " warning " in line or " error " in line], found["log"])
    report.check("no secret is in the journal", not any("florin_admin_" in line for line in
                                                         found["log"]), found["log"])
    report.check("the journal says where the key lies", any("admin.key" in line for line in
                                                            found["log"]), found["log"])
    report.equal("florin verify finds nothing", found["verified"], [0, ""])


def main():
    report = Report("systemd")
    if os.getuid() != 0 or not os.path.exists("/lib/systemd/systemd") or \
            shutil.which("unshare") is None:
        report.skip("the unit", "needs root, systemd and unshare")
    else:
        home = tempfile.mkdtemp(prefix="florin-systemd-")
        try:
            found, why = found_in_unit(florin.binary(), home)
            if found is None:
                report.skip("the unit", f"no systemd can be started here: {why}")
            else:
                report.run("the unit", judge, found)
        finally:
            shutil.rmtree(home)
    report.finish()


if __name__ == "__main__":
    main()
