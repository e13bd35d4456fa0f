//! A socket between two of us: whole messages, each of a bounded length, with one descriptor at most.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No message is longer. Below what a socket takes by default (net.core.wmem_default).
pub(super) const MESSAGE_BYTES_MAX: usize = 160 << 10;

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Not in time.
    Late,
    /// The other side is gone.
    Closed,
    /// It is no message of ours, or too long.
    Malformed,
}

/// One end.
#[derive(Debug)]
pub(super) struct Link(OwnedFd);

impl Link {
    pub(super) fn pair() -> std::io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    pub(super) const fn of(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Sends it whole, or not at all.
    pub(super) fn send<T: Serialize>(
        &self,
        message: &T,
        descriptor: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> Result<(), Lost> {
        let bytes = serde_json::to_vec(message).map_err(|_| Lost::Malformed)?;
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Lost::Malformed);
        }
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
            if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
                return Err(Lost::Malformed);
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, until)?,
                Err(Errno::INTR) => {}
                Err(Errno::MSGSIZE | Errno::TOOMANYREFS) => return Err(Lost::Malformed),
                Err(_) => return Err(Lost::Closed),
            }
        }
    }

    /// The next message, and the descriptor that came with it.
    pub(super) fn receive<T: DeserializeOwned>(
        &self,
        until: Option<Instant>,
    ) -> Result<(T, Option<OwnedFd>), Lost> {
        let mut bytes = vec![0; MESSAGE_BYTES_MAX];
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            match recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags) {
                Ok(got) => {
                    let descriptor = ancillary.drain().find_map(|it| match it {
                        RecvAncillaryMessage::ScmRights(mut all) => all.next(),
                        _ => None,
                    });
                    if got.bytes == 0 {
                        return Err(Lost::Closed);
                    }
                    let cut = got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
                    let parsed = serde_json::from_slice(&bytes[..got.bytes]).ok().filter(|_| !cut);
                    return parsed.map(|message| (message, descriptor)).ok_or(Lost::Malformed);
                }
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, until)?,
                Err(Errno::INTR) => {}
                Err(_) => return Err(Lost::Closed),
            }
        }
    }

    fn wait(&self, what: PollFlags, until: Option<Instant>) -> Result<(), Lost> {
        let left = until.map(|it| it.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(Lost::Late);
        }
        // A little longer rather than a little less: else it would spin at the end.
        let left = left.map(|it| it + Duration::from_millis(1));
        let time = left.and_then(|it| Timespec::try_from(it).ok());
        match poll(&mut [PollFd::from_borrowed_fd(self.0.as_fd(), what)], time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(_) => Err(Lost::Closed),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(20))
    }

    #[test]
    fn messages_come_whole_with_what_was_sent_along() {
        let (ours, theirs) = Link::pair().unwrap();
        let theirs = Link::of(theirs);
        let file = File::open("/proc/self/exe").unwrap();
        ours.send(&("one", 1), Some(file.as_fd()), None).unwrap();
        ours.send(&"x".repeat(MESSAGE_BYTES_MAX - 2), None, soon()).unwrap();
        let ((word, number), descriptor) = theirs.receive::<(String, u8)>(None).unwrap();
        assert_eq!((word.as_str(), number, descriptor.is_some()), ("one", 1, true));
        assert_eq!(theirs.receive::<String>(None).unwrap().0.len(), MESSAGE_BYTES_MAX - 2);
        assert_eq!(theirs.receive::<String>(soon()).unwrap_err(), Lost::Late);
        drop(ours);
        assert_eq!(theirs.receive::<String>(None).unwrap_err(), Lost::Closed);
        assert_eq!(theirs.send(&1, None, None).unwrap_err(), Lost::Closed);
    }

    #[test]
    fn what_is_too_long_no_message_or_not_taken_is_told() {
        let (ours, theirs) = Link::pair().unwrap();
        assert_eq!(ours.send(&"x".repeat(MESSAGE_BYTES_MAX), None, None).unwrap_err(), Lost::Malformed);
        rustix::net::send(&theirs, b"{not json", SendFlags::empty()).unwrap();
        assert_eq!(ours.receive::<u8>(None).unwrap_err(), Lost::Malformed);
        rustix::net::send(&theirs, &vec![b'1'; MESSAGE_BYTES_MAX + 1], SendFlags::empty()).unwrap();
        assert_eq!(ours.receive::<u8>(None).unwrap_err(), Lost::Malformed);
        let all = std::iter::repeat_with(|| ours.send(&"x".repeat(1000), None, soon()));
        assert_eq!(all.take(10_000).find_map(Result::err), Some(Lost::Late), "nobody takes them");
    }
}
