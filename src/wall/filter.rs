//! Which system calls a walled server may not make, as a program for the kernel (seccomp).

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Refused whatever their arguments: they reach into other processes, or around this filter.
const REFUSED: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Its requests are not system calls: a filter does not see them.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_open_by_handle_at,
];

/// Terminal requests that type into it: a shell would read that after us.
const TYPING: [libc::c_ulong; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// Matches calls whose argument with this index compares so.
fn argument(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, String> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|why| why.to_string())
}

/// On x86-64 each call has a second number, for programs with short pointers.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;
/// The calls that have a number of their own there, from 512 on.
#[cfg(target_arch = "x86_64")]
const X32_ONLY: std::ops::Range<i64> = 512..550;

/// The program: all is allowed but what is refused, and sockets but of PostgreSQL's kind.
pub(super) fn program() -> Result<BpfProgram, String> {
    let unix = u64::from(libc::AF_UNIX.unsigned_abs());
    let not_unix = argument(0, SeccompCmpOp::Ne, unix)?;
    let mut rules = BTreeMap::from([
        (libc::SYS_socket, vec![not_unix.clone()]),
        (libc::SYS_socketpair, vec![not_unix]),
    ]);
    rules.extend(REFUSED.iter().map(|call| (*call, Vec::new())));
    let typing = TYPING.map(|request| argument(1, SeccompCmpOp::Eq, request));
    rules.insert(
        libc::SYS_ioctl,
        typing.into_iter().collect::<Result<_, _>>()?,
    );
    #[cfg(target_arch = "x86_64")]
    {
        let plain = [libc::SYS_socket, libc::SYS_socketpair, libc::SYS_ioctl];
        let numbers = plain.iter().chain(REFUSED).copied().chain(X32_ONLY);
        rules.extend(numbers.map(|call| (call | X32, Vec::new())));
    }
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(|_| format!("no filter is known for {}", std::env::consts::ARCH))?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch);
    filter
        .and_then(TryInto::try_into)
        .map_err(|why: seccompiler::BackendError| why.to_string())
}

/// The program as the kernel and bubblewrap read it: `struct sock_filter`, one after the other.
pub(super) fn bytes(program: &BpfProgram) -> Vec<u8> {
    program
        .iter()
        .flat_map(|step| {
            let [code0, code1] = step.code.to_ne_bytes();
            let [k0, k1, k2, k3] = step.k.to_ne_bytes();
            [code0, code1, step.jt, step.jf, k0, k1, k2, k3]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_within_the_kernels_limits() {
        let program = program().unwrap();
        assert!(program.len() > REFUSED.len() && program.len() < 4096);
        assert_eq!(bytes(&program).len(), program.len() * 8);
    }
}
