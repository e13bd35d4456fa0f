//! What others wrote in a record: a process, whoever named a cgroup, a receiver, a model that read of it. Each record
//! takes itself apart whole here, so that a field that is added must say whether it is such a text.

use serde_json::Value;

use super::{
    AlertDelivery, Ancestor, Completeness, EvidenceFile, ExitRecord, FactView, FindingView, Hypothesis,
    Incident, Login, NextStep, ProcessInfo, ProcessView, Related, SignalSender, Verdict,
};

/// One thing that others wrote.
pub enum Written<'a> {
    /// Words.
    Text(&'a mut String),
    /// A command line: what one argument is may depend on the one before.
    Arguments(&'a mut Vec<String>),
    /// A frozen file.
    File(&'a mut EvidenceFile),
}

/// A record with such things in it.
pub trait Maskable {
    /// The arguments of the process it is about, which may give away what stands elsewhere.
    fn argv(&self) -> &[String];

    /// Hands over all that others wrote.
    fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>));

    /// Where it says what is missing and what was masked, if it does.
    fn completeness(&mut self) -> Option<&mut Completeness> {
        None
    }
}

impl Maskable for ProcessView {
    fn argv(&self) -> &[String] {
        &self.info.argv
    }

    fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>)) {
        let Self {
            info,
            cpu_percent: _,
            rss_bytes: _,
            threads: _,
            fds: _,
            forks: _,
            state: _,
            age_s: _,
            exit,
        } = self;
        info.each_written(act);
        if let Some(exit) = exit {
            exit.each_written(act);
        }
    }
}

impl Maskable for Incident {
    fn argv(&self) -> &[String] {
        &self.process.argv
    }

    fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>)) {
        let Self {
            id: _,
            kind: _,
            was: _,
            severity: _,
            rules_severity: _,
            status: _,
            fingerprint: _,
            title,
            host: _,
            boot_id: _,
            process,
            first_seen: _,
            last_seen: _,
            count: _,
            acknowledged_at: _,
            resolved_at: _,
            related,
            findings,
            facts,
            completeness,
            verdict,
            alerts,
            // Names and sources of files are our own words.
            evidence: _,
        } = self;
        act(Written::Text(title));
        process.each_written(act);
        for Related { id: _, kind: _, severity: _, title, relation: _ } in related {
            act(Written::Text(title));
        }
        for FindingView { kind: _, severity: _, summary, facts: _ } in findings {
            act(Written::Text(summary));
        }
        facts.iter_mut().for_each(|fact| fact.each_text(&mut |text| act(Written::Text(text))));
        completeness.each_written(act);
        verdict.each_written(act);
        for AlertDelivery { sink: _, occasion: _, status: _, at: _, attempts: _, error, folded_into: _ } in
            alerts
        {
            error.iter_mut().for_each(|error| act(Written::Text(error)));
        }
    }
}

impl ProcessInfo {
    /// Hands over all that others wrote.
    pub fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>)) {
        let Self {
            pid: _,
            start_ticks: _,
            ppid: _,
            name,
            exe,
            argv,
            uid: _,
            cgroup,
            // Hex digits, or they would not be there.
            container_id: _,
            unit,
            pod_uid: _,
            container,
        } = self;
        act(Written::Arguments(argv));
        act(Written::Text(name));
        exe.iter_mut().chain(cgroup).chain(unit).for_each(|text| act(Written::Text(text)));
        if let Some(container) = container {
            container.each_text(&mut |text| act(Written::Text(text)));
        }
    }
}

impl ExitRecord {
    /// Hands over all that others wrote.
    pub fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>)) {
        let Self {
            at: _,
            cause: _,
            core_dumped: _,
            oom_killed: _,
            cpu_ns: _,
            age_ms: _,
            peak_rss_bytes: _,
            threads: _,
            major_faults: _,
            read_bytes: _,
            written_bytes: _,
            ns_pid: _,
            gid: _,
            parent_name,
            argv_cut: _,
            signal,
        } = self;
        act(Written::Text(parent_name));
        let sender = signal.as_mut().and_then(|it| it.sender.as_mut());
        sender.into_iter().for_each(|it| it.each_written(act));
    }
}

impl SignalSender {
    /// Hands over all that others wrote.
    pub fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>)) {
        let Self {
            pid: _,
            start_ticks: _,
            name,
            exe,
            argv,
            uid: _,
            user,
            login,
            unit,
            // Hex digits, or they would not be there.
            container_id: _,
            ancestors,
        } = self;
        act(Written::Arguments(argv));
        act(Written::Text(name));
        let login = login.as_mut().and_then(|Login { uid: _, user, session: _ }| user.as_mut());
        exe.iter_mut().chain(user).chain(login).chain(unit).for_each(|text| act(Written::Text(text)));
        for Ancestor { pid: _, name } in ancestors {
            act(Written::Text(name));
        }
    }
}

impl Completeness {
    /// Hands over all that others wrote: a path may stand in a reason.
    pub fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>)) {
        let Self { events_lost: _, evidence_delay_ms: _, missing, masked: _ } = self;
        missing.iter_mut().for_each(|text| act(Written::Text(text)));
    }
}

impl Verdict {
    /// Hands over all that others wrote, the model among them.
    pub fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>)) {
        let Self {
            by: _,
            // The configuration's.
            model: _,
            summary,
            probable_cause,
            confidence: _,
            evidence: _,
            hypotheses,
            next_steps,
            raised_to: _,
            note,
        } = self;
        [summary, probable_cause].into_iter().chain(note).for_each(|text| act(Written::Text(text)));
        for Hypothesis { cause, evidence: _ } in hypotheses {
            act(Written::Text(cause));
        }
        for NextStep { why, command } in next_steps {
            act(Written::Text(why));
            act(Written::Text(command));
        }
    }
}

impl FactView {
    /// Hands over every text in it. In the value, those that others wrote are not told apart from our own words, in
    /// which there is no secret.
    pub fn each_text(&mut self, act: &mut dyn FnMut(&mut String)) {
        let Self { id: _, text, data, source, at: _ } = self;
        act(text);
        act(source);
        each_text_of(data, act);
    }
}

fn each_text_of(value: &mut Value, act: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => act(text),
        Value::Array(values) => values.iter_mut().for_each(|it| each_text_of(it, act)),
        Value::Object(fields) => fields.values_mut().for_each(|it| each_text_of(it, act)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
