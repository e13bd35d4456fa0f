//! A transaction as the store's questions see it: statements are prepared through it and in no other way, so that
//! the tests can look at the plan of each of them.

use rusqlite::{CachedStatement, Connection, Result, Transaction, TransactionBehavior};

/// One transaction; rolled back unless it is committed.
pub(super) struct Tx<'conn>(Transaction<'conn>);

impl<'conn> Tx<'conn> {
    pub(super) fn begin(conn: &'conn mut Connection, behavior: TransactionBehavior) -> Result<Self> {
        conn.transaction_with_behavior(behavior).map(Self)
    }

    /// A statement, made once a connection.
    pub(super) fn prepare_cached(&self, sql: &str) -> Result<CachedStatement<'_>> {
        #[cfg(test)]
        super::plans::check(sql);
        self.0.prepare_cached(sql)
    }

    pub(super) fn commit(self) -> Result<()> {
        self.0.commit()
    }
}
