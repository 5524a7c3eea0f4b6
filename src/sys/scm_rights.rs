//! Messages with descriptors over Unix sockets.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, accept4,
    recvmsg, sendmsg, socketpair,
};

/// A message carries at most this many.
const MOST: usize = 4;

/// A pair of connected sockets for messages (`SOCK_SEQPACKET`), closed on `exec`.
///
/// # Errors
/// Those of `socketpair(2)`.
pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// Sends one message; never waits, and raises no `SIGPIPE`.
///
/// # Errors
/// `EAGAIN` when the other side doesn't take what was sent before; `EPIPE` when it is gone.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control: &[ControlMessage<'_>] = if numbers.is_empty() { &[] } else { &rights };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let socket = socket.as_fd().as_raw_fd();
    sendmsg::<()>(socket, &[IoSlice::new(bytes)], control, flags, None).map(|_| ())
}

/// Receives one message of exactly `bytes.len()` bytes, or, with `false`, the end of the
/// connection. Descriptors are closed on `exec`.
///
/// # Errors
/// `EMSGSIZE` for a message of another size or with more descriptors than fit; `EAGAIN` on a
/// socket that doesn't wait; others of `recvmsg(2)`.
pub fn receive(socket: impl AsFd, bytes: &mut [u8], fds: &mut Vec<OwnedFd>) -> Result<bool, Errno> {
    let expected = bytes.len();
    let mut space = nix::cmsg_space!([RawFd; MOST]);
    let mut parts = [IoSliceMut::new(bytes)];
    let socket = socket.as_fd().as_raw_fd();
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket, &mut parts, Some(&mut space), flags)?;
    for control in message.cmsgs()? {
        let ControlMessageOwned::ScmRights(numbers) = control else { continue };
        for number in numbers {
            // SAFETY: the kernel has just made this descriptor for this process, and told the
            // number to nobody else.
            fds.push(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
    let cut = message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC);
    match message.bytes {
        0 if fds.is_empty() && !cut => Ok(false),
        len if len == expected && !cut => Ok(true),
        _ => {
            fds.clear();
            Err(Errno::EMSGSIZE)
        }
    }
}

/// Accepts a connection, with these flags on its socket.
///
/// # Errors
/// Those of `accept4(2)`.
pub fn accept(listener: impl AsFd, flags: SockFlag) -> Result<OwnedFd, Errno> {
    let number = accept4(listener.as_fd().as_raw_fd(), flags)?;
    // SAFETY: the kernel has just made this descriptor for this process, and told the number to
    // nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// An `ioctl` whose command says that `argument` is as long as it is, and no more than that.
///
/// # Errors
/// `EINVAL` when the command says otherwise; what the file answers.
pub fn ioctl(file: impl AsFd, command: u32, argument: &mut [u8]) -> Result<(), Errno> {
    let size = command >> 16 & 0x3fff; // _IOC_SIZE
    if usize::try_from(size) != Ok(argument.len()) {
        return Err(Errno::EINVAL);
    }
    let (file, argument) = (file.as_fd().as_raw_fd(), argument.as_mut_ptr());
    // SAFETY: the argument is as large as the command says, and borrowed for writing.
    let answer = unsafe { libc::ioctl(file, command.into(), argument) };
    Errno::result(answer).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_whole_with_its_descriptors_or_not_at_all() {
        let (a, b) = pair().expect("a pair");
        let mut fds = Vec::new();
        let mut bytes = [0; 3];
        send(&a, b"abc", &[a.as_fd(), b.as_fd()]).expect("sent");
        assert_eq!(receive(&b, &mut bytes, &mut fds), Ok(true));
        assert_eq!((&bytes, fds.len()), (b"abc", 2));
        fds.clear();
        send(&a, b"abcd", &[a.as_fd()]).expect("sent");
        assert_eq!(receive(&b, &mut bytes, &mut fds), Err(Errno::EMSGSIZE));
        assert!(fds.is_empty());
        drop(a);
        assert_eq!(receive(&b, &mut bytes, &mut fds), Ok(false));
        assert_eq!(send(&b, b"abc", &[]), Err(Errno::EPIPE));
    }
}
