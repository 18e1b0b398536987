"""System-call numbers, by architecture, of the calls that the filter names. Sources: the kernel's syscall tables."""

# name: (x86-64, aarch64); None where the architecture does not have it
_TABLE = """
read 0 63
write 1 64
readv 19 65
writev 20 66
close 3 57
lseek 8 62
munmap 11 215
mremap 25 216
brk 12 214
madvise 28 233
rt_sigaction 13 134
rt_sigprocmask 14 135
rt_sigreturn 15 139
sigaltstack 131 132
restart_syscall 219 128
futex 202 98
set_robust_list 273 99
rseq 334 293
membarrier 324 283
sched_yield 24 124
sched_getaffinity 204 123
clock_gettime 228 113
clock_getres 229 114
clock_nanosleep 230 115
nanosleep 35 101
gettimeofday 96 169
time 201 -
times 100 153
getrusage 98 165
getpid 39 172
getppid 110 173
gettid 186 178
getuid 102 174
geteuid 107 175
getgid 104 176
getegid 108 177
getpgrp 111 -
getpgid 121 155
getsid 124 156
uname 63 160
sysinfo 99 179
getcwd 79 17
getrandom 318 278
poll 7 -
ppoll 271 73
select 23 -
pselect6 270 72
exit 60 93
exit_group 231 94
mmap 9 222
mprotect 10 226
prlimit64 302 261
ioctl 16 29
clone3 435 435
openat 257 56
newfstatat 262 79
fstat 5 80
stat 4 -
lstat 6 -
statx 332 291
getdents64 217 61
readlink 89 -
readlinkat 267 78
access 21 -
faccessat 269 48
faccessat2 439 439
fcntl 72 25
pread64 17 67
dup 32 23
fadvise64 221 223
ptrace 101 117
process_vm_readv 310 270
process_vm_writev 311 271
pidfd_getfd 438 438
kcmp 312 272
bpf 321 280
perf_event_open 298 241
userfaultfd 323 282
mount 165 40
umount2 166 39
pivot_root 155 41
chroot 161 51
setns 308 268
unshare 272 97
keyctl 250 219
add_key 248 217
request_key 249 218
init_module 175 105
finit_module 313 273
kexec_load 246 104
io_uring_setup 425 425
io_uring_enter 426 426
io_uring_register 427 427
"""


def _column(at: int) -> dict[str, int]:
    rows = [line.split() for line in _TABLE.split("\n") if line]
    return {row[0]: int(row[at]) for row in rows if row[at] != "-"}


NUMBERS = {"x86_64": _column(1), "aarch64": _column(2)}

# what ends the process at once, with the verdict "forbidden": no honest program comes near it
_KILLED = """
ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp bpf perf_event_open userfaultfd mount umount2 pivot_root
chroot setns unshare keyctl add_key request_key init_module finit_module kexec_load io_uring_setup io_uring_enter
io_uring_register
"""
KILLED = tuple(_KILLED.split())
# looked at more closely, see autograder.sandbox.seccomp
SPECIAL = ("mmap", "mprotect", "prlimit64", "ioctl", "clone3")
# what a notebook that is run for its plots has besides: which files, Landlock says
_READING = """
openat newfstatat fstat stat lstat statx getdents64 readlink readlinkat access faccessat faccessat2 fcntl pread64 dup
fadvise64
"""
READING = tuple(_READING.split())
ALLOWED = tuple(name for name in NUMBERS["x86_64"] if name not in (*KILLED, *SPECIAL, *READING))
