// SPDX-License-Identifier: MIT
// The list is by purpose, and short where a purpose has one modern call; it holds what glibc, the
// HTTP and TLS libraries, libpq, librdkafka, hiredis and libcurl ask for, found by tracing all
// suites. A call that is missing costs a feature that answers ENOSYS, not the server.
#include "programs/serve/serve_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"

#ifndef CLONE_THREAD
#define CLONE_THREAD 0x00010000
#endif

#define CALL(name) SCMP_SYS(name)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int allowed[] = {
    // memory and threads; mmap, mprotect and clone have conditions below
    CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(mlock), CALL(mlock2), CALL(munlock),
    CALL(futex), CALL(set_robust_list), CALL(rseq), CALL(sched_yield), CALL(sched_getaffinity),
    CALL(sched_getparam), CALL(sched_getscheduler), CALL(gettid), CALL(getpid), CALL(exit),
    CALL(exit_group), CALL(membarrier), CALL(getcpu),
    // signals, as far as they are received
    CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(rt_sigtimedwait),
    CALL(sigaltstack), CALL(restart_syscall),
    // time and chance
    CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep),
    CALL(gettimeofday), CALL(time), CALL(getrandom), CALL(timerfd_create), CALL(timerfd_settime),
    // files
    CALL(openat), CALL(open), CALL(close), CALL(read), CALL(readv), CALL(pread64), CALL(preadv),
    CALL(write), CALL(writev), CALL(pwrite64), CALL(pwritev), CALL(lseek), CALL(fsync),
    CALL(fdatasync), CALL(sync_file_range), CALL(fallocate), CALL(fadvise64), CALL(ftruncate),
    CALL(fstat), CALL(stat), CALL(lstat), CALL(newfstatat), CALL(statx), CALL(statfs),
    CALL(fstatfs), CALL(access), CALL(faccessat), CALL(faccessat2), CALL(readlink),
    CALL(readlinkat), CALL(getcwd), CALL(getdents64), CALL(mkdir), CALL(mkdirat), CALL(rename),
    CALL(renameat), CALL(renameat2), CALL(unlink), CALL(unlinkat), CALL(flock), CALL(fcntl),
    CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL(umask), CALL(dup), CALL(pipe2), CALL(eventfd2),
    // connections; socket and ioctl have conditions below
    CALL(socketpair), CALL(bind), CALL(listen), CALL(accept), CALL(accept4), CALL(connect),
    CALL(shutdown), CALL(getsockname), CALL(getpeername), CALL(setsockopt), CALL(getsockopt),
    CALL(sendto), CALL(sendmsg), CALL(sendmmsg), CALL(recvfrom), CALL(recvmsg), CALL(recvmmsg),
    CALL(sendfile), CALL(poll), CALL(ppoll), CALL(select), CALL(pselect6), CALL(epoll_create1),
    CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_pwait2),
    // who and where we are
    CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid), CALL(uname), CALL(sysinfo),
    CALL(getrusage), CALL(times),
};

// Nobody who serves money does these: they start programs, reach into other processes, change who
// one is, what is mounted or what the kernel runs.
static const int wicked[] = {
    CALL(execve), CALL(execveat), CALL(fork), CALL(vfork), CALL(ptrace), CALL(process_vm_readv),
    CALL(process_vm_writev), CALL(pidfd_open), CALL(pidfd_getfd), CALL(kcmp), CALL(setuid),
    CALL(setgid), CALL(setreuid), CALL(setregid), CALL(setresuid), CALL(setresgid),
    CALL(setgroups), CALL(capset), CALL(chroot), CALL(pivot_root), CALL(mount), CALL(umount2),
    CALL(open_tree), CALL(move_mount), CALL(fsopen), CALL(unshare), CALL(setns), CALL(init_module),
    CALL(finit_module), CALL(delete_module), CALL(kexec_load), CALL(kexec_file_load), CALL(bpf),
    CALL(perf_event_open), CALL(userfaultfd), CALL(reboot), CALL(swapon), CALL(swapoff),
    CALL(mknod), CALL(mknodat), CALL(open_by_handle_at), CALL(personality), CALL(memfd_create),
    CALL(io_uring_setup), CALL(settimeofday), CALL(clock_settime),
};

static const uint32_t families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK};
static const uint32_t requests[] = {FIONREAD, FIONBIO, TCGETS, SIOCGIFINDEX, SIOCGIFNAME};
static const uint32_t process_wishes[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA};

static int allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition) {
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

static struct scmp_arg_cmp is(unsigned argument, uint64_t value) {
    return (struct scmp_arg_cmp){argument, SCMP_CMP_EQ, value, 0};
}

static struct scmp_arg_cmp has(unsigned argument, uint64_t mask, uint64_t value) {
    return (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value};
}

// Calls that are harmless one way and not another. Memory is written or run, never both or one
// after the other; other threads are started, not other processes; signals go to ourselves.
static int add_conditions(scmp_filter_ctx filter) {
    const uint64_t both = PROT_WRITE | PROT_EXEC;
    int status = allow_if(filter, CALL(mmap), has(2, both, 0));
    status |= allow_if(filter, CALL(mmap), has(2, both, PROT_WRITE));
    status |= allow_if(filter, CALL(mmap), has(2, both, PROT_EXEC)); // a library, from its file
    status |= allow_if(filter, CALL(mprotect), has(2, PROT_EXEC, 0));
    status |= allow_if(filter, CALL(clone), has(0, CLONE_THREAD, CLONE_THREAD));
    status |= allow_if(filter, CALL(tgkill), is(0, (uint64_t)getpid()));
    status |= allow_if(filter, CALL(prlimit64), is(0, 0));   // of this process
    status |= allow_if(filter, CALL(setpriority), is(1, 0)); // of the calling thread
    for (size_t i = 0; i < COUNT(families); i++)
        status |= allow_if(filter, CALL(socket), is(0, families[i]));
    for (size_t i = 0; i < COUNT(requests); i++)
        status |= allow_if(filter, CALL(ioctl), is(1, requests[i]));
    for (size_t i = 0; i < COUNT(process_wishes); i++)
        status |= allow_if(filter, CALL(prctl), is(0, process_wishes[i]));
    return status;
}

static int build(scmp_filter_ctx filter) {
    // A program of another word size cannot be what we are.
    int status = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    status |= seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); // a tree, not a list
    for (size_t i = 0; i < COUNT(allowed); i++)
        status |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
    for (size_t i = 0; i < COUNT(wicked); i++)
        status |= seccomp_rule_add_array(filter, SCMP_ACT_KILL_PROCESS, wicked[i], 0, NULL);
    return status | add_conditions(filter);
}

bool serve_filter_calls(const char *word) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    CHECK(filter != NULL);
    // The library refuses rules that the kernel would not take, or when it may not ask it.
    bool is_built = build(filter) == 0;
    int failure = is_built ? seccomp_load(filter) : -EPERM;
    seccomp_release(filter);
    if (failure != 0) {
        fprintf(stderr,
                "florin %s: the setting seccomp cannot be heeded here: %s. Take it out of the "
                "configuration, or run where the kernel filters system calls and a sandbox around "
                "Florin allows the call seccomp.\n",
                word, strerror(-failure));
        return false;
    }
    log_line(LOG_INFO, "serve", "System calls are filtered: %zu are left.",
             COUNT(allowed) + 7); // those with conditions
    return true;
}
