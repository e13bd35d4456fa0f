//! Where classic tracepoints keep their fields: tracefs' `format` files. Fields are looked up by name and width; the
//! kernel's version number is never asked.

use std::fs;
use std::path::Path;

use ai_debugger_ebpf::formats::Formats;
use ai_debugger_ebpf::layout::MISSING;

/// Reads the formats under `tracefs`. What a kernel has not is [`MISSING`].
pub(super) fn read(tracefs: &Path) -> Formats {
    let field = |tracepoint: &str, name: &str, width: u32| {
        let path = tracefs.join("events").join(tracepoint).join("format");
        let format = fs::read_to_string(path).unwrap_or_default();
        offset(&format, name, width).unwrap_or(MISSING)
    };
    Formats {
        exec_filename: field("sched/sched_process_exec", "filename", 4),
        exit_group_dead: field("sched/sched_process_exit", "group_dead", 1),
        fork_child_pid: field("sched/sched_process_fork", "child_pid", 4),
        victim_pid: field("oom/mark_victim", "pid", 4),
        generate_sig: field("signal/signal_generate", "sig", 4),
        generate_pid: field("signal/signal_generate", "pid", 4),
        generate_result: field("signal/signal_generate", "result", 4),
        deliver_sig: field("signal/signal_deliver", "sig", 4),
        deliver_handler: field("signal/signal_deliver", "sa_handler", 8),
    }
}

/// The offset of a field of this width, from a line such as `field:pid_t pid; offset:12; size:4; signed:1;`.
fn offset(format: &str, name: &str, width: u32) -> Option<u32> {
    format.lines().find_map(|line| {
        let mut parts = line.trim().split(';').map(str::trim);
        let declared = parts.next()?.strip_prefix("field:")?;
        // `char comm[16]` has its brackets behind the name, `char[] filename` before it.
        let declared = declared.split_whitespace().next_back()?.split('[').next()?;
        let mut number = |key: &str| parts.next()?.strip_prefix(key)?.parse::<u32>().ok();
        let (offset, size) = (number("offset:")?, number("size:")?);
        (declared == name && size == width).then_some(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As 6.18 prints them.
    const EXEC: &str = "name: sched_process_exec\nID: 320\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
        \tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n\
        \tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;\n\n\
        print fmt: \"filename=%s pid=%d\", __get_str(filename), REC->pid\n";
    const EXIT: &str = "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
        \tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n\
        \tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n\
        \tfield:bool group_dead;\toffset:32;\tsize:1;\tsigned:0;\n";

    #[test]
    fn fields_are_found_by_name_and_width() {
        for (format, name, width, want) in [
            (EXEC, "pid", 4, Some(12)),
            (EXEC, "filename", 4, Some(8)),
            (EXIT, "group_dead", 1, Some(32)),
            (EXIT, "pid", 4, Some(24)),
            (EXIT, "comm", 16, Some(8)),
            // Another width is another meaning.
            (EXIT, "pid", 8, None),
            // Before 6.16.
            (EXEC, "group_dead", 1, None),
            // The end of another field's name, and a word of the print format.
            (EXEC, "id", 4, None),
            (EXEC, "REC->pid", 4, None),
            ("field:pid_t pid;\toffset:x;\tsize:4;", "pid", 4, None),
            ("field:pid_t pid;", "pid", 4, None),
            ("", "pid", 4, None),
        ] {
            assert_eq!(offset(format, name, width), want, "{name} of {width} bytes");
        }
    }

    #[test]
    fn a_kernel_without_tracefs_has_none() {
        assert_eq!(read(Path::new("/nonexistent")), Formats::UNKNOWN);
    }
}
