//! From lines of the kernel's log to OOM reports: one for each victim. Pure. The kernel makes one report at a
//! time (oom_lock), but other lines come between its lines, and lines may be lost.

use std::time::Duration;

use super::lines::{self, Columns, Line, Summary};
use crate::model::{Constraint, Invoker, MemoryCounter, OomReport, ReportedVictim, TaskRow};

/// Most rows kept of the table of tasks, the largest.
const ROWS_MAX: usize = 256;
/// Most of a report's text that is kept, which is 32 KiB in all: of the lines before the table, …
const HEAD_MAX: usize = 12 * 1024;
/// … of the table …
const TABLE_MAX: usize = 13 * 1024;
/// … of the kills before, in a group …
const TAIL_MAX: usize = 2 * 1024;
/// … and of a line that may come in pieces; also of one row.
const LINE_MAX: usize = 4 * 1024;
/// A report that takes longer than this has lost its end. Consoles on a serial line are slow.
const REPORT_MAX: Duration = Duration::from_secs(60);
/// The text's first line, before the number: the log does not say it.
const PAGES_OF: &str = "# Sizes in the table of tasks are in pages. Bytes a page: ";

/// Stands for the rows that had no room, before their number.
const LEFT_OUT: &str = "# Smaller tasks left out: ";

/// The lines so far.
pub(super) struct Reports {
    page_size: u64,
    draft: Option<Draft>,
}

/// A report in the making, or the last one while more victims of it may follow.
#[derive(Clone)]
struct Draft {
    began: Duration,
    invoker: Invoker,
    memory: Option<MemoryCounter>,
    memory_swap: Option<MemoryCounter>,
    columns: Option<Columns>,
    rows: Vec<Row>,
    task_count: usize,
    summary: String,
    /// The lines before the table, and those after the first kill.
    head: String,
    tail: String,
    cut: bool,
    /// Inside the call trace and the registers.
    tracing: bool,
    /// What was said of its first victim, once that is killed.
    told: Option<Summary>,
    /// Its other processes are killed too (memory.oom.group).
    group: bool,
}

#[derive(Clone)]
struct Row {
    task: TaskRow,
    /// Its place in the table.
    place: usize,
    line: String,
}

impl Reports {
    pub(super) const fn new(page_size: u64) -> Self {
        Self { page_size, draft: None }
    }

    /// Lines are missing: what belongs together is not certain any more.
    pub(super) fn gap(&mut self) {
        self.draft = None;
    }

    /// The next line of the kernel's, logged at `at`; `continues` where it is a piece of an earlier one. A report
    /// when this line ends one.
    pub(super) fn line(&mut self, at: Duration, text: &str, continues: bool) -> Option<OomReport> {
        if self.draft.as_ref().is_some_and(|it| at.saturating_sub(it.began) > REPORT_MAX) {
            self.draft = None;
        }
        match lines::read(text) {
            Line::Invoked(invoker) => {
                self.draft = Some(Draft::new(at, invoker, text));
                None
            }
            Line::Killed { memcg, victim, escaped } => Some(self.finish(at, memcg, victim, &escaped, text)),
            line => {
                if let Some(draft) = &mut self.draft {
                    draft.add(line, text, continues);
                }
                None
            }
        }
    }

    fn finish(
        &mut self,
        at: Duration,
        memcg: bool,
        victim: ReportedVictim,
        escaped: &str,
        text: &str,
    ) -> OomReport {
        let summary = self.draft.as_mut().and_then(|draft| draft.claim(&victim, escaped));
        let draft = self.draft.as_mut().filter(|_| summary.is_some()).map(|draft| {
            let before = draft.clone();
            draft.keep_tail(text);
            before
        });
        let constraint = summary.as_ref().map(|it| it.constraint);
        let (oom_memcg, task_memcg) = summary.map(|it| (it.oom_memcg, it.task_memcg)).unwrap_or_default();
        let mut report = OomReport {
            at,
            invoker: None,
            constraint: constraint.or_else(|| memcg.then_some(Constraint::Memcg)),
            oom_memcg,
            task_memcg,
            memory: None,
            memory_swap: None,
            victim_tgid: victim.pid,
            victim,
            tasks: Vec::new(),
            task_count: 0,
            page_size: self.page_size,
            text: format!("{PAGES_OF}{}\n", self.page_size),
            text_cut: false,
        };
        if let Some(mut draft) = draft {
            draft.keep_largest();
            report.victim_tgid = draft.tgid(report.victim.pid);
            report.text_cut = draft.write(&mut report.text);
            report.invoker = Some(draft.invoker);
            (report.memory, report.memory_swap) = (draft.memory, draft.memory_swap);
            report.task_count = draft.task_count;
            report.tasks = draft.rows.into_iter().map(|row| row.task).collect();
        }
        report.text.push_str(text);
        report.text.push('\n');
        report
    }
}

impl Draft {
    fn new(began: Duration, invoker: Invoker, text: &str) -> Self {
        Self {
            began,
            invoker,
            memory: None,
            memory_swap: None,
            columns: None,
            rows: Vec::new(),
            task_count: 0,
            summary: String::new(),
            head: format!("{text}\n"),
            tail: String::new(),
            cut: false,
            tracing: false,
            told: None,
            group: false,
        }
    }

    fn add(&mut self, line: Line, text: &str, continues: bool) {
        match line {
            // What comes between the victims of a group, and after the last one, tells nothing.
            Line::Group if self.told.is_some() => {
                self.group = true;
                self.keep_tail(text);
            }
            _ if self.told.is_some() => {}
            _ if lines::begins_summary(text) => self.extend_summary(text),
            _ if continues && self.is_summary_open() => self.extend_summary(text),
            Line::TaskHeader(columns) => {
                self.columns = Some(columns);
                self.tracing = false;
                self.keep(text);
            }
            _ => {
                if let Some(task) = self.columns.as_ref().and_then(|it| it.row(text)) {
                    self.add_row(task, text);
                    return;
                }
                match line {
                    Line::Memory(usage) => self.memory = Some(usage),
                    Line::MemorySwap(usage) => self.memory_swap = Some(usage),
                    _ => {}
                }
                let begins = text.starts_with("CPU: ") || text.starts_with("Call Trace:");
                let ends = text.starts_with("Mem-Info:") || matches!(line, Line::Memory(_));
                self.tracing = (self.tracing || begins) && !ends;
                if !self.tracing {
                    self.keep(text);
                }
            }
        }
    }

    fn add_row(&mut self, task: TaskRow, text: &str) {
        let row = Row { task, place: self.task_count, line: start_of(text, LINE_MAX).to_owned() };
        self.rows.push(row);
        self.task_count += 1;
        if self.rows.len() >= 2 * ROWS_MAX {
            self.keep_largest();
        }
    }

    /// The largest first, and of those at most [`ROWS_MAX`].
    fn keep_largest(&mut self) {
        self.rows.sort_by_key(|row| (std::cmp::Reverse(row.task.rss_pages), row.place));
        self.rows.truncate(ROWS_MAX);
    }

    fn extend_summary(&mut self, text: &str) {
        let room = LINE_MAX.saturating_sub(self.summary.len());
        self.summary.push_str(start_of(text, room));
    }

    fn keep(&mut self, text: &str) {
        if self.head.len() + text.len() < HEAD_MAX {
            self.head.push_str(text);
            self.head.push('\n');
        } else {
            self.cut = true;
        }
    }

    fn keep_tail(&mut self, text: &str) {
        if self.tail.len() + text.len() < TAIL_MAX {
            self.tail.push_str(text);
            self.tail.push('\n');
        }
    }

    /// The process of this thread, as far as the table tells.
    fn tgid(&self, pid: u32) -> u32 {
        self.rows.iter().find(|row| row.task.pid == pid).map_or(pid, |row| row.task.tgid)
    }

    /// What this report says of that victim, who is killed now; `None` where it is another's.
    fn claim(&mut self, victim: &ReportedVictim, escaped: &str) -> Option<Summary> {
        if let Some(first) = &self.told {
            // The others of a group are in the table with the first, but may be in cgroups below.
            let listed = self.group && self.rows.iter().any(|row| row.task.pid == victim.pid);
            return listed.then(|| Summary { pid: victim.pid, task_memcg: None, ..first.clone() });
        }
        let summary = lines::summary(&self.summary, escaped)?;
        // The kernel may go on from a leader that has ended to another thread of its process.
        if self.tgid(summary.pid) != self.tgid(victim.pid) {
            return None;
        }
        self.told = Some(summary.clone());
        Some(summary)
    }

    fn is_summary_open(&self) -> bool {
        !self.summary.is_empty() && !self.summary.contains(",uid=")
    }

    /// The lines so far, the table's smallest rows left out where there are too many; whether any line was.
    fn write(&self, out: &mut String) -> bool {
        out.push_str(&self.head);
        let mut room = TABLE_MAX;
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .take_while(|row| {
                room = room.saturating_sub(row.line.len() + 1);
                room > 0
            })
            .collect();
        rows.sort_by_key(|row| row.place);
        for row in &rows {
            out.push_str(&row.line);
            out.push('\n');
        }
        if rows.len() < self.task_count {
            out.push_str(&format!("{LEFT_OUT}{}\n", self.task_count - rows.len()));
        }
        out.push_str(&self.summary);
        out.push('\n');
        out.push_str(&self.tail);
        self.cut || rows.len() < self.task_count
    }
}

fn start_of(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests;
