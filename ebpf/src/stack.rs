//! A crashing thread's stack, as far as it can be had in its own context: user registers, the kernel's
//! frame-pointer walk, the top of the stack itself, and the load map. Unwinding is userspace's work, at leisure.

use core::mem::{offset_of, size_of};

use ai_debugger_ebpf::event::{
    CrashEvent, FLAG_HAS_REGISTERS, FRAMES_MAX, MODULE_NAME_MAX, MODULES_MAX, STACK_PIECE, STACK_PIECES,
    StackFrame,
};
use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{BPF_F_USER_BUILD_ID, BPF_F_USER_STACK};
use aya_ebpf::helpers::generated::{
    bpf_get_stack, bpf_probe_read_kernel, bpf_probe_read_user, bpf_probe_read_user_str, bpf_task_pt_regs,
};
use aya_ebpf::programs::BtfTracePointContext;

use crate::kernel::{at, read, read_u64};
use crate::{path, signal, task};

/// Pairs looked at in the auxiliary vector.
const AUXV_PAIRS: u64 = 24;
/// Program headers looked at.
const PROGRAM_HEADERS: u64 = 16;
/// Entries of the dynamic section looked at.
const DYNAMIC_ENTRIES: u64 = 48;
/// Bytes a page of x86-64.
const PAGE: u64 = 4096;
/// `THREAD_SIZE` of x86-64 without KASAN (kernel arch/x86/include/asm/page_64_types.h).
const KERNEL_STACK: u64 = 16384;
/// `__USER_CS` of x86-64: what user mode's registers have.
const USER_CS: u64 = 0x33;

/// Where in `pt_regs` (as in [`ai_debugger_ebpf::event::CrashHeader::registers`]) things are.
const CS: usize = 17;
const SP: usize = 19;

/// What the auxiliary vector says (elf(5), getauxval(3)).
struct Image {
    /// AT_PHDR: the program headers of the executable.
    headers: u64,
    /// AT_SYSINFO_EHDR: the vDSO.
    vdso: u64,
    /// AT_ENTRY: the executable's first instruction.
    entry: u64,
}

/// Captures the rest into the event; the bytes to send. Where the running thread has sent the process a signal that it
/// took in a handler before, of where it was then.
#[inline(always)]
pub(crate) fn capture(ctx: &BtfTracePointContext, event: &mut CrashEvent, task: u64) -> usize {
    let mm = read_u64(task, at!(task_mm));
    if !(is_own_doing(event) && signal::recall(&mut event.header, mm)) {
        registers(ctx, event, task);
        frames(ctx, event);
    }
    offset_of!(CrashEvent, stack) + stack(event)
}

/// The load map and the executable's path; nothing of either where it is not the process's `own` thread that runs.
#[inline(always)]
pub(crate) fn load_map(event: &mut CrashEvent, task: u64, own: bool) {
    event.header.entry = 0;
    event.header.vdso = 0;
    event.header.modules_len = 0;
    event.header.path_len = 0;
    if own {
        modules(event, task);
        path::executable(event, task);
    }
}

/// Remembers where the running thread is: a handler takes its signal.
#[inline(always)]
pub(crate) fn remember(ctx: &BtfTracePointContext, event: &mut CrashEvent, task: u64) {
    registers(ctx, event, task);
    event.header.entry = read_u64(task, at!(task_mm));
    signal::remember(&event.header);
}

/// Whether the process sent itself the signal, by kill(2) and its kin.
#[inline(always)]
const fn is_own_doing(event: &CrashEvent) -> bool {
    (event.header.signal.code as i32) <= 0
}

/// User mode's registers of the running thread, from the top of its kernel stack; checked by what user mode's code segment is.
#[inline(always)]
fn registers(ctx: &BtfTracePointContext, event: &mut CrashEvent, task: u64) {
    // Another thread of the process, as where a thread sends the whole of it a signal: its registers say nothing.
    if !task::is_current(task) {
        return;
    }
    let regs = if at!(has_task_pt_regs) != 0 {
        // SAFETY: the tracepoint's third argument is the task, which the verifier knows by its type.
        unsafe { bpf_task_pt_regs((*ctx.as_ptr().cast::<[u64; 5]>())[2] as *mut _) as u64 }
    } else {
        read_u64(task, at!(task_stack)) + KERNEL_STACK - size_of::<[u64; 21]>() as u64
    };
    // Straight into the event: on the stack there is no room for them.
    // SAFETY: the buffer has the size that is given; the helper checks the source.
    let failed = unsafe {
        let to = (&raw mut event.header.registers).cast();
        bpf_probe_read_kernel(to, size_of::<[u64; 21]>() as u32, regs as *const _)
    };
    if failed == 0 && event.header.registers[CS] == USER_CS {
        event.header.stack_start = event.header.registers[SP];
        event.header.signal.flags |= FLAG_HAS_REGISTERS;
    }
}

/// The kernel's walk along frame pointers, each frame as build-id and file offset where the page with the
/// build-id is in memory.
#[inline(always)]
fn frames(ctx: &BtfTracePointContext, event: &mut CrashEvent) {
    let flags = u64::from(BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
    // SAFETY: the buffer has the size that is given.
    let len = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            (&raw mut event.frames).cast(),
            (FRAMES_MAX * size_of::<StackFrame>()) as u32,
            flags,
        )
    };
    if len > 0 {
        event.header.frames_len = len as u32;
    }
}

/// The stack from its pointer upwards, piece by piece: no piece crosses a page, so that one that cannot be read
/// does not cost the others.
#[inline(always)]
fn stack(event: &mut CrashEvent) -> usize {
    let mut start = event.header.stack_start;
    if start == 0 {
        return 0;
    }
    let mut len = STACK_PIECE - (start as usize & (STACK_PIECE - 1));
    if !first_piece(event, start, len) {
        // An overflow: the stack pointer is in the guard, and the stack begins above.
        start = (start & !(PAGE - 1)) + PAGE;
        len = STACK_PIECE;
        if !first_piece(event, start, len) {
            return 0;
        }
    }
    event.header.stack_start = start;
    for _ in 1..STACK_PIECES {
        // What the verifier can follow: below the start of the last piece.
        if len > STACK_PIECE * (STACK_PIECES - 1) {
            break;
        }
        // SAFETY: `len` leaves room for a piece; the helper checks the source.
        let failed = unsafe {
            let to = (&raw mut event.stack).cast::<u8>().add(len);
            bpf_probe_read_user(to.cast(), STACK_PIECE as u32, (start + len as u64) as *const _)
        };
        if failed != 0 {
            break;
        }
        len += STACK_PIECE;
    }
    event.header.stack_len = len as u32;
    len
}

#[inline(always)]
fn first_piece(event: &mut CrashEvent, start: u64, len: usize) -> bool {
    // SAFETY: at most one piece into a buffer of several; the helper checks the source.
    unsafe { bpf_probe_read_user((&raw mut event.stack).cast(), len as u32, start as *const _) == 0 }
}

/// The load map as the dynamic linker keeps it for debuggers: the executable's dynamic section names its
/// `r_debug`, and that the chain of `link_map`s (link.h). None for a static executable.
#[inline(always)]
fn modules(event: &mut CrashEvent, task: u64) {
    let Some(image) = image(read_u64(task, at!(task_mm))) else { return };
    event.header.vdso = image.vdso;
    event.header.entry = image.entry;
    let Some(debug) = dynamic_section(image.headers).and_then(debug_entry) else { return };
    // `struct r_debug { int r_version; struct link_map *r_map; … }`
    let mut map = user(debug + 8).unwrap_or(0);
    let mut count = 0;
    while count < MODULES_MAX && map != 0 {
        // `struct link_map { l_addr; l_name; l_ld; l_next; l_prev }`
        let Some([bias, name, _, next]) = user::<[u64; 4]>(map) else { break };
        let module = &mut event.modules[count & (MODULES_MAX - 1)];
        module.bias = bias;
        module.reserved = 0;
        // SAFETY: the buffer has the size that is given; the helper checks the source.
        let copied = unsafe {
            bpf_probe_read_user_str((&raw mut module.name).cast(), MODULE_NAME_MAX as u32, name as *const _)
        };
        module.name_len = if copied > 0 { copied as u32 - 1 } else { 0 };
        map = next;
        count += 1;
    }
    event.header.modules_len = count as u32;
}

#[inline(always)]
fn image(mm: u64) -> Option<Image> {
    const AT_PHDR: u64 = 3;
    const AT_ENTRY: u64 = 9;
    const AT_SYSINFO_EHDR: u64 = 33;
    let mut image = Image { headers: 0, vdso: 0, entry: 0 };
    for pair in 0..AUXV_PAIRS {
        let [kind, value] = read::<[u64; 2]>(mm + pair * 16, at!(mm_saved_auxv))?;
        match kind {
            0 => break,
            AT_PHDR => image.headers = value,
            AT_ENTRY => image.entry = value,
            AT_SYSINFO_EHDR => image.vdso = value,
            _ => {}
        }
    }
    (image.headers != 0).then_some(image)
}

/// Where the executable's dynamic section is in memory; `None` where it has none.
#[inline(always)]
fn dynamic_section(headers: u64) -> Option<u64> {
    const PT_DYNAMIC: u32 = 2;
    const PT_PHDR: u32 = 6;
    const HEADER: u64 = 56;
    let (mut bias, mut dynamic) = (None, None);
    for index in 0..PROGRAM_HEADERS {
        // `Elf64_Phdr { p_type: u32, p_flags: u32, p_offset, p_vaddr, … }`
        let [kind, _, address] = user::<[u64; 3]>(headers + index * HEADER)?;
        match kind as u32 {
            // The headers' own address in the file: says where the file's address 0 is in memory.
            PT_PHDR => bias = Some(headers.wrapping_sub(address)),
            PT_DYNAMIC => dynamic = Some(address),
            _ => {}
        }
        if let (Some(bias), Some(dynamic)) = (bias, dynamic) {
            return Some(bias.wrapping_add(dynamic));
        }
    }
    None
}

/// The value of DT_DEBUG.
#[inline(always)]
fn debug_entry(dynamic: u64) -> Option<u64> {
    const DT_NULL: u64 = 0;
    const DT_DEBUG: u64 = 21;
    for index in 0..DYNAMIC_ENTRIES {
        match user::<[u64; 2]>(dynamic + index * 16)? {
            [DT_DEBUG, value] => return Some(value),
            [DT_NULL, _] => return None,
            _ => {}
        }
    }
    None
}

/// The value at a user address; `None` where it cannot be read.
#[inline(always)]
fn user<T: Copy>(address: u64) -> Option<T> {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    // SAFETY: the buffer has the size that is given; the helper checks the source and fills the buffer even
    // where it fails.
    unsafe {
        let failed =
            bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _);
        (failed == 0).then(|| value.assume_init())
    }
}
