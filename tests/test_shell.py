"""The shell as a person uses it, over the console."""
import pexpect
import pytest


def say(p, line, want):
    p.sendline(line)
    p.expect(want)
    p.expect(r"# ")


def test_typing(machine):
    p = machine.shell(cpus=2)
    say(p, "echo one two | wc -w", "2")
    say(p, "nosuchcommand", "command not found")
    say(p, "echo $?", "127")
    say(p, "cd /nowhere", "No such file")
    p.send("echo mistaek\x7f\x7f\x7f\x7f\x7f\x7f\x7fright\r")
    p.expect(r"right\r+\nright")
    p.expect("# ")
    p.send("echo left behind\x15echo fresh\r")
    p.expect(r"\nfresh\r+\n")
    p.expect("# ")
    p.send("echo again\r")
    p.expect(r"\nagain")
    p.expect("# ")
    p.send("\x1b[A\r")
    p.expect(r"\nagain")
    p.expect("# ")
    p.send("cat /etc/pas\t\r")
    p.expect("root:x:0:0")
    p.expect("# ")
    long_line = "x" * 3000
    p.send(f"echo {long_line} | wc -c\r")
    p.expect("3001", timeout=60)
    p.expect("# ")
    say(p, "if true; then echo yes; else echo no; fi; for i in a b; do echo $i-; done", r"yes\r+\na-\r+\nb-")
    p.sendline("for i in 1 2")
    p.expect("> ")
    p.sendline("do echo n$i")
    p.expect("> ")
    p.sendline("done")
    p.expect("n1\r+\nn2")


SLEEPER = """sh -c 'echo rea""dy; exec sleep 100'"""


def press_enter_until(p, want):
    """Jobs are reported before a prompt: the next one, or a later one."""
    for _ in range(100):
        if p.expect([want, pexpect.TIMEOUT], timeout=0.1) == 0:
            return
        p.sendline("")
    raise AssertionError(f"{want} was not said: {p.before}")


def test_job_control(machine):
    p = machine.shell(cpus=2)
    p.sendline(SLEEPER)
    p.expect("ready")
    p.send("\x03")
    p.expect("# ")
    say(p, "echo status $?", "status 130")
    p.sendline(SLEEPER)
    p.expect("ready")
    p.send("\x1a")
    p.expect(r"\[1\] stopped  sh -c")
    p.expect("# ")
    say(p, "jobs", r"\[1\] stopped  sh -c")
    say(p, "bg", "sh -c")
    say(p, "jobs", r"\[1\] running  sh -c")
    p.sendline("fg; echo the st''atus is $?")
    p.expect("fg; echo .*\n.*sh -c")
    p.send("\x03")
    p.expect("the status is 130")
    p.expect("# ")
    p.sendline("cat > /tmp/f")
    p.send("typed\r")
    p.send("\x04")
    p.expect("# ")
    say(p, "cat /tmp/f", "typed")
    p.sendline("cat &")
    press_enter_until(p, r"\[1\] stopped  cat")
    p.sendline("ps -l | grep -c 'T .*cat$'; echo co''unted")
    p.expect(r"\s1\s+counted")
    say(p, "kill %1; wait; echo go''ne", "gone")
    p.send("\x04")
    p.expect("/root # ")  # init gives a new shell


def test_garbage_on_the_console(machine):
    p = machine.shell(cpus=1)
    p.send("\x00\xff\x1b[\x1b]\x01\x02\x05\x06\x0b\x0c\x0e\x10\x11\x12\x14\x16\x17\x19\x1b\x1d\x1e\x1f" * 20)
    p.send("\x03")
    p.expect("# ")
    say(p, "echo alive", "alive")


@pytest.mark.parametrize("script,want", [
    ("echo 'a  b' \"c $HOME\" \\$x", "a  b c /root $x"), ("x=5; echo $x ${x:-6} ${y:-7} $((x*2+1))", "5 5 7 11"),
    ("echo $(echo in; echo side) `echo back`", "in side back"), ("false || echo or; true && echo and; ! true || echo not", "or\nand\nnot"),
    ("f() { echo $1 $#; return 4; }; f a b; echo $?", "a 2\n4"), ("case abc in x) echo x;; a*) echo star;; esac", "star"),
    ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done", "1\n3"),
    ("(cd /tmp; pwd); pwd", "/tmp\n/"), ("cat << E\nhere $((1+1))\nE", "here 2"), ("ls /nonexistent 2>&1 | grep -c such", "1"),
    ("echo b > /tmp/x; echo a >> /tmp/x; sort < /tmp/x", "a\nb"), ("echo /et[c] /b?n \"/b?n\"", "/etc /bin /b?n"),
    ("set -- p q; for i; do echo $i; done; shift; echo $1", "p\nq\nq"), ("x=file.c; echo ${x%.c} ${#x}", "file 6"),
    ("printf '%03d %s\\n' 7 seven", "007 seven"), ("echo a b | { read x y; echo $y $x; }", "b a"), ("sleep 0.1 & wait; echo done", "done"),
    ("find /etc -name 'p*' -type f", "/etc/passwd"), ("head -n 1 /etc/passwd | tee /tmp/t | wc -l; cat /tmp/t | grep -c root", "1\n1"),
    ("touch /tmp/a; chmod 640 /tmp/a; ls -l /tmp/a | grep -c rw-r-----; mkdir -p /tmp/q/w; rm -r /tmp/q; ls /tmp/q 2>/dev/null || echo none", "1\nnone"),
])
def test_script(machine, script, want):
    r = machine.run(script, cpus=1)
    assert r.text.strip() == want


def test_what_cannot_be_written_is_said(machine):
    r = machine.run("echo x > /dev/full; echo $?; ls / > /dev/full; echo $?; echo 5 > /proc/sys/kernel/pid_max; echo $?; head -c 3 /dev/zero | wc -c; "
                    "cat /dev/zero | head -c 5 | wc -c")
    assert r.text.split("\n")[:8] == ["sh: echo: write error: No space left on device", "1", "ls: write error: No space left on device", "1",
                                      "sh: echo: write error: Invalid argument", "1", "3", "5"], r.text
