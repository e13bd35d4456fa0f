//! The kernel's own walk, by frame pointers: it goes on where the rest of the stack isn't captured, and goes
//! astray where code has no frame pointers. It is believed only behind a frame that both agree on.

use super::{Chain, FRAMES_MAX, FoundFrame, file_frame};
use crate::stack::{CapturedFrame, FoundBy};

impl<'m> Chain<'_, 'm, '_> {
    /// Beyond the last frame, where the kernel's walk has been there too.
    pub(super) fn extend_by_walk(&mut self) {
        let walk = &self.capture.frames;
        let from = match self.found.last() {
            None => 0,
            Some(last) => {
                let frame = last.frame();
                let same = |it: &CapturedFrame| match it {
                    CapturedFrame::File { build_id, offset } => {
                        frame.offset == Some(*offset)
                            && frame.build_id.as_deref() == Some(&build_id.to_string())
                    }
                    CapturedFrame::Address(address) => frame.address == Some(*address),
                };
                // A walk that hasn't been here has lost its way before. In a recursion the last place that looks
                // the same: rather too few frames than one twice.
                walk.iter().rposition(same).map_or(walk.len(), |at| at + 1)
            }
        };
        for (number, frame) in walk.iter().enumerate().skip(from) {
            if self.found.len() >= FRAMES_MAX {
                break;
            }
            let Some(found) = self.walked(frame, number == 0) else {
                self.notes.add(format!("the kernel's stack trace is not trusted from its frame {number} on"));
                break;
            };
            self.found.push(found);
        }
        if self.found.iter().any(|it| it.found_by == FoundBy::KernelWalk) && from > 0 {
            self.notes.add(format!(
                "from #{} on, the frames come from the kernel, by frame pointers only",
                self.first_walked()
            ));
        }
    }

    fn first_walked(&self) -> usize {
        self.found.iter().position(|it| it.found_by == FoundBy::KernelWalk).unwrap_or_default()
    }

    /// `None`: it can't be true.
    fn walked(&self, frame: &CapturedFrame, first: bool) -> Option<FoundFrame<'m>> {
        let back = u64::from(!first);
        let (address, captured) = match frame {
            CapturedFrame::Address(address) => (*address, None),
            CapturedFrame::File { build_id, offset } => {
                let captured = Some((build_id.clone(), *offset));
                let Some(module) = self.map.with_build_id(build_id) else {
                    // The file is gone; that the crash was in it, or that nothing is known of it, is all there is.
                    let known =
                        first || file_frame(self.capture.frames.first()).is_some_and(|it| it.0 == *build_id);
                    let module = self.found.first().and_then(|it| it.module);
                    let found = FoundFrame {
                        address: None,
                        within: None,
                        module,
                        captured,
                        found_by: FoundBy::KernelWalk,
                        ..FoundFrame::default()
                    };
                    return known.then_some(found);
                };
                let within = module.usable()?.known.image.address_of(offset.checked_sub(back)?)?;
                (within.wrapping_add(back).wrapping_add(module.bias), captured)
            }
        };
        let within = address.wrapping_sub(back);
        let module = self.map.find(within);
        let fits = first || self.is_behind_call(address);
        fits.then_some(FoundFrame {
            address: Some(address),
            within: Some(within),
            module,
            captured,
            found_by: FoundBy::KernelWalk,
            ..FoundFrame::default()
        })
        .filter(|it| it.module.is_some() || first)
    }
}
