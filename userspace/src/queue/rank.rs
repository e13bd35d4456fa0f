//! The rank of a case: which goes first to the store and to the model. Points are seconds of waiting, as a queue
//! counts them ([`super::AGEING`]): what is so many points behind has waited so many seconds longer when its turn
//! comes, so nothing starves.
//!
//! | what | points |
//! |---|---|
//! | severity | info 0, warning 60, critical 120 |
//! | named by a kernel event, not by a scan of /proc | 80: before a scan's case that is one step more severe |
//! | supervised: a service, a container, a child of init | 15 |
//! | new: the first of its fault | 15 |
//! | affected: how often it happened | 1 for each doubling, 10 at most |
//! | confidence of the rules' verdict | low 0, medium or not judged yet 5, high 10 |

use crate::cgroup;
use crate::kinds;
use crate::kinds::case::Case;
use crate::model::{Confidence, ProcessInfo, Severity};

/// What a case is ranked by.
#[derive(Clone, Copy, Debug)]
pub struct RankInputs {
    /// Its severity: most of the rank.
    pub severity: Severity,
    /// Whether the kernel itself reported it: it happened just now.
    pub by_kernel: bool,
    /// Whether somebody counts on the process to run.
    pub supervised: bool,
    /// Whether it is the first of its fault.
    pub novel: bool,
    /// How often it happened.
    pub count: u64,
    /// How sure the rules are; `None`: not asked yet.
    pub confidence: Option<Confidence>,
}

impl RankInputs {
    /// What the case itself says; new, and not judged yet.
    pub fn of(case: &Case) -> Self {
        Self {
            severity: case.severity,
            by_kernel: !kinds::room(case.kind).lasts(),
            supervised: is_supervised(&case.file.process),
            novel: true,
            count: case.count,
            confidence: None,
        }
    }
}

/// The points; see the module.
pub fn rank(it: &RankInputs) -> u32 {
    let severity = match it.severity {
        Severity::Info => 0,
        Severity::Warning => 60,
        Severity::Critical => 120,
    };
    let confidence = match it.confidence {
        Some(Confidence::Low) => 0,
        None | Some(Confidence::Medium) => 5,
        Some(Confidence::High) => 10,
    };
    let affected = it.count.max(1).ilog2().min(10);
    let points = |holds: bool, points: u32| if holds { points } else { 0 };
    let of_its_kind = points(it.by_kernel, 80) + points(it.supervised, 15) + points(it.novel, 15);
    severity + of_its_kind + affected + confidence
}

fn is_supervised(process: &ProcessInfo) -> bool {
    let in_service = process.cgroup.as_deref().is_some_and(|path| {
        path.rsplit('/').next().is_some_and(|unit| unit.ends_with(".service"))
            || cgroup::container_id(path).is_some()
    });
    in_service || process.container_id.is_some() || process.ppid == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::sample::case;

    const BASE: RankInputs = RankInputs {
        severity: Severity::Warning,
        by_kernel: false,
        supervised: false,
        novel: false,
        count: 1,
        confidence: None,
    };

    #[test]
    fn what_matters_more_ranks_higher() {
        let warning = BASE;
        for (what, higher, lower) in [
            ("severity", RankInputs { severity: Severity::Critical, ..warning }, warning),
            ("the kernel's", RankInputs { by_kernel: true, ..warning }, warning),
            (
                "the kernel's, before a graver condition",
                RankInputs { by_kernel: true, ..warning },
                RankInputs { severity: Severity::Critical, ..warning },
            ),
            (
                "critical, before the kernel's that nobody is told of",
                RankInputs { severity: Severity::Critical, ..warning },
                RankInputs { severity: Severity::Info, by_kernel: true, ..warning },
            ),
            ("supervised", RankInputs { supervised: true, ..warning }, warning),
            ("novelty", RankInputs { novel: true, ..warning }, warning),
            ("affected", RankInputs { count: 1000, ..warning }, RankInputs { count: 3, ..warning }),
            ("confidence", RankInputs { confidence: Some(Confidence::High), ..warning }, warning),
            ("no confidence", warning, RankInputs { confidence: Some(Confidence::Low), ..warning }),
            (
                "severity, before all that is not the kernel's",
                RankInputs { severity: Severity::Critical, ..warning },
                RankInputs {
                    supervised: true,
                    novel: true,
                    count: u64::MAX,
                    confidence: Some(Confidence::High),
                    ..warning
                },
            ),
        ] {
            assert!(rank(&higher) > rank(&lower), "{what}: {} and {}", rank(&higher), rank(&lower));
        }
        let most = RankInputs {
            severity: Severity::Critical,
            by_kernel: true,
            supervised: true,
            novel: true,
            count: u64::MAX,
            confidence: Some(Confidence::High),
        };
        assert_eq!(rank(&most), 250, "the longest wait of what ranks lowest, in seconds");
        assert_eq!(rank(&RankInputs { severity: Severity::Info, count: 0, ..BASE }), 5);
    }

    #[test]
    fn who_is_supervised() {
        let id = "ab".repeat(32);
        for (ppid, cgroup, want) in [
            (7, Some("/system.slice/nginx.service".to_owned()), true),
            (7, Some(format!("/docker/{id}")), true),
            (7, Some(format!("/system.slice/docker-{id}.scope")), true),
            (1, None, true),
            (7, Some("/user.slice/user-1000.slice/session-3.scope".to_owned()), false),
            (7, Some("/".to_owned()), false),
            (7, None, false),
        ] {
            let mut it = case("a");
            (it.file.process.ppid, it.file.process.cgroup) = (ppid, cgroup);
            assert_eq!(RankInputs::of(&it).supervised, want, "{:?}", it.file.process);
        }
    }
}
