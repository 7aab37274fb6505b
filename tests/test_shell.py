"""The shell as a person uses it, over the console."""
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


def test_job_control(machine):
    p = machine.shell(cpus=2)
    p.sendline("sleep 100")
    p.expect("sleep 100\r+\n")
    import time
    time.sleep(0.5)
    p.send("\x03")
    p.expect("# ")
    say(p, "echo status $?", "status 130")
    p.sendline("sleep 100")
    p.expect("sleep 100\r+\n")
    time.sleep(0.5)
    p.send("\x1a")
    p.expect("stopped  sleep 100")
    p.expect("# ")
    say(p, "jobs", r"\[1\] stopped  sleep 100")
    say(p, "bg", "sleep 100")
    say(p, "jobs", r"\[1\] running  sleep 100")
    p.sendline("fg")
    p.expect("sleep 100")
    time.sleep(0.5)
    p.send("\x03")
    p.expect("# ")
    p.sendline("cat > /tmp/f")
    time.sleep(0.5)
    p.send("typed\r")
    p.send("\x04")
    p.expect("# ")
    say(p, "cat /tmp/f", "typed")
    say(p, "cat &", r"\[1\] \d+")
    time.sleep(0.3)
    say(p, "", r"stopped  cat")
    say(p, "kill %1; wait; echo gone", "gone")
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
