//! What others wrote in a case, for masking: see [`Maskable`].

use super::case::{Case, CaseFile, Fact, Finding};
use super::part::Part as _;
use crate::model::{Completeness, Maskable, Written};

impl Maskable for CaseFile {
    fn argv(&self) -> &[String] {
        &self.process.argv
    }

    fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>)) {
        let Self { process, observed_at: _, findings, facts, evidence, completeness } = self;
        process.each_written(act);
        for Fact { id: _, data, source, at: _ } in facts {
            data.each_name(&mut |name| act(Written::Text(name.raw_mut())));
            act(Written::Text(source));
        }
        for Finding { kind: _, severity: _, facts: _, summary } in findings {
            summary.each_name(&mut |name| act(Written::Text(name.raw_mut())));
        }
        completeness.each_written(act);
        evidence.iter_mut().for_each(|file| act(Written::File(file)));
    }

    fn completeness(&mut self) -> Option<&mut Completeness> {
        Some(&mut self.completeness)
    }
}

impl Maskable for Case {
    fn argv(&self) -> &[String] {
        self.file.argv()
    }

    fn each_written(&mut self, act: &mut dyn FnMut(Written<'_>)) {
        let Self { fingerprint: _, kind: _, severity: _, title, count: _, file } = self;
        act(Written::Text(title));
        file.each_written(act);
    }

    fn completeness(&mut self) -> Option<&mut Completeness> {
        self.file.completeness()
    }
}
