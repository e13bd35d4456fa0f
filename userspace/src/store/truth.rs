//! What waits to be sent and is no longer true: an end of what is open again, a reminder of what is over. It is never
//! sent. Taken back in the transaction that makes it untrue; looked at once more when its turn comes.

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::tx::Tx;
use crate::model::{IncidentStatus, Occasion};

/// Why an alert that was tried before is given up, as the incident shows it.
pub(super) const TAKEN_BACK: &str = "taken back: it was no longer true when it could be sent";

/// Whether a message for this occasion is true of an incident that stands so.
pub(super) const fn is_true(occasion: Occasion, status: IncidentStatus) -> bool {
    match (occasion, status) {
        (Occasion::Resolved, IncidentStatus::Open | IncidentStatus::Acknowledged)
        | (Occasion::Reminder, IncidentStatus::Acknowledged | IncidentStatus::Resolved)
        | (Occasion::Reopened | Occasion::Escalated, IncidentStatus::Resolved) => false,
        // That it happened, and what was thought of it, stays true; the message says how it stands.
        _ => true,
    }
}

/// Takes back what waits of this incident and is not true of it as it stands. What is on its way this moment can't be.
pub(super) fn take_back(tx: &Tx<'_>, id: &str, now: Timestamp) -> Result<()> {
    let sql = "SELECT status FROM incidents WHERE id = ?1";
    let status: String = tx.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
    let Ok(status) = serde_json::from_value::<IncidentStatus>(status.into()) else { return Ok(()) };
    for occasion in Occasion::ALL.into_iter().filter(|it| !is_true(*it, status)) {
        let sql = "DELETE FROM alerts WHERE incident = ?1 AND status = 'pending' AND attempts = 0 AND occasion = ?2";
        tx.prepare_cached(sql)?.execute([id, occasion.as_str()])?;
        // One that was tried is history.
        let sql = "UPDATE alerts SET status = 'failed', at_ms = ?3, error = ?4
                   WHERE incident = ?1 AND status = 'pending' AND in_flight = 0 AND occasion = ?2";
        tx.prepare_cached(sql)?.execute(params![id, occasion.as_str(), now.as_millisecond(), TAKEN_BACK])?;
    }
    Ok(())
}

/// Whether this receiver may take an incident for over: it is being told so, and may have it; or, where its `level`
/// counts, it was told so last.
pub(super) fn takes_for_over(tx: &Tx<'_>, id: &str, sink: &str, level: bool) -> Result<bool> {
    let sql = "SELECT occasion = 'resolved' AND (?3 AND status = 'sent' OR status = 'pending')
               FROM alerts WHERE incident = ?1 AND sink = ?2
                 AND (status = 'sent' OR (status = 'pending' AND max(in_flight, may_repeat) > 0))
               ORDER BY id DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| row.get(0);
    Ok(tx.prepare_cached(sql)?.query_row(params![id, sink, level], read).optional()?.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_stays_true_and_what_goes_on_does_not() {
        use IncidentStatus::{Acknowledged, Open, Resolved};
        for (occasion, open, acknowledged, resolved) in [
            (Occasion::New, true, true, true),
            (Occasion::Verdict, true, true, true),
            (Occasion::Escalated, true, true, false),
            (Occasion::Reopened, true, true, false),
            (Occasion::Reminder, true, false, false),
            (Occasion::Resolved, false, false, true),
            (Occasion::Digest, true, true, true),
            (Occasion::Summary, true, true, true),
        ] {
            let got = [Open, Acknowledged, Resolved].map(|status| is_true(occasion, status));
            assert_eq!(got, [open, acknowledged, resolved], "{occasion:?}");
        }
    }
}
