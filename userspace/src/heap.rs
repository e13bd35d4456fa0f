//! What the heap keeps. By itself glibc makes eight arenas a core, one for each thread that asks at the same time, and
//! what a burst has once needed stays with each of them: a daemon in use would hold many times what it needs. SQLite
//! allocates by malloc, too, so it is malloc that is told, and no other allocator put beside it.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, c_int, malloc_trim, mallopt};

    /// One for the threads of the runtime that work, one for whoever comes when that is busy.
    const ARENAS: c_int = 2;
    /// What is larger is mapped and given back at once. It is glibc's own first value; said, it stays: otherwise it grows
    /// with the largest block that was ever freed (mallopt(3)), and a large answer then leaves a hole in the heap.
    const LARGE_BYTES: c_int = 128 << 10;

    pub(super) fn tune() {
        let settings =
            [(M_ARENA_MAX, ARENAS), (M_MMAP_THRESHOLD, LARGE_BYTES), (M_TRIM_THRESHOLD, LARGE_BYTES)];
        for (what, value) in settings {
            // SAFETY: it takes two numbers, and refuses those it does not know.
            unsafe { mallopt(what, value) };
        }
    }

    pub(super) fn trim() {
        // SAFETY: it takes the locks that malloc takes, and gives back pages that nothing uses.
        unsafe { malloc_trim(0) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod glibc {
    //! Other C libraries have no arenas, and give back what they don't need.

    pub(super) const fn tune() {}

    pub(super) const fn trim() {}
}

use std::time::Duration;

/// Between two looks for pages that nothing uses: as often as /proc is scanned, which leaves the most.
const TRIM_EVERY: Duration = Duration::from_secs(10);

/// To be called before there are other threads.
pub fn tune() {
    glibc::tune();
}

/// Gives back what is free, again and again.
pub async fn give_back() {
    loop {
        tokio::time::sleep(TRIM_EVERY).await;
        // It holds an arena's lock while it looks through it: not on a thread that others wait for.
        if tokio::task::spawn_blocking(glibc::trim).await.is_err() {
            return;
        }
    }
}
