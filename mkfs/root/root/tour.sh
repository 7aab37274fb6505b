# A short tour: sh tour.sh. It is a script for tine's own shell; read it with: cat tour.sh
step() { echo; echo "== $*"; }

step "Every process has a number and a parent; this shell is $$"
pstree

step "A pipe is two processes and a buffer between them"
ls /bin | sort | head -n 5 | while read name; do echo "  /bin/$name"; done

step "A child has a copy of the shell's variables, and its own status"
x=parent
(x=child; echo "the child's x is $x"; exit 3)
echo "the child ended with $?, and x is still $x"

step "forkdemo: fork by a bare system call returns twice"
forkdemo

step "cowdemo: after a fork both have the same page frames, until one writes"
cowdemo

step "trace: what makes a process, seen from outside"
trace forkdemo 2>&1 | grep -e clone -e fork -e wait4

step "Since power-on, and what was forked meanwhile"
uptime
grep processes /proc/stat
echo
echo "Next: clonedemo, vforkdemo, threads, top; and on the host, docs/life-of-a-fork.md"
