#!/usr/bin/env python3
"""tools/machines_check.py [MACHINE...] - the bare machines under QEMU against the host.

For each machine: every script of tests/determinism has the host's trace digest, for several seeds and numbers of cores; a
model that differs on the host only is named with its first event; a damaged plan and too little memory are refused with
the reason; crashes of native programs, a silent loop among them, are contained; the prompt on the serial line works and
the guest's status is the command's; a virtio disk is read and written; and the image is not larger than it may be.

Needs build/host (orrery, orrery_image, orrery_host_leak) and, for riscv64 and aarch64, build/bare-MACHINE. Exits 0 if all
of it held. ORRERY_SEEDS="1 2 3" names other seeds.
"""
import concurrent.futures
import glob
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

ORRERY = "build/host/orrery"
LEAK = "build/host/tests/orrery_host_leak"
SCRIPTS = sorted(glob.glob("tests/determinism/*.fsh"))
SEEDS = os.environ.get("ORRERY_SEEDS", "1 2 3 4 5").split()
MANY_CORES = ("4", "7")  # cores, seed
LIMIT_S = 120  # of one run, real time; each takes a second or two
IMAGE_BYTES_MAX = 4 << 20
SMALL_MIB = "128"  # too little for a node of 64 MiB

HOST_IMAGE = "build/host/orrery-x86_64.elf"
# QEMU itself, for what `orrery boot` does not do: a machine with too little memory, or with disks. The last word is the
# exit status that stands for the machine's status 12.
MACHINES = {
    "x86_64": (HOST_IMAGE, ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max",
                            "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"], 25),
    "x86_64-microvm": (HOST_IMAGE, ["qemu-system-x86_64", "-machine", "microvm,accel=tcg,acpi=off", "-cpu", "max",
                                    "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"], 25),
    "riscv64": ("build/bare-riscv64/orrery-riscv64.elf", ["qemu-system-riscv64", "-machine", "virt"], 12),
    "aarch64": ("build/bare-aarch64/orrery-aarch64.bin",
                ["qemu-system-aarch64", "-machine", "virt", "-cpu", "max",
                 "-semihosting-config", "enable=on,target=native"], 12),
}

QEMU_SERIAL = ["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot",
               "-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"]
WITH_VIRTIO = ("x86_64-microvm", "riscv64", "aarch64")
# Device 0 and device 1.
QEMU_VIRTIO = ["-global", "virtio-mmio.force-legacy=false", "-device", "virtio-rng-device",
               "-device", "virtio-blk-device,drive=disk", "-drive"]
DISK_BYTES = 1 << 20

CRASHES = """crash null; echo "null $?"
crash stack; echo "stack $?"
crash assert; echo "assert $?"
crash oom; echo "oom $?"
echo the machine goes on
"""
CRASH_LINES = ["null 139", "stack 139", "assert 134", "oom 139", "the machine goes on"]


class Failure(Exception):
    pass


def require(fact, what):
    if not fact:
        raise Failure(what)


def run(words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def boot(machine, *words, command=ORRERY):
    return run([command, "boot", machine, *words, "--kernel", MACHINES[machine][0]])


def digest_of(text):
    last = text.rstrip("\n").split("\n")[-1]
    require(last.startswith("digest "), f"no digest but: {last!r}")
    return last


def flags_of(script):
    """What its line `# flags: FLAG...` asks for."""
    with open(script, encoding="utf-8") as file:
        return [word for line in file if line.startswith("# flags: ") for word in line.split()[2:]]


def check_digest(machine, script, seed, cores="1"):
    flags = [script, *flags_of(script), "--seed", seed, "--cores", cores, "--digest"]
    status, out, errors = run([ORRERY, "run", *flags])
    require(status == 0, f"the host's run ended with {status}: {errors}")
    expected = digest_of(out)
    status, out, errors = boot(machine, *flags)
    require(status == 0, f"{script} --seed {seed} --cores {cores}: status {status}: {errors}")
    require(digest_of(out) == expected, f"{script} --seed {seed} --cores {cores}: {digest_of(out)}, the host {expected}")


def check_leak(machine):
    """A host that differs is told from the machine, with the event: equal digests mean something."""
    status, out, errors = boot(machine, SCRIPTS[0], command=LEAK)
    require(status == 4, f"a planted difference ended with {status}: {errors}")
    require("first difference" in out + errors, f"no first difference in: {errors}")


def check_bad_plans(machine):
    with tempfile.TemporaryDirectory() as folder:
        plan = os.path.join(folder, "plan")
        status, _, errors = run([ORRERY, "boot", machine, SCRIPTS[0], "--save-plan", plan])
        require(status == 0, f"no plan was written: {errors}")
        with open(plan, "rb") as file:
            whole = file.read()
        # The version, the model, the seed, the script and the checksum.
        for at in (8, 40, 64, len(whole) // 2, len(whole) - 1):
            damaged = bytearray(whole)
            damaged[at] ^= 0x40
            with open(plan, "wb") as file:
                file.write(damaged)
            status, out, errors = boot(machine, "--plan", plan)
            require(status == 8, f"a plan damaged at byte {at} ended with {status}")
            require("plan" in out + errors, f"a plan damaged at byte {at} was refused without a reason: {errors}")


def check_small(machine):
    image, qemu, expected = MACHINES[machine]
    status, out, _ = run(qemu + QEMU_SERIAL + ["-m", SMALL_MIB, "-kernel", image])
    require("MiB of free memory" in out, f"too little memory is not told but: {out[-200:]!r}")
    require(status == expected, f"too little memory ended with {status}")


def check_crashes(machine):
    with tempfile.NamedTemporaryFile("w", suffix=".fsh") as script:
        script.write(CRASHES)
        script.flush()
        _, out, errors = boot(machine, script.name)
    for line in CRASH_LINES:
        require(line in out.splitlines(), f"{line!r} is not in {out!r} {errors!r}")


class Terminal:
    """A live machine at a pseudo-terminal."""

    def __init__(self, words):
        self.seen = b""
        self.pid, self.line = pty.fork()
        if self.pid == 0:
            os.execvp(words[0], words)

    def read(self, end):
        left = end - time.monotonic()
        ready, _, _ = select.select([self.line], [], [], max(left, 0))
        if not ready:
            return False
        try:
            some = os.read(self.line, 4096)
        except OSError:  # the other side has ended
            return False
        self.seen += some
        return bool(some)

    def expect(self, text, limit_s=30):
        end = time.monotonic() + limit_s
        while text not in self.seen:
            require(self.read(end), f"{text!r} did not come; last: {self.seen[-300:]!r}")
        self.seen = self.seen[self.seen.index(text) + len(text):]

    def type(self, text):
        os.write(self.line, text)

    def command(self, text, answer):
        self.expect(b"# ")
        self.type(text + b"\r")
        self.expect(answer)

    def status(self):
        end = time.monotonic() + 30
        while self.read(end):
            pass
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise Failure("the machine does not end")

    def close(self):
        if self.pid != 0:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.line)


def check_live(machine):
    terminal = Terminal([ORRERY, "boot", machine, "--kernel", MACHINES[machine][0]])
    try:
        terminal.command(b"echo hello | wc -c", b"\r\n6\r\n")
        terminal.command(b"crash null; echo after $?", b"after 139")
        terminal.command(b"crash stack; echo after $?", b"after 139")
        terminal.expect(b"# ")
        terminal.type(b"spin\r")
        time.sleep(0.5)
        terminal.type(b"\x03")
        terminal.command(b"echo x$((1+1))", b"\nx2")
        terminal.command(b"crash loop; echo after $?", b"\nafter ")
        start = time.monotonic()
        terminal.command(b"sleep 1; echo slept", b"\nslept")
        require(time.monotonic() - start > 0.8, "a second of the machine is no second of the clock")
        terminal.expect(b"# ")
        terminal.type(b"exit 3\r")
        status = terminal.status()
        require(status == 3, f"`exit 3` ended with {status}")
    finally:
        terminal.close()


def check_virtio(machine):
    image, qemu, _ = MACHINES[machine]
    with tempfile.NamedTemporaryFile("w+b") as disk:
        disk.write(b"from the host\n")
        disk.truncate(DISK_BYTES)
        disk.flush()
        terminal = Terminal(qemu + QEMU_SERIAL + QEMU_VIRTIO + [f"if=none,id=disk,format=raw,file={disk.name}",
                                                                "-m", "512M", "-kernel", image])
        try:
            terminal.command(b"cat /dev/blk1", b"SIZE=%d " % DISK_BYTES)
            terminal.command(b"head -n 1 /dev/blk1.data", b"\nfrom the host")
            terminal.command(b"head -c 64 /dev/hwrng0 | wc -c", b"\n64")
            terminal.command(b"echo from the machine > /dev/blk1.data; head -n 1 /dev/blk1.data", b"\nfrom the machine")
            terminal.expect(b"# ")
            terminal.type(b"exit 0\r")
            terminal.status()
        finally:
            terminal.close()
        disk.seek(0)
        first = disk.readline()
        require(first == b"from the machine\n", f"the disk holds {first!r}")


def check_image(machine):
    size = os.path.getsize(MACHINES[machine][0])
    require(size <= IMAGE_BYTES_MAX, f"the image has {size} bytes, at most {IMAGE_BYTES_MAX} are allowed")


def checks_of(machine):
    for script in SCRIPTS:
        for seed in SEEDS:
            yield f"{machine}: {script} --seed {seed}", check_digest, (machine, script, seed)
        cores, seed = MANY_CORES
        yield f"{machine}: {script} --cores {cores}", check_digest, (machine, script, seed, cores)
    for name, function in (("a difference is found", check_leak), ("damaged plans", check_bad_plans),
                           ("too little memory", check_small), ("crashes are contained", check_crashes),
                           ("live", check_live), ("size of the image", check_image)):
        yield f"{machine}: {name}", function, (machine,)
    if machine in WITH_VIRTIO:
        yield f"{machine}: virtio", check_virtio, (machine,)


def main():
    machines = sys.argv[1:] or list(MACHINES)
    for machine in machines:
        if machine not in MACHINES:
            sys.exit(f"machines: there is no {machine}; known are {', '.join(MACHINES)}")
    needed = [ORRERY, LEAK] + [MACHINES[machine][0] for machine in machines]
    for path in needed:
        if not os.path.exists(path):
            sys.exit(f"machines: {path} is missing")
    if not SCRIPTS:
        sys.exit("machines: no script in tests/determinism")
    checks = [check for machine in machines for check in checks_of(machine)]
    failures = 0
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [(name, pool.submit(function, *arguments)) for name, function, arguments in checks]
        for name, result in running:
            try:
                result.result()
            except (Failure, subprocess.TimeoutExpired) as failure:
                failures += 1
                print(f"machines: {name}: {failure}", file=sys.stderr)
    seconds = time.monotonic() - start
    print(f"machines: {len(machines)} machines, {len(checks)} checks, {failures} failures, {seconds:.0f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
