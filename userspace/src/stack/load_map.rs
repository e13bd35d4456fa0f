//! The modules of a crashed process as the files on disk have them now: opened with care, and each judged
//! whether it still is what was loaded.

use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use super::MODULES_MAX;
use super::capture::{BuildId, Capture, CapturedFrame, LoadedModule};
use super::files::{Files, OpenFile, is_executable, is_vdso};
use super::images::{Images, KnownFile};
use super::notes::{Notes, clean};

/// How far from its bias an address can be and still be a module's, where its size isn't known.
const MODULE_SPAN_MAX: u64 = 1 << 32;

/// The kernel maps what can be anywhere far above this (kernel arch/x86/include/asm/elf.h, `ELF_ET_DYN_BASE`).
const FIXED_BELOW: u64 = 1 << 32;

pub(super) struct LoadMap {
    modules: Vec<Module>,
}

pub(super) struct Module {
    pub(super) name: String,
    pub(super) bias: u64,
    pub(super) on_disk: Option<OnDisk>,
}

/// The file a module came from, as it is now.
pub(super) struct OnDisk {
    pub(super) opened: OpenFile,
    pub(super) known: Rc<KnownFile>,
    pub(super) standing: FileStanding,
}

/// Where modules are placed.
struct Place<'a> {
    capture: &'a Capture,
    /// `None`: its root can't be reached.
    files: Option<&'a dyn Files>,
    /// Whether the load map says where the executable is.
    bias_known: bool,
}

/// Whether a file is what was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileStanding {
    /// Its build-id was seen in the process.
    Confirmed,
    /// Nothing speaks against it.
    Undisputed,
    /// It is not, or may not be: why.
    Replaced(&'static str),
}

impl LoadMap {
    pub(super) fn new(
        capture: &Capture,
        files: &dyn Files,
        images: &mut Images,
        deadline: Instant,
        notes: &mut Notes,
    ) -> Self {
        let (mut map, mut unusable) = (Self { modules: vec![] }, vec![]);
        let mut listed: Vec<_> = capture.modules.iter().take(MODULES_MAX).cloned().collect();
        if capture.modules.len() > MODULES_MAX {
            notes.add(format!("the load map has more than {MODULES_MAX} modules: the rest is omitted"));
        }
        if capture.modules_cut {
            let count = listed.len();
            notes.add(format!(
                "no more than {count} modules could be captured: what is in others has no names"
            ));
        }
        name_as_executable(&mut listed, capture);
        let has_executable = listed.iter().any(is_executable);
        if !has_executable {
            listed.insert(0, LoadedModule::default());
        }
        if let Some(bias) = capture.vdso.filter(|vdso| !listed.iter().any(|it| it.bias == *vdso)) {
            listed.push(LoadedModule { bias, path: Some("linux-vdso.so.1".into()), build_id: None });
        }
        let root = files.root().map_err(|error| notes.add(error));
        let place = Place { capture, files: root.ok().map(|()| files), bias_known: has_executable };
        for module in listed {
            if Instant::now() >= deadline {
                notes.add("out of time before all modules were opened");
                break;
            }
            if let Some(module) = map.place(&place, &module, images, &mut unusable) {
                map.modules.push(module);
            }
        }
        notes.add_some(unusable, "modules can't be used");
        notes.add_some(map.judge(capture), "modules were replaced");
        map
    }

    /// `None` where it can't be placed.
    fn place(
        &self,
        place: &Place<'_>,
        listed: &LoadedModule,
        images: &mut Images,
        unusable: &mut Vec<String>,
    ) -> Option<Module> {
        let Place { capture, bias_known, .. } = *place;
        let executable = is_executable(listed);
        let known = capture.executable.as_ref().or(capture.mapped.as_ref());
        let path = if executable { known.cloned() } else { listed.path.clone() };
        let path = path.unwrap_or_default();
        let mapped = capture.mapped.as_ref().filter(|it| executable && **it != path);
        let name = if path.as_os_str().is_empty() {
            "the executable".to_owned()
        } else {
            clean(&path.to_string_lossy())
        };
        if self.modules.iter().any(|it| it.bias == listed.bias && it.name == name) {
            return None;
        }
        let vdso = is_vdso(&path);
        let found = match place.files {
            _ if vdso => Some(images.vdso()),
            Some(files) => Some(images.get(files, &path).or_else(|error| match mapped {
                Some(mapped) => images.get(files, mapped).map_err(|_| error),
                None => Err(error),
            })),
            // Said once, not of each.
            None => None,
        };
        let unusable = |error| unusable.push(format!("{name} can't be used: {error:#}"));
        let on_disk = found.and_then(|it| it.map_err(unusable).ok());
        let on_disk = on_disk.map(|(opened, known)| {
            let standing =
                if vdso { FileStanding::Confirmed } else { standing(capture, listed, &opened, &known) };
            OnDisk { opened, known, standing }
        });
        let bias = match (executable && !bias_known, &on_disk) {
            (false, _) => listed.bias,
            // No load map: a program that runs without a loader, or one that died before or in it.
            (true, Some(it)) if it.known.image.fixed => 0,
            (true, Some(it)) => capture.entry?.wrapping_sub(it.known.image.entry),
            // Gone; but only what runs where it was linked for runs so far down.
            (true, None) if capture.entry.is_some_and(|entry| entry < FIXED_BELOW) => 0,
            (true, None) => return None,
        };
        Some(Module { name: if vdso { "[vdso]".to_owned() } else { name }, bias, on_disk })
    }

    /// What only the whole map tells of each. Says which were replaced.
    fn judge(&mut self, capture: &Capture) -> Vec<String> {
        let mut replaced = vec![];
        let on_disk = |it: &Module| it.on_disk.as_ref().and_then(|it| it.known.image.build_id.clone());
        let present: Vec<_> = self.modules.iter().filter_map(on_disk).collect();
        let complete = self.modules.iter().all(|it| it.on_disk.is_some());
        let stranger = captured_ids(capture).any(|id| !present.contains(id));
        let crashed_in = capture.frames.first().zip(capture.registers.as_ref().map(|it| it.ip));
        for module in &mut self.modules {
            let (bias, name) = (module.bias, &module.name);
            let Some(file) = &mut module.on_disk else { continue };
            let image = &file.known.image;
            if file.standing == FileStanding::Undisputed {
                let elsewhere = matches!(crashed_in, Some((CapturedFrame::File { build_id, .. }, ip))
                    if image.offset_of(ip.wrapping_sub(bias)).is_some() && image.build_id.as_ref() != Some(build_id));
                if elsewhere {
                    file.standing =
                        FileStanding::Replaced("its build-id is not that of the file that crashed");
                } else if complete && stranger && image.build_id.is_some() {
                    file.standing =
                        FileStanding::Replaced("no file on disk has a build-id of the captured stack");
                }
            }
            if let FileStanding::Replaced(why) = file.standing {
                replaced.push(format!(
                    "{name} was replaced after it was loaded ({why}): no names, and no unwinding through it"
                ));
            }
        }
        replaced
    }

    /// The module whose instructions include this address. Where two claim it, neither is believed.
    pub(super) fn find(&self, address: u64) -> Option<&Module> {
        let mut holders = self.modules.iter().filter(|it| it.holds(address));
        holders.next().filter(|_| holders.next().is_none())
    }

    /// The module with this build-id.
    pub(super) fn with_build_id(&self, id: &BuildId) -> Option<&Module> {
        self.modules.iter().find(|it| it.build_id() == Some(id) && it.usable().is_some())
    }

    /// The module that this address is likely of, where the file it came from isn't on disk any more.
    pub(super) fn nearest(&self, address: u64) -> Option<&Module> {
        let below = self.modules.iter().filter(|it| address.wrapping_sub(it.bias) < MODULE_SPAN_MAX);
        below.max_by_key(|it| it.bias).filter(|it| it.usable().is_none())
    }

    /// What the user should hear of a crash that no module explains.
    pub(super) fn is_empty(&self) -> bool {
        self.modules.iter().all(|it| it.on_disk.is_none())
    }
}

impl Module {
    fn holds(&self, address: u64) -> bool {
        self.on_disk
            .as_ref()
            .is_some_and(|it| it.known.image.offset_of(address.wrapping_sub(self.bias)).is_some())
    }

    /// The file, if it is what was loaded.
    pub(super) fn usable(&self) -> Option<&OnDisk> {
        self.on_disk.as_ref().filter(|it| !matches!(it.standing, FileStanding::Replaced(_)))
    }

    pub(super) fn build_id(&self) -> Option<&BuildId> {
        self.on_disk.as_ref()?.known.image.build_id.as_ref()
    }
}

/// musl's list begins with the executable as well, but has it by the name by which it was called.
fn name_as_executable(listed: &mut [LoadedModule], capture: &Capture) {
    let known = [&capture.executable, &capture.mapped];
    if let Some(first) = listed.first_mut().filter(|it| !is_executable(it)) {
        let name = first.path.as_deref().and_then(Path::file_name);
        if name.is_some() && known.iter().any(|it| it.as_deref().and_then(Path::file_name) == name) {
            first.path = None;
        }
    }
}

fn captured_ids(capture: &Capture) -> impl Iterator<Item = &BuildId> {
    capture.frames.iter().filter_map(|frame| match frame {
        CapturedFrame::File { build_id, .. } => Some(build_id),
        CapturedFrame::Address(_) => None,
    })
}

/// What one file's own facts tell.
fn standing(capture: &Capture, listed: &LoadedModule, opened: &OpenFile, known: &KnownFile) -> FileStanding {
    let image = &known.image;
    let on_disk = image.build_id.as_ref();
    let began_elsewhere = || {
        let begin = listed.bias.wrapping_add(image.entry);
        is_executable(listed)
            && !capture.modules.is_empty()
            && capture.entry.is_some_and(|entry| entry != begin)
    };
    match &listed.build_id {
        Some(loaded) if Some(loaded) == on_disk => FileStanding::Confirmed,
        Some(_) => FileStanding::Replaced("its build-id differs"),
        None if on_disk.is_some_and(|id| captured_ids(capture).any(|it| it == id)) => FileStanding::Confirmed,
        None if capture.started_at.is_some_and(|started| opened.changed_at > started) => {
            FileStanding::Replaced("it was changed after the process started")
        }
        None if began_elsewhere() => FileStanding::Replaced("its entry point differs"),
        None => FileStanding::Undisputed,
    }
}
