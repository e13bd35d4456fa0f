//! Stand-ins for everybody the daemon talks to: a model in any mood, Slack, a webhook, Alertmanager; all on loopback,
//! all keeping what they were sent.

mod message;
mod mood;
mod receivers;
mod service;

pub(crate) use message::{Message, messages};
pub(crate) use mood::{EVIL, Mood, SIGNED, base_url};
pub(crate) use receivers::{Receivers, Reception, slack};
pub(crate) use service::{PeerRequest, ServedReply, Service, now_ms};
